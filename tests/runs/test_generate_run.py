"""A generation as a run: killed, resumed and cancelled, it gives the cells of an unbroken one, judged on a sample."""

from __future__ import annotations

import os
import signal

import anndata
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.evaluation import Evaluation
from genediff.generation.generated_parts import list_parts
from genediff.models.conditions import cells_at_once, draw_conditions
from genediff.models.load_model import load_model
from genediff.runs import GenerateJob, submit
from genediff.runs.kinds.generate_run import EVALUATION_FILE, PARTS, SAMPLE_FILE

N = 12_000


def _job(**choices: object) -> GenerateJob:
    return GenerateJob("small", **{"n": N, "sampler": "euler", "n_steps": 4, "seed": 5, "device": "cpu", **choices})


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_file_of_an_unbroken_run(workspace, model, wait_for, wait_for_end, tmp_path):
    """SIGKILL in the middle of the drawing, then a cancel, then to the end; and a file elsewhere, of one kind only."""
    run = submit(_job(n_steps=20), workspace)
    wait_for(lambda: (run.status.step or 0) >= 1000, seconds=300, what="cells are drawn", run=run)
    os.kill(run.status.pid, signal.SIGKILL)
    wait_for(lambda: run.status.has_ended, seconds=300, what="the dead worker is noticed")
    assert run.status.state == "lost"
    assert not list(run.folder.glob("cells*"))
    run.resume()
    wait_for(lambda: (run.status.step or 0) >= 2000, seconds=300, what="it goes on", run=run)
    assert run.status.total == N and run.status.cells_per_second > 0
    status = run.cancel(wait=300)
    assert status.state == "cancelled" and "resume goes on from there" in status.message
    kept = list_parts(run.folder / PARTS)[-1].end * cells_at_once(N)
    assert f"{kept:,} of {N:,} cells are kept" in status.message
    run.resume()
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()

    made = anndata.read_h5ad(run.result["file"])
    whole = load_model(model, device="cpu").generate(
        N, seed=5, sampler="euler", n_steps=20, batch_size=cells_at_once(N)
    )
    assert abs(made.X - whole.X).nnz == 0
    pd.testing.assert_frame_equal(made.obs, whole.obs)
    assert made.uns["genediff"]["model_id"] == "small"
    assert not (run.folder / PARTS).exists()

    seen = anndata.read_h5ad(run.folder / SAMPLE_FILE)
    assert seen.n_obs == 5_000 and abs(seen.X - made[seen.obs_names].X).nnz == 0
    verdict = Evaluation.read(run.folder / EVALUATION_FILE).verdict.sentence
    assert verdict == made.uns["genediff"]["verdict_on_a_sample"] and verdict in run.status.message
    assert int(run.result["peak_memory_bytes"]) > 1e8 and float(run.result["cells_per_second"]) > 0


def test_one_kind_of_cells_goes_to_a_file_of_ones_choice(workspace, model, wait_for_end, tmp_path):
    target = tmp_path / "mine.zarr"
    run = submit(_job(n=900, conditions={"cell_type": "B cell"}, output=str(target)), workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail()
    assert run.result["file"] == str(target)
    made = anndata.read_zarr(target)
    asked = draw_conditions(load_model(model, device="cpu").spec, {"cell_type": "B cell"}, n=900, seed=5)
    whole = load_model(model, device="cpu").generate(
        conditions=asked, seed=5, sampler="euler", n_steps=4, batch_size=cells_at_once(900)
    )
    assert abs(made.X - whole.X).nnz == 0 and set(made.obs["cell_type"]) == {"B cell"}
    assert Evaluation.read(run.folder / EVALUATION_FILE).classes == ("B cell",)


def test_what_cannot_be_done_is_one_sentence(workspace, model, wait_for_end, tmp_path):
    for job, words in (
        (_job(n=10, output=str(tmp_path / "nowhere" / "x.h5ad")), "no folder"),
        (_job(n=10, conditions={"cell_type": "Z"}), "knows no “Z”"),
    ):
        run = submit(job, workspace)
        wait_for_end(run)
        assert run.status.state == "failed" and words in run.status.message, run.status
        assert "Traceback" not in run.log_tail()
    with pytest.raises(InputError, match="sampling options"):
        _job(n=10, sampler="leap").check(load_model(model, device="cpu").spec)
    with pytest.raises(InputError, match="No kind of run"):
        submit({"model_id": "small"}, workspace)
