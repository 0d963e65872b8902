"""Presets fit themselves to the data that they are asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from genediff.core.errors import InputError
from genediff.training import count_stage
from genediff.training import estimate as estimates
from genediff.training.estimate import estimate
from genediff.training.presets import PRESETS, preset_run
from genediff.training.train import Training


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


@pytest.mark.parametrize("strategy", ["latent", "grn", "rank"])
def test_count_space_stops_where_held_out_cells_say_so(strategy: str) -> None:
    """The last weights of a network in count space know training cells by heart: it overfits within 100 steps."""
    gene = preset_run("quick", info(), strategy=strategy, space="gene")
    counts = preset_run("quick", info(), strategy=strategy, space="counts")
    assert counts.model.space == "counts" and counts.train.patience > 0
    assert counts.train.learning_rate == gene.train.learning_rate / 2
    assert gene.model.predict == "data" and gene.train.patience == 0


def test_a_strategy_takes_the_first_of_its_spaces_that_the_data_allow() -> None:
    without = info(has_counts=False)
    assert preset_run("quick", without, strategy="grn").model.space == "gene"
    assert preset_run("quick", info(), strategy="latent").model.space == "latent"
    with pytest.raises(InputError, match="no counts"):
        preset_run("quick", without, space="counts")
    with pytest.raises(InputError, match="choose latent, gene or counts"):
        preset_run("quick", info(), space="photons")


def test_the_sizes_of_papers_are_estimated_by_real_steps() -> None:
    """Its steps are for a GPU; what it needs is known before, from a few steps that are taken here."""
    cells = info(name="", n_cells=1000, n_genes=60, target_sum=1e4)
    run = preset_run("paper", cells)
    shape = run.model
    assert (shape.tokenizer_options["n_tokens"], shape.path) == (64, "rectified_flow")
    assert 256 <= shape.width <= 512 and 8 <= shape.depth <= 16 and 8 <= shape.heads <= 16
    few = run.train.model_copy(update={"batch_size": 4, "tokenizer_batch_size": 4})
    needs = estimate(run.model_copy(update={"train": few, "device": "cpu"}), cells)
    assert 4e7 < needs.n_parameters < 1.2e8
    assert 6 * 4 * needs.n_parameters < needs.memory_bytes < 8e9
    assert needs.step_seconds[0] > 0 and needs.seconds > few.steps * needs.step_seconds[1]


def test_an_estimate_counts_the_start_of_count_space_and_does_not_fit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was fitted for each of up to three batch sizes that are timed, 40 seconds unseen, and not counted."""

    def fitted(*_: object, **__: object) -> None:
        raise AssertionError("the start was fitted")

    monkeypatch.setattr(count_stage, "fit_recalibration", fitted)
    made, sizes = estimates._mixture_of, []
    monkeypatch.setattr(estimates, "_mixture_of", lambda n, *rest: sizes.append(n) or made(n, *rest))
    run = preset_run("quick", info(), strategy="mlp", space="counts").model_copy(update={"device": "cpu"})
    for n_cells in (300, 30_000):
        needs = estimate(run, info(name="", n_cells=n_cells, n_genes=60, target_sum=1e4))
        assert needs.start_seconds > 0
        assert needs.seconds == pytest.approx(needs.start_seconds + run.train.steps * needs.step_seconds[1])
    assert sizes == [7, 20, 750, 2000], "of 40 and of 15 cells, as those that may be chosen"


@pytest.mark.parametrize("whole", [True, False], ids=["to its end", "left"])
def test_a_start_is_fitted_on_the_cpu_wherever_the_network_is(planted, small, tmp_path, monkeypatch, whole) -> None:
    """Cells stayed on the CPU while the network was on the GPU: no model in count space could be trained there."""
    training = Training(small(space="counts"), planted, folder=tmp_path, model_id="m")
    denoiser, moves = training.model.denoiser, []
    monkeypatch.setattr(denoiser, "cpu", lambda: moves.append("cpu"))
    monkeypatch.setattr(denoiser, "to", lambda device: moves.append(str(device)))
    steps = count_stage.fitted_start(training.model, training.cells, seed=0)
    next(steps)
    assert moves == ["cpu"]
    if whole:
        for _ in steps:
            pass
    steps.close()
    assert moves == ["cpu", "cpu"], "back to the device where it was"
