"""What is measured of a trained model besides its cells: how fast it draws them, and what its tokens keep of one."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from genediff.adapter_info import ADAPTER_FILE
from genediff.errors import Cancelled, InputError
from genediff.runs.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.runs.job import Job

WARM, TIMED = 16, 256
"""Cells that are generated before the clock runs, and while it does."""


def measure_model(job: Job, model: Path, dataset_id: str) -> None:
    """Write measures.json into a model folder, once; a failure is logged and costs only itself."""
    from genediff.model_info import MEASURES_FILE

    if (model / MEASURES_FILE).exists():
        return
    try:
        job.note("Measuring reconstruction and sampling speed.")
        write_json(model / MEASURES_FILE, {"format_version": 1, "measures": _measures(job, model, dataset_id)})
    except InputError as problem:
        job.note(f"Reconstruction and speed were not measured: {problem}")
    except Cancelled:
        raise
    except Exception:  # noqa: BLE001  a trained model is worth more than its measures
        traceback.print_exc()


def _measures(job: Job, model: Path, dataset_id: str) -> dict[str, float]:
    from genediff.evaluation.reconstruction import reconstruct
    from genediff.model import GeneDiff
    from genediff.nn.interruption import stoppable

    generator = GeneDiff.load(model, device=job.device)
    # An adapted model has the genes of its base; how it brings cells back is in the gain that is measured of it.
    adapted = (model / ADAPTER_FILE).is_file()
    found = None if adapted else reconstruct(generator, job.workspace.open_dataset(dataset_id))
    said = "The model is in the library, and judged; how fast it draws cells is not known. Resume does it."
    with stoppable(generator.denoiser, job.stop, message=said):
        generator.generate(WARM, seed=0)
        begun = time.perf_counter()
        generator.generate(TIMED, seed=1, batch_size=TIMED)
    measures = {"cells_per_second": TIMED / (time.perf_counter() - begun)}
    if found is not None:
        measures |= {"reconstruction_r": found.correlation, "reconstruction_nll": found.nll}
    return measures
