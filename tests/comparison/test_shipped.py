"""The comparison that ships: finished, judged on held-out cells, and with models that open."""

from __future__ import annotations

import pytest

from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import list_comparisons
from genediff.comparison.comparison_table import leaderboard
from genediff.models.model_info import read_spec
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import DEMO_MODEL, Workspace


@pytest.fixture
def shipped(tmp_path):
    workspace = Workspace(tmp_path / "home")
    (comparison,) = [one for one in list_comparisons(workspace) if one.shipped]
    return comparison, read_results(comparison, workspace), workspace


def test_every_row_has_a_result_for_every_seed(shipped):
    comparison, results, _ = shipped
    done = {(result.place, result.seed) for result in results.results}
    assert done == set(comparison.order)
    assert {row.entry.strategy for row in comparison.rows} == set(TOKENIZERS)
    assert {reference.name for reference in results.references} >= {"floor", "independent_nb"}


def test_every_strategy_is_told_whether_it_keeps_what_it_claims(shipped):
    comparison, results, _ = shipped
    rows = leaderboard(comparison.rows, results, n_seeds=len(comparison.config.seeds))
    judged = [row for row in rows if row.kind == "strategy" and row.strategy != "mlp"]
    assert judged and all(
        row.verdict is not None and "No model is finished" not in row.verdict.sentence for row in judged
    )


def test_shipped_models_are_those_of_their_rows(shipped):
    comparison, results, workspace = shipped
    there = {info.id: info for info in workspace.list_models() if info.shipped}
    assert next(iter(there)) == DEMO_MODEL  # what the app opens with
    found = {result.model_id: comparison.rows[result.place] for result in results.results if result.model_id in there}
    assert {row.entry.strategy for row in found.values()} >= {"grn"}  # Regulation is full at first sight
    for model_id, row in found.items():
        assert there[model_id].strategy == row.entry.strategy
        assert not row.entry.shuffled
        assert read_spec(there[model_id].folder).run.train.steps == row.run.train.steps
