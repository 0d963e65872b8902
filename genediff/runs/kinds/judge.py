"""Generate cells as the held-out ones are labelled, and judge them; shared by the kinds that end with a verdict."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from genediff.errors import Cancelled, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.evaluation import Evaluation
    from genediff.runs.job import Job

STAGE = "evaluation"
MAX_CELLS = 2000
SEEDS = (0, 1, 2)
GENERATING = 0.2
"""Share of the stage that generating takes."""


def judge_model(job: Job, model: Path, dataset_id: str) -> str:
    """Write evaluation.json into a model folder and return the verdict; a failure is told and costs only itself.

    Raises
    ------
    Cancelled
        When the run was told to stop; the model stays, a resume goes on with the evaluation.
    """
    from genediff.model_info import EVALUATION_FILE

    if (model / EVALUATION_FILE).exists():
        return ""
    try:
        dataset = job.workspace.open_dataset(dataset_id)
        evaluation = evaluate_model(model, dataset, device=job.device, progress=job.progress(STAGE), cancelled=job.stop)
        evaluation.save(model / EVALUATION_FILE)
        return evaluation.verdict.sentence
    except Cancelled:
        raise Cancelled("The model is in the library; its evaluation was stopped. Resume does it.") from None
    except InputError as problem:
        return f"It could not be judged: {problem}"
    except Exception:  # noqa: BLE001  a trained model is worth more than its evaluation
        traceback.print_exc()
        return "It could not be judged because of an error in the program; the log holds the details."


def evaluate_model(
    model: Path,
    dataset: Dataset,
    *,
    device: str,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int] = SEEDS,
) -> Evaluation:
    """Judge a model by one generated cell for each test cell (at most 2,000), asked for by the same labels."""
    from genediff.evaluation import evaluate
    from genediff.model import GeneDiff

    progress(0.0, "generating cells")
    generator = GeneDiff.load(model, device=device)
    n = min(len(dataset.rows("test")), MAX_CELLS)

    def tell(done: int, total: int) -> None:
        progress(GENERATING * done / max(total, 1), "generating cells")
        if cancelled():
            raise Cancelled

    conditions = _test_conditions(dataset, tuple(generator.conditions), n)
    generated = generator.generate(n, conditions=conditions, batch_size=256, progress=tell)
    return evaluate(
        generated,
        dataset,
        seeds=seeds,
        progress=lambda share, what: progress(GENERATING + (1 - GENERATING) * share, what),
        cancelled=cancelled,
    )


def evaluate_file(
    path: Path,
    dataset: Dataset,
    *,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int] = SEEDS,
) -> Evaluation:
    """Judge a file of generated cells from anywhere."""
    from genediff.evaluation import evaluate

    return evaluate(read_generated(path), dataset, seeds=seeds, progress=progress, cancelled=cancelled)


def read_generated(path: Path) -> AnnData:
    """Read an h5ad file of generated cells; InputError when it is not one."""
    import anndata

    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError):
        raise InputError(
            f"{path.name} cannot be read as an h5ad file; save it again with AnnData.write_h5ad."
        ) from None


def _test_conditions(dataset: Dataset, columns: tuple[str, ...], n: int) -> pd.DataFrame | None:
    """Return the labels of n test cells, drawn with a fixed seed; levels unknown to training are "no label"."""
    import numpy as np
    import pandas as pd

    if not columns:
        return None
    rows = np.random.default_rng(0).permutation(len(dataset.rows("test")))[:n]
    table = {}
    for column in columns:
        levels = np.array([*dataset.vocabulary(column), None], dtype=object)
        table[column] = levels[dataset.codes(column, "test")[rows]]  # code -1 is the last one: None
    return pd.DataFrame(table)
