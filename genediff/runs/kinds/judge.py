"""Generate cells as the held-out ones are labelled, and judge them; shared by the kinds that end with a verdict."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from genediff.errors import Cancelled, InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.runs.job import Job

STAGE = "evaluation"
MAX_CELLS = 2000
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
        return judge(job, generate_like_test(job, model, dataset), dataset, model / EVALUATION_FILE)
    except Cancelled:
        raise Cancelled("The model is in the library; its evaluation was stopped. Resume does it.") from None
    except InputError as problem:
        return f"It could not be judged: {problem}"
    except Exception:  # noqa: BLE001  a trained model is worth more than its evaluation
        traceback.print_exc()
        return "It could not be judged because of an error in the program; the log holds the details."


def judge(job: Job, generated: AnnData, dataset: Dataset, path: Path) -> str:
    """Judge generated cells, write the evaluation to `path`, and return its verdict in words."""
    from genediff.evaluation import evaluate

    report = job.progress(STAGE)
    evaluation = evaluate(
        generated,
        dataset,
        progress=lambda share, what: report(GENERATING + (1 - GENERATING) * share, what),
        cancelled=job.stop,
    )
    evaluation.save(path)
    return evaluation.verdict.sentence


def generate_like_test(job: Job, model: Path, dataset: Dataset) -> AnnData:
    """Generate one cell for each test cell (at most 2,000 of them), asked for by the same labels."""
    from genediff.model import GeneDiff

    report = job.progress(STAGE)
    report(0.0, "generating cells")
    generator = GeneDiff.load(model, device=job.device)
    n = min(len(dataset.rows("test")), MAX_CELLS)
    conditions = _test_conditions(dataset, tuple(generator.conditions), n)

    def tell(done: int, total: int) -> None:
        report(GENERATING * done / max(total, 1), "generating cells")
        if job.stop():
            raise Cancelled

    return generator.generate(n, conditions=conditions, batch_size=256, progress=tell)


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
