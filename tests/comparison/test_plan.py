"""From a comparison to its runs: complete, the same budget for all, and wrong choices named."""

from __future__ import annotations

import json

import pytest

from genediff.comparison.comparison_plan import (
    JUDGING,
    Throughput,
    judging_seconds,
    judging_throughput,
    make_plan,
    training_seconds,
    with_baselines,
)
from genediff.comparison.config import ComparisonConfig, Entry, read_config, read_entry, token_sweep
from genediff.comparison.table_metrics import FIGURES
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import preset_run
from genediff.workspace import DEMO_DATASET


@pytest.fixture(scope="module")
def info() -> DatasetInfo:
    return DatasetInfo.read(ASSETS / "datasets" / DEMO_DATASET, shipped=True)


def config(*entries: str, **changes: object) -> ComparisonConfig:
    wanted = tuple(read_entry(entry) for entry in entries)
    return ComparisonConfig(dataset_id=DEMO_DATASET, entries=wanted, **changes)


def test_every_strategy_there_is_can_be_planned_in_each_of_its_spaces(info):
    entries = [f"{name}:{space}" for name, kind in TOKENIZERS.items() for space in kind.spaces]
    plan = make_plan(config(*entries, seeds=(0, 7)), info)
    assert len(plan.runs) == 2 * len(entries)
    assert {(run.model.tokenizer, run.model.space) for _, _, run in plan.runs} == {tuple(e.split(":")) for e in entries}
    assert all(run.model.predict == "data" for _, _, run in plan.runs if run.model.space == "gene")
    assert [seed for _, seed, _ in plan.runs[: len(entries)]] == [0] * len(entries)  # every row at one seed first
    assert len({run.name for _, _, run in plan.runs}) == len(plan.runs)


def test_claims_are_figures_of_the_table():
    for kind in TOKENIZERS.values():
        assert set(kind.claims) <= set(FIGURES), kind.name
    assert TOKENIZERS["mlp"].claims == ()


def test_a_budget_in_steps_is_the_same_for_all_and_keeps_the_presets_proportion(info):
    plan = make_plan(config("latent", "latent:gene", "mlp", steps=700), info)
    for row in plan.rows:
        first = row.run.train.tokenizer_steps if row.space == "latent" else 0
        assert first + row.run.train.steps == 700
        assert row.run.train.patience == 0
    own, planned = preset_run("quick", info).train, plan.rows[0].run.train
    assert planned.tokenizer_steps / planned.steps == pytest.approx(own.tokenizer_steps / own.steps, rel=0.01)


def test_a_budget_in_minutes_becomes_steps_that_take_so_long(info):
    throughputs = {"latent": Throughput(0.02, 0.05), "latent:gene": Throughput(0.0, 0.2), "mlp": Throughput(0.01, 0.01),
                   "latent:counts": Throughput(0.0, 0.2, start=60.0)}  # fmt: skip
    plan = make_plan(config("latent", "latent:gene", "mlp", "latent:counts", minutes=3), info, throughputs)
    for row in plan.rows:
        assert row.seconds == pytest.approx(180, rel=0.01)
        assert training_seconds(row.run, throughputs[row.entry.key]) == row.seconds
    assert plan.rows[3].run.train.steps == 600 < plan.rows[1].run.train.steps, "the start takes a minute of the three"
    assert plan.rows[2].run.train.steps > plan.rows[0].run.train.steps > plan.rows[1].run.train.steps
    with pytest.raises(InputError, match="1.5 minutes are too few: .* takes 60 seconds .* Allow at least 2."):
        make_plan(config("latent:counts", minutes=1.5), info, throughputs)
    again = make_plan(config("latent", "latent:gene", "mlp", "latent:counts", minutes=3), info, throughputs)
    assert [row.run for row in again.rows] == [row.run for row in plan.rows]


def test_judging_is_planned_for_every_draw_and_as_fast_as_it_was_here(info, tmp_path):
    """The plan held the time of one draw, by a recipe of three."""
    [row] = make_plan(config("pathway"), info).rows
    pace = Throughput(0.0, 0.0)
    assert judging_seconds(row.run, pace, 500) == pytest.approx(5 * JUDGING * 500 / 1000)
    assert judging_throughput(tmp_path) == JUDGING
    kept = json.loads((ASSETS / "models" / "pbmc3k-quick" / "evaluation.json").read_text())
    for number, seconds in enumerate((10.0, 40.0, 1000.0)):
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        (folder / "evaluation.json").write_text(json.dumps(kept | {"seconds": seconds}))
    n = kept["n_cells"] * len(kept["seeds"])
    assert judging_throughput(tmp_path) == pytest.approx(1000 * 40.0 / n)


def test_the_flat_vector_stands_in_every_space_that_is_used():
    rows = (Entry(strategy="latent"), Entry(strategy="rank", space="gene"), Entry(strategy="mlp"))
    both = with_baselines(rows, has_counts=True)
    assert [entry.key for entry in both[3:]] == ["mlp:gene"]
    assert with_baselines(both, has_counts=True) == both
    without = (Entry(strategy="latent"),)
    assert with_baselines(without, has_counts=True) == without


def test_without_paces_minutes_mean_nothing(info):
    with pytest.raises(InputError, match="needs the throughput of every row"):
        make_plan(config("latent", minutes=3), info)


def test_a_sweep_changes_the_number_of_tokens_alone(info):
    plan = make_plan(ComparisonConfig(dataset_id=DEMO_DATASET, entries=token_sweep("latent", (2, 16))), info)
    two, sixteen = (row.run for row in plan.rows)
    assert (two.model.tokenizer_options["n_tokens"], sixteen.model.tokenizer_options["n_tokens"]) == (2, 16)
    options = {**sixteen.model.tokenizer_options, "n_tokens": 2}
    assert two == sixteen.model_copy(update={"model": sixteen.model.model_copy(update={"tokenizer_options": options})})
    assert [row.title for row in plan.rows] == ["Latent tokens, 2 tokens", "Latent tokens, 16 tokens"]


def test_a_control_is_the_same_run_but_for_the_shuffling(info):
    needy = [name for name, kind in TOKENIZERS.items() if kind.needs]
    for name in needy:
        plan = make_plan(config(name, f"{name}:shuffled"), info)
        real, control = (row.run.model for row in plan.rows)
        assert control.shuffled and not real.shuffled
        assert control.model_copy(update={"shuffled": False}) == real
        assert "shuffled" in plan.rows[1].title


def test_the_objective_holds_in_latent_space_and_gene_space_predicts_data(info):
    plan = make_plan(config("latent", "latent:gene", predict="noise", path="variance_preserving"), info)
    assert [row.run.model.predict for row in plan.rows] == ["noise", "data"]
    assert {row.run.model.path for row in plan.rows} == {"variance_preserving"}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("pathwy", "unknown strategy 'pathwy'; known: latent"),
        ("latent:shuffled", "no shuffled control"),
        ("latent:n_tokenz=3", "no option 'n_tokenz'"),
    ],
)
def test_wrong_rows_are_named(info, entry, sentence):
    with pytest.raises(InputError, match=sentence):
        make_plan(config(entry), info)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 5, "minutes": 1}, "in steps or in minutes"),
        ({"seeds": [1, 1]}, "seeds name 1 twice"),
        ({"entries": [{"strategy": "mlp"}, {"strategy": "mlp"}]}, "entries name mlp twice"),
        ({"entries": []}, "entries"),
        ({"stepz": 5}, "stepz"),
    ],
)
def test_wrong_comparisons_are_named(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        read_config({"dataset_id": "d", "entries": [{"strategy": "latent"}], **changes})


def test_entries_are_read_as_they_are_written():
    text = "latent:gene:shuffled:n_tokens=16:decoder=linear"
    entry = read_entry(text)
    assert entry == Entry(strategy="latent", space="gene", shuffled=True, options={"n_tokens": 16, "decoder": "linear"})
    assert entry.key == text
    with pytest.raises(InputError, match="means nothing"):
        read_entry("latent:big")
