"""Presets fit themselves to the data that they are asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from genediff.errors import InputError
from genediff.presets import PRESETS, preset_run


def info(**changes: object) -> SimpleNamespace:
    return SimpleNamespace(**{"id": "d", "n_genes": 2000, "has_counts": True, "label": "type", **changes})


def test_few_genes_are_hidden_less() -> None:
    """With 299 genes the recipe for 2,000 hid nearly all that tells a cell: C2ST .60 / .60, debiased W2² 3.7."""
    many, more, few = (preset_run("quick", info(n_genes=n)).train for n in (2000, 20_000, 299))
    assert many == more == PRESETS["quick"].train
    assert 0.1 < few.input_dropout < 0.25 and few.thinning < 0.3 and few.shrinkage < 100


def test_without_counts_nothing_is_thinned_and_more_is_hidden() -> None:
    run = preset_run("quick", info(has_counts=False))
    assert run.model.likelihood == "gaussian"
    assert run.train.thinning == 0 and run.train.input_dropout == pytest.approx(0.75)


@pytest.mark.parametrize("preset", ["cfgen-style", "scldm-style"])
def test_published_recipes_hide_nothing_and_are_for_latent_tokens(preset: str) -> None:
    train = preset_run(preset, info(n_genes=299)).train
    assert train.input_dropout == train.thinning == train.shrinkage == 0
    with pytest.raises(InputError, match="unknown strategy 'nothing'; known: latent"):
        preset_run(preset, info(), strategy="nothing")


def test_quick_reads_two_latent_tokens_at_a_time_and_other_tokens_one_by_one() -> None:
    """The flow of latent tokens sees three times as many cells in its five minutes; dearer tokens keep their steps."""
    latent = preset_run("quick", info())
    assert latent.model.patch == 2 and (latent.train.steps, latent.train.batch_size) == (3200, 256)
    for strategy in ("pathway", "rank", "latent_pathway", "grn_latent"):
        other = preset_run("quick", info(), strategy=strategy)
        assert other.model.patch == 1
        assert (other.train.steps, other.train.batch_size, other.train.ema) == (2000, 128, 0.998)
