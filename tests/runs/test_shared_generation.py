"""Two processes share a generation run: cancelled and resumed by one or by two, the file of one unbroken process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import pandas as pd
import pytest

from genediff.core.json_files import read_or_none, write_json
from genediff.evaluation import Evaluation, evaluate
from genediff.generation.generated_parts import list_parts, missing
from genediff.models.conditions import cells_at_once
from genediff.models.load_model import load_model
from genediff.runs import GenerateJob, submit
from genediff.runs.kinds.generate_run import EVALUATION_FILE, PARTS, SAMPLE_FILE

if TYPE_CHECKING:
    from pathlib import Path

N = 8_000
HOW = {"seed": 5, "sampler": "euler", "n_steps": 20}


@pytest.mark.slow
def test_two_processes_write_the_file_of_one(workspace, model, members, wait_for, wait_for_end):
    """The second process has cells of its own on disk when the run is cancelled; one process alone ends the drawing."""
    run = submit(GenerateJob("small", N, device="cpu", devices=2, **HOW), workspace)
    wait_for(lambda: (run.status.step or 0) >= 1, seconds=300, what="cells are drawn", run=run)
    assert members()
    status = run.cancel(wait=300)
    assert status.state == "cancelled", status
    batch, n_batches = cells_at_once(N), -(-N // cells_at_once(N))
    left = missing(list_parts(run.folder / PARTS), n_batches)
    kept = N - sum(min((number + 1) * batch, N) - number * batch for number in left)
    assert f"{kept:,} of {N:,} cells are kept" in status.message
    assert 0 not in left and n_batches // 2 not in left and n_batches - 1 in left, left
    wait_for(lambda: not members(), seconds=300, what="the other process leaves")
    said = read_or_none(run.folder / "run.json")
    write_json(run.folder / "run.json", said | {"config": said["config"] | {"devices": 1}})
    run.resume()
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    _is_what_one_process_draws(run.result["file"], model)


@pytest.mark.slow
def test_two_processes_judge_together(workspace, model, dataset, members, wait_for, wait_for_end):
    run = submit(GenerateJob("small", 3000, device="cpu", devices=2, **HOW), workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    _is_what_one_process_draws(run.result["file"], model)
    alone = evaluate(anndata.read_h5ad(run.folder / SAMPLE_FILE), dataset)
    assert Evaluation.read(run.folder / EVALUATION_FILE).scores == alone.scores
    wait_for(lambda: not members(), seconds=60, what="the other process leaves")


def _is_what_one_process_draws(path: str, model: Path) -> None:
    made = anndata.read_h5ad(path)
    whole = load_model(model, device="cpu").generate(len(made), batch_size=cells_at_once(len(made)), **HOW)
    assert abs(made.X - whole.X).nnz == 0
    pd.testing.assert_frame_equal(made.obs, whole.obs)
