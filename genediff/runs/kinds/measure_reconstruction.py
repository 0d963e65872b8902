"""What is measured of a trained model besides its cells: its speed, what its tokens keep of one, and held-out nats."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from genediff.core.errors import Cancelled, InputError
from genediff.core.json_files import write_json
from genediff.models.adapter_info import ADAPTER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.evaluation.held_out_nats import HeldOutNats
    from genediff.models.generative_model import GenerativeModel
    from genediff.runs.job import Job

WARM, TIMED = 16, 256
"""Cells that are generated before the clock runs, and while it does."""


def measure_model(job: Job, model: Path, dataset_id: str) -> None:
    """Write measures.json into a model folder, once; a failure is logged and costs only itself."""
    from genediff.models.model_info import MEASURES_FILE

    if (model / MEASURES_FILE).exists():
        return
    try:
        job.note("Measuring reconstruction and sampling speed.")
        measures, nats = _measures(job, model, dataset_id)
        write_json(model / MEASURES_FILE, {"format_version": 1, "measures": measures, "nats": nats})
    except InputError as problem:
        job.note(f"Reconstruction and speed were not measured: {problem}")
    except Cancelled:
        raise
    except Exception:  # noqa: BLE001  a trained model is worth more than its measures
        traceback.print_exc()


def _measures(job: Job, model: Path, dataset_id: str) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return figures by name, and held-out nats by depth (none but in count space)."""
    from genediff.core.interruption import stoppable
    from genediff.evaluation.reconstruction import reconstruct
    from genediff.models.load_model import load_model

    generator = load_model(model, device=job.device)
    # An adapted model has the genes of its base; how it brings cells back is in the gain that is measured of it.
    adapted = (model / ADAPTER_FILE).is_file()
    dataset = job.workspace.open_dataset(dataset_id)
    found = None if adapted else reconstruct(generator, dataset)
    said = "The model is in the library, and judged; how fast it draws cells is not known. Resume does it."
    with stoppable(generator.denoiser, job.stop, message=said):
        generator.generate(WARM, seed=0)
        begun = time.perf_counter()
        generator.generate(TIMED, seed=1, batch_size=TIMED)
        measures = {"cells_per_second": TIMED / (time.perf_counter() - begun)}
        nats = None if adapted else _nats(job, generator, dataset)
    if found is not None:
        measures |= {"reconstruction_r": found.correlation, "reconstruction_nll": found.nll}
    return measures | (nats.measures() if nats else {}), nats.to_dict()["rows"] if nats else []


def _nats(job: Job, model: GenerativeModel, dataset: Dataset) -> HeldOutNats | None:
    from genediff.evaluation.held_out_nats import held_out_nats

    if not model.in_count_space:
        return None
    try:
        return held_out_nats(model, dataset)
    except InputError as problem:  # cells that are too shallow, or too few
        job.note(f"Held-out nats were not measured: {problem}")
        return None
