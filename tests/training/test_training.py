from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.models.load_model import load_model
from genediff.training.train import Training
from tests.training.conftest import events_of

GENE_SPACE = {"space": "gene", "predict": "data"}
COUNT_SPACE = {"space": "counts"}


def train(config, dataset, folder, *, stop_after: int | None = None):
    """Train, stopping after so many steps of all stages; return the events."""
    return events_of(Training(config, dataset, folder=folder, model_id="m").run, stop_after=stop_after)


def weights(folder):
    return load_model(folder / "model", device="cpu").state_dict()


@pytest.mark.parametrize("space", [{}, GENE_SPACE, COUNT_SPACE], ids=["latent", "gene", "counts"])
@pytest.mark.parametrize("stop_after", [1, 17, 41])
def test_a_run_stopped_anywhere_ends_with_the_same_weights_and_losses(
    small, planted, tmp_path, space, stop_after
) -> None:
    if space and stop_after > 30:
        pytest.skip("only latent space has a first stage, so its run is over by then")
    config = small(**space)
    whole = train(config, planted, tmp_path / "whole")
    first = train(config, planted, tmp_path / "parts", stop_after=stop_after)
    rest = train(config, planted, tmp_path / "parts")
    for (name, a), b in zip(weights(tmp_path / "whole").items(), weights(tmp_path / "parts").values(), strict=True):
        assert torch.equal(a, b), name
    losses = [(e.stage, e.step, e.loss, e.validation) for e in whole if e.loss is not None]
    assert losses == [(e.stage, e.step, e.loss, e.validation) for e in [*first, *rest] if e.loss is not None]


@pytest.mark.parametrize("space", [{}, GENE_SPACE, COUNT_SPACE], ids=["latent", "gene", "counts"])
def test_a_run_stopped_inside_steps_and_looks_ends_with_the_same_weights_and_losses(
    small, planted, tmp_path, space
) -> None:
    """A step of a large network takes a minute on a CPU: a stop that waited for its end was no stop at all."""
    config = small(tokenizer_steps=6, steps=6, validate_every=2, **space)
    whole = train(config, planted, tmp_path / "whole")
    parts, breaks, unlooked = [], 0, 0
    finished = False
    while not finished:
        training = Training(config, planted, folder=tmp_path / "parts", model_id="m")
        asked = 0

        def stop() -> bool:
            nonlocal asked
            asked += 1
            return asked > 151 + 67 * breaks  # noqa: B023  a step asks fewer times, so every attempt goes on

        events = training.run(stop=stop)
        while True:
            try:
                parts.append(next(events))
            except StopIteration as end:
                finished = end.value
                break
        breaks += 1
        unlooked += not finished and json.loads((tmp_path / "parts/resume/state.json").read_text())["unlooked"]
    assert 0 < unlooked < breaks - 1  # looks and steps were left
    for (name, a), b in zip(weights(tmp_path / "whole").items(), weights(tmp_path / "parts").values(), strict=True):
        assert torch.equal(a, b), name
    # A look that was left comes again, without its step.
    told = [[(e.stage, e.step, v) for e in run if (v := what(e)) is not None]
            for what in (lambda e: e.loss, lambda e: e.validation) for run in (whole, parts)]  # fmt: skip
    assert told[0] == told[1]
    assert told[2] == told[3]


def test_a_run_stopped_while_its_start_is_fitted_fits_it_anew(small, planted, tmp_path) -> None:
    """Cancel was not heard for the twenty seconds that this takes on real cells."""
    config, seen = small(**COUNT_SPACE), []
    for event in Training(config, planted, folder=tmp_path / "parts", model_id="m").run(stop=lambda: len(seen) > 5):
        seen.append(event)
    assert {event.stage for event in seen} == {"start"} and not (tmp_path / "parts" / "model").exists()
    train(config, planted, tmp_path / "parts")
    train(config, planted, tmp_path / "whole")
    for (name, a), b in zip(weights(tmp_path / "whole").items(), weights(tmp_path / "parts").values(), strict=True):
        assert torch.equal(a, b), name


def test_a_seed_decides_the_weights(small, planted, tmp_path) -> None:
    config = small()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(config.model_copy(update={"seed": seed}), planted, tmp_path / name)
    a, b, c = (torch.cat([t.flatten().double() for t in weights(tmp_path / n).values()]) for n in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_run_cancelled_in_the_flow_leaves_a_model_that_generates(small, planted, tmp_path) -> None:
    train(small(), planted, tmp_path, stop_after=45)
    model = load_model(tmp_path / "model", device="cpu")
    assert model.spec.trained["finished"] is False
    assert model.generate(5, seed=0, n_steps=2).shape == (5, 40)


def test_a_run_cancelled_in_the_first_stage_keeps_a_checkpoint_only(small, planted, tmp_path) -> None:
    train(small(), planted, tmp_path, stop_after=5)
    assert (tmp_path / "resume" / "state.json").exists()
    assert not (tmp_path / "model").exists()


def test_another_configuration_does_not_resume(small, planted, tmp_path) -> None:
    train(small(), planted, tmp_path, stop_after=5)
    with pytest.raises(InputError, match="another configuration"):
        train(small(steps=31), planted, tmp_path)


def test_patience_ends_a_stage_with_its_best_weights(small, planted, tmp_path) -> None:
    """With a learning rate that ruins the flow, the weights kept are those of the best look, not the last."""
    events = train(
        small(learning_rate=0.5, steps=400, validate_every=5, patience=3, warmup=20, ema=0.5), planted, tmp_path
    )
    looks = [e for e in events if e.stage == "flow" and e.validation is not None]
    assert len(looks) < 80
    assert any("Stopped early" in e.message for e in events)
    best = min(looks, key=lambda e: e.validation)
    assert looks[-1].step > best.step


@pytest.mark.parametrize(
    "choice",
    [
        {},
        GENE_SPACE,
        pytest.param({"path": "variance_preserving", "predict": "noise"}, marks=pytest.mark.slow),
        {"backbone": "mlp", "guidance": "additive"},
        pytest.param({"likelihood": "zinb"}, marks=pytest.mark.slow),
    ],
    ids=["flow", "gene-space", "ddpm", "mlp-additive", "zinb"],
)
def test_generated_cells_show_what_was_planted(small, planted, tmp_path, choice) -> None:
    """Types express their own genes and the second day its double library; with labels shuffled they do not."""
    steps = 500 if "path" in choice else 300  # noise is learned more slowly
    config = small(tokenizer_steps=250, steps=steps, batch_size=128, warmup=20, learning_rate=3e-3, **choice)
    train(config, planted, tmp_path)
    model = load_model(tmp_path / "model", device="cpu")
    kinds, days = ["B", "NK", "T"] * 100, ["day1"] * 150 + ["day2"] * 150
    cells = model.generate(conditions={"kind": kinds, "day": days}, seed=0, n_steps=20)
    counts = np.asarray(cells.X.todense())
    assert np.array_equal(counts, counts.round())
    assert counts.min() >= 0
    shares = counts / counts.sum(1, keepdims=True)
    blocks = np.stack([shares[:, 10 * k : 10 * k + 10].sum(1) for k in range(3)], 1)  # (cell, type's genes)
    kind = np.tile([0, 1, 2], 100)
    own = blocks[np.arange(300), kind]
    others = blocks[np.arange(300), (kind + 1) % 3]
    assert own.mean() == pytest.approx(0.727, abs=0.06)  # 10 genes at 8 of 110 parts each
    assert others.mean() == pytest.approx(0.091, abs=0.04)
    totals = counts.sum(1)
    ratio = np.median(totals[150:]) / np.median(totals[:150])
    assert ratio == pytest.approx(2.0, abs=0.35)
    control = np.random.default_rng(0).permutation(kind)
    assert blocks[np.arange(300), control].mean() < 0.5


def test_too_few_cells_are_said(small, planted, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(type(planted), "rows", lambda self, split=None: np.arange(3), raising=True)
    with pytest.raises(InputError, match="has 3 cells and needs at least 8"):
        Training(small(), planted, folder=tmp_path, model_id="m")
