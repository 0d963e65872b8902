"""Two processes share training, cells and judging; what comes out is what one makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genediff.distributed import ALONE, Ranks, launch
from genediff.evaluation import Evaluation
from genediff.models.load_model import load_model
from genediff.runs import submit
from genediff.runs.kinds.evaluate_generated import evaluate_model


def draw(ranks: Ranks, *, model: str) -> np.ndarray:
    cells = load_model(Path(model), device="cpu").generate(50, seed=3, n_steps=2, batch_size=8, ranks=ranks)
    return np.hstack([cells.X.toarray(), cells.obs[["library"]].to_numpy()])


@pytest.mark.slow
def test_a_run_of_two_processes(workspace, dataset, tiny, members, wait_for, wait_for_end) -> None:
    """The worker starts the other process, reports each step once, and nobody is left behind."""
    run = submit(tiny(steps=12).model_copy(update={"devices": 2}), workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail(40)
    steps = [(e.stage, e.step) for e in run.events().items if e.what == "step" and e.loss is not None]
    assert len(set(steps)) == len(steps)
    wait_for(lambda: not members(), seconds=60, what="the other process leaves")
    model = workspace.model_folder(run.id)
    assert load_model(model, device="cpu").spec.trained["processes"] == 2
    shared = Evaluation.read(model / "evaluation.json")
    alone = evaluate_model(
        model, dataset, device="cpu", progress=lambda share, what: None, cancelled=lambda: False
    )  # fmt: skip
    assert shared.scores == alone.scores
    assert shared.drifted == alone.drifted
    # Cells: seven batches, of which each draws its share.
    with launch("tests.runs.test_shared_work:draw", {"model": str(model)}, size=2) as ranks:
        together = draw(ranks, model=str(model))
    np.testing.assert_array_equal(together, draw(ALONE, model=str(model)))
