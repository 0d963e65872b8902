"""A comparison from its configuration to its table, by real workers; and what is kept of it."""

from __future__ import annotations

import shutil

import pytest

from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import Comparison, find_comparison, list_comparisons, seconds_left
from genediff.comparison.comparison_table import leaderboard
from genediff.comparison.config import ComparisonConfig, read_entry
from genediff.comparison.start_comparison import begin
from genediff.core.errors import InputError
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import Workspace
from scripts.demo_comparison import demo_config, ship


def _own(workspace: Workspace) -> list[Comparison]:
    """Return what is not shipped. Three tests failed on the day the first comparison shipped: they saw it as theirs."""
    return [comparison for comparison in list_comparisons(workspace) if not comparison.shipped]


def test_a_comparison_trains_judges_and_keeps_its_table(workspace, dataset, wait_for_end):
    entries = (read_entry("latent:n_tokens=2:hidden=32"),)
    config = ComparisonConfig(dataset_id=dataset.info.id, entries=entries, seeds=(3,), steps=20, device="cpu")
    comparison = begin(config, workspace)
    assert comparison.is_going_on and _own(workspace) == [comparison]
    assert comparison.rows[0].seconds > 0
    assert seconds_left(comparison) > 0
    wait_for_end(comparison.series, seconds=900)
    results = read_results(comparison, workspace)
    assert [(result.place, result.seed) for result in results.results] == [(0, 3)]
    for (_, seed), run in comparison.runs().items():
        assert seed == 3 and run.config["seed"] == 3
        train = run.config["train"]
        assert train["tokenizer_steps"] + train["steps"] == 20
    lines = leaderboard(comparison.rows, results, n_seeds=1)
    wanted = {"c2st_pcs", "reconstruction_r", "n_parameters", "train_seconds", "peak_memory_gb", "cells_per_second"}
    assert wanted <= set(lines[0].cells)
    assert "floor" in [line.kind for line in lines]
    assert "no MLP row" in lines[0].verdict.sentence
    # What was read is kept: the table outlives its models.
    shutil.rmtree(workspace.models)
    assert read_results(comparison, workspace) == results
    assert seconds_left(comparison) == 0
    with pytest.raises(InputError, match="finished"):
        comparison.resume()


def test_what_cannot_be_is_said_before_anything_is_measured_or_written(workspace, dataset):
    for entry, sentence in (("latent:shuffled", "no shuffled control"), ("nonsense", "unknown strategy")):
        config = ComparisonConfig(dataset_id=dataset.info.id, entries=(read_entry(entry),), minutes=1)
        with pytest.raises(InputError, match=sentence):
            begin(config, workspace)
    assert not _own(workspace) and not list(workspace.runs.glob("2*"))


def test_what_ships_is_read_where_no_run_is(planted, workspace, tmp_path):
    target = ship(planted, workspace, tmp_path / "assets" / "comparisons" / "pbmc3k")
    assert sum(file.stat().st_size for file in target.iterdir()) < 100_000
    elsewhere = Workspace(tmp_path / "elsewhere", assets=tmp_path / "assets")
    (shipped,) = list_comparisons(elsewhere)
    assert shipped.shipped and shipped.title == "Planted" and shipped.machine == "two cores"
    assert read_results(shipped, elsewhere) == read_results(planted, workspace)
    with pytest.raises(InputError, match="ships with GeneDiff"):
        elsewhere.delete_comparison(shipped.id)


def test_the_shipped_comparison_holds_every_strategy_and_control_in_one_currency_and_an_mlp_in_every_space():
    config = demo_config(minutes=5, steps=None, seeds=3)

    def space(entry):
        return entry.space or TOKENIZERS[entry.strategy].default_space(has_counts=True)

    counted = {(entry.strategy, entry.shuffled) for entry in config.entries if space(entry) == "counts"}
    assert counted >= {(name, False) for name in TOKENIZERS}
    assert counted >= {(name, True) for name, kind in TOKENIZERS.items() if kind.needs}
    flat = {space(entry) for entry in config.entries if entry.strategy == "mlp"}
    assert flat == {space(entry) for entry in config.entries} == {"counts", "latent"}


def test_a_comparison_is_found_by_the_start_of_its_id_and_others_are_named(planted, workspace):
    assert find_comparison(workspace, "plan") == planted
    with pytest.raises(InputError, match="There is no comparison 'other'.*planted-1"):
        find_comparison(workspace, "other")


def test_a_damaged_comparison_is_passed_over_and_named_when_asked_for(planted, workspace):
    (planted.folder / "comparison.json").write_text("{")
    assert _own(workspace) == []
    with pytest.raises(InputError, match="cannot be read"):
        Comparison.open(planted.folder, workspace.runs)
