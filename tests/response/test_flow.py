"""The flow on tokens: it starts where moved cells are, goes on after a stop as if there was none, and has to help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from genediff.checkpoint import read_tensors
from genediff.errors import Cancelled, InputError
from genediff.perturbation import ALL_CELLS
from genediff.presets import preset_run
from genediff.response import flow as flows
from genediff.response.config import ResponseConfig
from genediff.response.store import load_response
from genediff.response.train import train_response
from genediff.training.run import train_model

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.response.info import ResponseInfo


@pytest.fixture(scope="module")
def base(screen, tmp_path_factory) -> Path:
    """A token model of the screen that has hardly learned anything."""
    run = preset_run("quick", screen.dataset.info, title="tokens")
    run = run.model_copy(update={"train": run.train.model_copy(update={"tokenizer_steps": 20, "steps": 1})})
    folder = tmp_path_factory.mktemp("base")
    for _ in train_model(run, screen.dataset, folder=folder, model_id="tokens"):
        pass
    (folder / "models").mkdir()
    return (folder / "model").rename(folder / "models" / "tokens")


def train(screen, base: Path, folder: Path, **how) -> ResponseInfo:
    config = ResponseConfig(
        dataset_id=screen.dataset.info.id,
        task={"scheme": "doubles", "share": 0.1},
        base_id="tokens",
        flow_steps=6,
        members=2,
    )
    return train_response(
        config, screen.dataset, folder=folder, model_id="m", library=screen.workspace.library(), base=base, **how
    )


def test_a_stopped_training_goes_on_to_the_same_model(screen, base, tmp_path, monkeypatch):
    monkeypatch.setattr(flows, "CHECKPOINT_EVERY", 2)
    whole = train(screen, base, tmp_path / "whole")
    steps: list[float] = []

    def note(stage: str, done: float, _: str) -> None:
        steps.extend([done] if stage == "flow" else [])

    with pytest.raises(Cancelled):
        train(screen, base, tmp_path / "broken", progress=note, stop=lambda: len(steps) >= 3)
    assert not (tmp_path / "broken" / "model").exists()
    train(screen, base, tmp_path / "broken", progress=note)
    assert len(steps) == 3 + 4, "it goes on from the checkpoint after two steps"
    weights = [read_tensors(tmp_path / name / "model" / "response.safetensors") for name in ("whole", "broken")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

    model = load_response(tmp_path / "whole" / "model", screen.dataset, models=base.parent)
    assert model.flow.gain == (whole.flow["e_distance_moved"], whole.flow["e_distance_flow"])
    group = model.task.part("test")[0]
    rows = model.task.control_rows("test")
    delta = model.delta(group.perturbation, ALL_CELLS)
    for helps in (True, False):  # cells are the flow's where it helped on the validation part, and moved ones elsewhere
        model.flow.gain = (1.0, 0.5) if helps else (0.5, 1.0)
        found = model.predict(group.perturbation, rows, context=ALL_CELLS, seed=1).counts
        carried = model.flow.cells(rows, delta, seed=1)[1]
        assert np.array_equal(found, carried) is helps
    moved = model.flow.cells(rows, delta, seed=1)[0].mean(0) - model.task.mean(rows)
    goal = np.maximum(delta, -model.task.mean(rows))
    assert np.corrcoef(moved, goal)[0, 1] > 0.97, "the flow's cells keep the predicted mean"


def test_an_untrained_flow_leaves_cells_where_they_are(screen, base):
    size = 6
    axes = np.random.default_rng(0).normal(size=(size, len(screen.dataset.genes)))
    base_model = flows._base(base, screen.dataset, "cpu")
    flow = flows.TokenFlow(base_model, "tokens", axes, np.ones(2 * size), screen.dataset, np.zeros(axes.shape[1]))
    state = flow.encode(screen.dataset.counts()[:5].toarray())
    assert not flow.velocity(state, torch.full((5,), 0.5), torch.randn(5, 2 * size)).any()


def test_a_model_of_other_genes_is_refused(screen, base, model):
    from genediff.workspace import DEMO_MODEL

    other = screen.workspace.model_folder(DEMO_MODEL)
    with pytest.raises(InputError, match="cannot carry a flow here"):
        flows.train_flow(model, other, ResponseConfig(dataset_id="x"), folder=base.parent / "none")
