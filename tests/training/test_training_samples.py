"""Cells generated while a flow trains: on the map, within their time, and without a trace in the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genediff.models.load_model import load_model
from genediff.training.train import Training
from genediff.training.training_samples import N_CELLS, SAMPLES_FILE, read_samples
from genediff.workspace import DEMO_DATASET, Workspace
from tests.training.conftest import events_of


@pytest.mark.parametrize(
    "space",
    [pytest.param({}, marks=pytest.mark.slow), {"space": "gene", "predict": "data"}],
    ids=["latent", "gene"],
)
def test_the_training_is_the_same_with_samples_and_they_lie_on_the_map(small, tmp_path, space):
    dataset = Workspace(tmp_path / "home").open_dataset(DEMO_DATASET)
    asked = small(tokenizer_steps=4, steps=6, validate_every=3, conditions=("cell_type_derived",), **space)
    config = asked.model_copy(update={"dataset_id": DEMO_DATASET})
    losses = {}
    for samples in (False, True):
        training = Training(config, dataset, folder=tmp_path / str(samples), model_id="m", samples=samples)
        losses[samples] = [(e.stage, e.step, e.loss, e.validation) for e in events_of(training.run)]
    assert losses[True] == losses[False]
    with_, without = (load_model(tmp_path / name / "model", device="cpu").state_dict() for name in ("True", "False"))
    assert all(torch.equal(a, b) for a, b in zip(with_.values(), without.values(), strict=True))

    assert not (tmp_path / "False" / SAMPLES_FILE).exists()
    found = read_samples(tmp_path / "True")
    assert found[-1].step == 6
    low, high = dataset.umap.min(0), dataset.umap.max(0)
    for one in found:
        assert one.xy.shape == (N_CELLS, 2) and one.nearest.shape == (N_CELLS,)
        assert (one.xy >= low - 0.01).all() and (one.xy <= high + 0.01).all()
        assert one.distance > one.held_out > 0  # six steps are no training


def test_samples_that_a_resumed_training_drew_again_are_there_once(tmp_path):
    def line(step: int, distance: float) -> str:
        return f'{{"step": {step}, "xy": [[0, 1]], "nearest": [0], "distance": {distance}, "held_out": 1.0}}'

    torn = line(40, 5)[:30]
    (tmp_path / SAMPLES_FILE).write_text("\n".join([line(10, 9), line(20, 8), line(30, 7), torn, line(20, 6), torn]))
    found = read_samples(tmp_path)
    assert [(one.step, one.distance) for one in found] == [(10, 9), (20, 6)]
    np.testing.assert_array_equal(found[0].xy, [[0, 1]])
    assert read_samples(tmp_path / "elsewhere") == []


def test_samples_that_fail_end_no_training(small, tmp_path, monkeypatch):
    dataset = Workspace(tmp_path / "home").open_dataset(DEMO_DATASET)
    config = small(tokenizer_steps=2, steps=4, validate_every=2, conditions=()).model_copy(
        update={"dataset_id": DEMO_DATASET}
    )
    training = Training(config, dataset, folder=tmp_path / "run", model_id="m", samples=True)
    monkeypatch.setattr(training.model, "generate", lambda *a, **k: 1 / 0)
    assert events_of(training.run)[-1].step == 4
    assert read_samples(tmp_path / "run") == []
