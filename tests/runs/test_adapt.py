"""A whole adaptation by a real worker: trained, judged against its rival, and in the library."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genediff.evaluation import HEADLINE
from genediff.models.load_model import load_model
from genediff.models.model_info import ModelInfo
from genediff.runs import submit
from genediff.training.adapt import AdaptConfig
from genediff.training.adapt.gain import HELD_OUT, Gain, read_gain
from genediff.training.train import train_model


def _base(workspace, tiny, dataset) -> None:
    for _ in train_model(tiny(), dataset, folder=workspace.root / "made", model_id="base"):
        pass
    (workspace.root / "made" / "model").rename(workspace.models / "base")


@pytest.mark.slow
def test_an_adaptation_ends_with_a_judged_model_and_its_gain(workspace, tiny, dataset, wait_for_end):
    _base(workspace, tiny, dataset)
    config = AdaptConfig(
        base_id="base",
        dataset_id=dataset.info.id,
        conditions={"cell_type": "cell_type"},
        rank=2,
        steps=15,
        tokenizer_steps=5,
        batch_size=32,
        device="cpu",
    )
    run = submit(config, workspace)
    wait_for_end(run)
    assert run.status.state == "finished", run.log_tail(50)
    info = ModelInfo.read(workspace.model_folder(run.id))
    assert info.adapter is not None and info.adapter.base_id == "base" and info.metrics
    gain = read_gain(info.folder)
    assert gain is not None and set(gain.figures) == {"adapted", "base", "scratch", "floor"}
    assert gain.sentence in (info.folder / "card.md").read_text() and gain.sentence in run.status.message
    assert gain.n_trained[0] == info.adapter.n_trained > 0 and gain.steps == (5, 15)
    assert not (info.folder / "model.safetensors").exists()
    assert load_model(info.folder, device="cpu").generate(4, seed=0).shape == (4, 40)
    workspace.delete_model(run.id)
    workspace.restore_model(run.id)
    json.loads((info.folder / "gain.json").read_text())


def test_the_outcome_is_told_whoever_wins():
    def gain(own: float, scratch: float) -> Gain:
        figures = {row: {"c2st_pcs": (value, 0.01, 5)} for row, value in (("adapted", own), ("scratch", scratch))}
        return Gain(figures, (10, 20), (1, 2), (1.0, 2.0))

    assert "Adapting was better than training from scratch with the same 30 steps on 1 of 1" in gain(0.6, 0.9).sentence
    assert "train from scratch instead" in gain(0.9, 0.6).sentence
    assert "No difference" in gain(0.8, 0.805).sentence and "trained once" in gain(0.8, 0.805).sentence
    assert "| Adapted | 0.60 ± 0.01 |" in gain(0.6, 0.9).to_markdown()


def test_equal_models_rarely_differ():
    """A loss that was measured once has no spread, so that adapting always won or lost by it."""
    draw, found = np.random.default_rng(0), []
    for _ in range(1000):
        figures = {
            row: {m: (v.mean(), v.std(ddof=1), 5) for m in HEADLINE for v in [draw.normal(0.6, 0.02, 5)]}
            for row in ("adapted", "base")
        }
        for row in figures:
            figures[row][HELD_OUT] = (draw.normal(), 0.0, 1)
        found.append("No difference" not in Gain(figures, (10, 20), (1, 2), (1.0, 2.0)).sentence)
    assert np.mean(found) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)
    once = {row: {"c2st_pcs": (value, 0.0, 1)} for row, value in (("adapted", 0.6), ("base", 0.9))}
    assert "no difference can be tested" in Gain(once, (10, 20), (1, 2), (1.0, 2.0)).sentence
