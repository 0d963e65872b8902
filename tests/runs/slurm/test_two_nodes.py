"""Two nodes of a real SLURM that share a folder and a network, and no loopback, work on one run.

Their processes meet by the name of the first node, and what comes out is what one process makes.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anndata
import pytest

from genediff.evaluation import Evaluation
from genediff.models.conditions import cells_at_once
from genediff.models.load_model import load_model
from genediff.runs import GenerateJob, slurm_options, submit, without_repeats
from genediff.runs.kinds.evaluate_generated import evaluate_model
from genediff.training.train import train_model
from tests.debian_packages import NO_SLURM, missing_programs
from tests.runs.slurm.cluster import Cluster
from tests.runs.slurm.hosts import Hosts, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genediff.runs import Event
    from genediff.training.train import TrainEvent
    from genediff.workspace import Workspace

pytestmark = pytest.mark.slow
PROFILE = """
[both]
title = "A process on each of two nodes"
partition = "day"
nodes = 2
cpus = 1
time = "1:00:00"
setup = ["hostname > $GENEDIFF_TEST_FOLDER/first-node"]
"""
N = 4000


@pytest.fixture
def two_nodes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of two hosts; where there can be none the test skips and says why."""
    if missing_programs():
        pytest.skip(NO_SLURM)
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        hosts = Hosts(Path(folder))
        cluster = Cluster(Path(folder), hosts)
        try:
            hosts.start()
            cluster.start()
            monkeypatch.setenv("SLURM_CONF", str(cluster.config))
            monkeypatch.setenv("GENEDIFF_TEST_FOLDER", folder)
            workspace.root.mkdir(parents=True, exist_ok=True)
            (workspace.root / "profiles.toml").write_text(PROFILE)
            slurm_options.forget()
            yield cluster
        finally:
            cluster.stop()
            hosts.stop()
            slurm_options.forget()


def test_two_nodes_train_and_generate_what_one_process_does(two_nodes, workspace, dataset, tiny, wait_for, tmp_path):
    config = tiny(steps=30)
    run = submit(config, workspace, profile="both")
    alone = _losses(train_model(config, dataset, folder=tmp_path / "alone", model_id="alone"))
    wait_for(lambda: run.status.has_ended, seconds=240, what="trained and judged")
    assert run.status.state == "finished", run.log_tail()
    assert "2 processes, each on CPU" in "".join(event.message for event in run.events().items)
    assert (two_nodes.folder / "first-node").read_text().strip() == "north"
    shared = _losses(without_repeats(run.events().items))  # of the steps that came apart by some time
    assert len(shared) >= 4 and "flow 30 held out" in shared
    assert shared == pytest.approx({key: alone[key] for key in shared}, rel=0.02)
    # Both nodes have judged it, and the figures are those of one process.
    model = workspace.model_folder(run.id)
    assert "A further task ends" not in run.log_tail() and "Traceback" not in run.log_tail()
    judged = evaluate_model(model, dataset, device="cpu", progress=lambda share, what: None, cancelled=lambda: False)
    assert Evaluation.read(model / "evaluation.json").scores == judged.scores

    # Both draw its cells.
    made = submit(GenerateJob(run.id, N, device="cpu", seed=1), workspace, profile="both")
    wait_for(lambda: made.status.has_ended, seconds=300, what="generated")
    assert made.status.state == "finished", made.log_tail()
    cells = anndata.read_h5ad(made.result["file"])
    whole = load_model(model, device="cpu").generate(N, seed=1, batch_size=cells_at_once(N))
    assert abs(cells.X - whole.X).nnz == 0


def _losses(events: Iterable[Event | TrainEvent]) -> dict[str, float]:
    """Return the loss of each step, and the held-out one where it was looked at."""
    steps = ((event.stage, event.step, event.loss, event.validation) for event in events if event.loss is not None)
    return {
        f"{stage} {step} {kind}": value
        for stage, step, *values in steps
        for kind, value in zip(("loss", "held out"), values, strict=True)
        if value is not None
    }
