"""`evaluate` on cells whose verdict is known beforehand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from genediff.core.errors import Cancelled, InputError
from genediff.evaluation import BASELINES, CopiedCells, Evaluation, IndependentGenes, evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset


def _evaluate(cells: AnnData, dataset: Dataset, kept: Path, **changes: object) -> Evaluation:
    options: dict[str, object] = {"seeds": (0,), "cache": kept, "baselines": ("independent_nb",)}
    return evaluate(cells, dataset, **{**options, **changes})  # type: ignore[arg-type]


def _mean(evaluation: Evaluation, metric: str, scope: str = "pooled", row: str = "model") -> float:
    score = evaluation.score(row, metric, scope)
    assert score is not None, (row, metric, scope)
    return score.mean


def _like_test(dataset: Dataset) -> pd.DataFrame:
    names = dataset.vocabulary("type")
    return pd.DataFrame({"type": [names[code] for code in dataset.codes("type", "test")]})


@pytest.fixture(scope="module")
def of_fresh(fresh: AnnData, simulated: Dataset, kept: Path) -> Evaluation:
    return _evaluate(fresh, simulated, kept, seeds=(0, 1))


def test_new_cells_of_the_same_distribution_reach_the_floor(of_fresh: Evaluation) -> None:
    assert _mean(of_fresh, "c2st_pcs") == pytest.approx(0.5, abs=0.1)
    assert _mean(of_fresh, "c2st_genes") == pytest.approx(0.5, abs=0.1)
    for metric in ("mmd2", "precision", "recall", "coverage", "correlation_error", "zero_error"):
        own, floor = _mean(of_fresh, metric), _mean(of_fresh, metric, row="floor")
        simple = _mean(of_fresh, metric, row="independent_nb")
        assert abs(own - floor) < max(0.5 * abs(simple - floor), 0.12), metric
    assert of_fresh.memorisation.level == "none"
    assert of_fresh.verdict.level == "good"
    assert set(of_fresh.classes) | set(of_fresh.too_few) == {"alpha", "beta", "gamma"}


def test_genes_drawn_one_by_one_are_worse_than_the_floor(simulated: Dataset, kept: Path, of_fresh: Evaluation) -> None:
    cells = IndependentGenes().fit(simulated, label="type").generate(_like_test(simulated), seed=3)
    evaluation = _evaluate(cells, simulated, kept)
    assert evaluation.verdict.level == "poor"
    assert _mean(evaluation, "correlation_error") > 1.15 * _mean(of_fresh, "correlation_error")


def test_copies_of_training_cells_are_flagged(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    copies = CopiedCells().fit(simulated, label="type").generate(_like_test(simulated), seed=3)
    evaluation = _evaluate(copies, simulated, kept)
    assert evaluation.memorisation.level == "copied"
    assert evaluation.verdict.level == "poor"
    assert _mean(evaluation, "train_ratio") < 1e-3
    # One cell in four copied: the median ratio passes, the share does not.
    some = AnnData(
        sparse.vstack([fresh.X[:90], copies.X[:30]]).tocsr(), obs=pd.concat([fresh.obs[:90], copies.obs[:30]])
    )
    some.var_names = copies.var_names
    assert _evaluate(some, simulated, kept).memorisation.level == "copied"


def test_a_dropped_type_lowers_recall_and_is_named(
    simulated: Dataset, kept: Path, fresh: AnnData, of_fresh: Evaluation
) -> None:
    without = fresh[fresh.obs["type"] != "beta"].copy()
    evaluation = _evaluate(without, simulated, kept)
    assert _mean(evaluation, "recall") < _mean(of_fresh, "recall") - 0.1
    assert _mean(evaluation, "coverage") < _mean(of_fresh, "coverage") - 0.1
    assert "No cells were generated of: beta." in evaluation.verdict.sentence
    assert evaluation.verdict.level != "good"
    # Asked for the other two alone, nothing is missing.
    asked = _evaluate(without, simulated, kept, classes=("alpha", "gamma"))
    assert "No cells were generated" not in asked.verdict.sentence
    assert _mean(asked, "recall") > _mean(evaluation, "recall") + 0.1


def test_genes_shuffled_within_types_keep_means_and_lose_correlations(
    simulated: Dataset, kept: Path, fresh: AnnData, of_fresh: Evaluation
) -> None:
    rng = np.random.default_rng(0)
    counts = fresh.X.toarray()
    for name in fresh.obs["type"].unique():
        rows = np.flatnonzero(fresh.obs["type"] == name)
        for gene in range(counts.shape[1]):
            counts[rows, gene] = counts[rng.permutation(rows), gene]
    shuffled = AnnData(sparse.csr_matrix(counts), obs=fresh.obs.copy(), var=fresh.var.copy())
    evaluation = _evaluate(shuffled, simulated, kept)
    assert _mean(evaluation, "correlation_error") > 1.15 * _mean(of_fresh, "correlation_error")
    simple = _mean(evaluation, "mean_error", row="independent_nb")
    assert _mean(evaluation, "mean_error") < 2 * max(_mean(of_fresh, "mean_error"), simple)
    assert _mean(evaluation, "zero_error") == pytest.approx(_mean(of_fresh, "zero_error"), abs=0.02)


def test_the_order_of_genes_and_extra_genes_do_not_matter(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    extra = AnnData(sparse.csr_matrix(np.ones((fresh.n_obs, 2), dtype=np.float32)), obs=fresh.obs.copy())
    extra.var_names = ["EXTRA1", "EXTRA2"]
    turned = AnnData(sparse.hstack([fresh.X[:, ::-1], extra.X]).tocsr(), obs=fresh.obs.copy())
    turned.var_names = [*fresh.var_names[::-1], *extra.var_names]
    plain, other = _evaluate(fresh, simulated, kept, baselines=()), _evaluate(turned, simulated, kept, baselines=())
    assert plain.scores == other.scores
    assert any("2 genes" in note for note in other.notes)


def test_log_normalised_cells_from_elsewhere_are_brought_to_scale(
    simulated: Dataset, kept: Path, fresh: AnnData
) -> None:
    counts = fresh.X.toarray()
    elsewhere = fresh.copy()
    elsewhere.X = sparse.csr_matrix(np.log1p(counts / counts.sum(1, keepdims=True) * 1e4))
    plain, other = _evaluate(fresh, simulated, kept, baselines=()), _evaluate(elsewhere, simulated, kept, baselines=())
    assert _mean(other, "w2") == pytest.approx(_mean(plain, "w2"), rel=1e-3)
    assert other.score("model", "zero_error") is None
    assert any("log-normalised" in note for note in other.notes)


def test_unlabelled_cells_get_pooled_figures(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    counts = fresh.X.toarray()
    counts[:, 3] = 0  # of cells without labels too, a gene that is never seen is found
    bare = AnnData(sparse.csr_matrix(counts), var=fresh.var.copy())
    evaluation = _evaluate(bare, simulated, kept, baselines=tuple(BASELINES))
    assert evaluation.n_drifted >= 1 and fresh.var_names[3] in {one.gene for one in evaluation.drifted[:3]}
    assert evaluation.classes == () and evaluation.score("model", "tstr_f1") is None
    assert set(evaluation.rows) == {"model", "floor", *BASELINES}
    assert any("pooled figures only" in note for note in evaluation.notes)


def test_data_without_counts_leave_out_what_they_cannot_tell(without_counts: Dataset, kept: Path) -> None:
    cells = IndependentGenes().fit(without_counts, label="type").generate(_like_test(without_counts), seed=0)
    evaluation = _evaluate(cells, without_counts, kept)
    for metric in ("variance_error", "zero_error", "library_ks", "detected_ks"):
        assert all(evaluation.score(row, metric) is None for row in evaluation.rows)
    assert _mean(evaluation, "c2st_genes") > 0.6
    assert any("no counts" in note for note in evaluation.notes)


def test_types_with_few_cells_are_said_to_be_too_few(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    rare = np.flatnonzero(fresh.obs["type"] == "gamma")
    common = np.flatnonzero(fresh.obs["type"] != "gamma")
    evaluation = _evaluate(fresh[np.concatenate([common, rare[:4]])].copy(), simulated, kept, baselines=())
    assert evaluation.too_few == {"gamma": 4}
    assert "gamma (4)" in evaluation.to_text()
    assert any("gamma (4 of" in note for note in evaluation.notes)


def test_floor_and_baselines_come_from_the_cache_unchanged(
    simulated: Dataset, tmp_path: Path, fresh: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = tuple(BASELINES)
    first = _evaluate(fresh, simulated, tmp_path, baselines=every)
    files = sorted(tmp_path.rglob("*.json"))
    assert len(files) == 1 + len(BASELINES)
    assert not list(tmp_path.rglob("*.part"))

    def no_fit(name: str) -> None:
        raise AssertionError(f"{name} was fitted again")

    monkeypatch.setattr("genediff.evaluation.bench.make_baseline", no_fit)
    assert _evaluate(fresh, simulated, tmp_path, baselines=every).scores == first.scores
    files[0].write_text("damaged")
    if files[0].name.startswith("copied"):
        with pytest.raises(AssertionError, match="fitted again"):
            _evaluate(fresh, simulated, tmp_path, baselines=every)


def test_the_result_survives_json_and_reads_as_text(of_fresh: Evaluation, tmp_path: Path) -> None:
    of_fresh.save(tmp_path / "evaluation.json")
    assert Evaluation.read(tmp_path / "evaluation.json") == of_fresh
    assert json.loads((tmp_path / "evaluation.json").read_text())["verdict"]["level"] == "good"
    text = of_fresh.to_text()
    assert of_fresh.verdict.sentence in text and "Real vs. real" in text and "alpha" in text
    table = of_fresh.table()
    assert list(table.columns) == ["row", "metric", "scope", "mean", "sd", "n", "repeats"]
    assert not table.duplicated(["row", "metric", "scope"]).any()
    assert {"c2st_pcs", "c2st_genes"} <= set(of_fresh.headline())
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(InputError, match="evaluate the cells again"):
        Evaluation.read(tmp_path / "evaluation.json")


def test_bad_input_is_one_clear_sentence(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    with pytest.raises(InputError, match=r"3 of the \d+ genes .* are missing"):
        _evaluate(fresh[:, 3:].copy(), simulated, kept)
    with pytest.raises(InputError, match="no generated cells"):
        _evaluate(fresh[:0].copy(), simulated, kept)
    for value, words in ((np.nan, "not numbers"), (-1.0, "negative")):
        bad = fresh.copy()
        bad.X = bad.X.toarray()
        bad.X[0, 0] = value
        with pytest.raises(InputError, match=words):
            _evaluate(bad, simulated, kept)
    with pytest.raises(InputError, match="known: subclusters, independent_nb"):
        _evaluate(fresh, simulated, kept, baselines=("gan",))
    with pytest.raises(InputError, match="'train'"):
        _evaluate(fresh, simulated, kept, against="train")
    with pytest.raises(InputError, match="'delta'"):
        _evaluate(fresh, simulated, kept, classes=("delta",))


def test_progress_ends_at_one_and_cancelling_stops(simulated: Dataset, kept: Path, fresh: AnnData) -> None:
    seen: list[float] = []
    _evaluate(fresh, simulated, kept, progress=lambda share, what: seen.append(share))
    assert seen == sorted(seen) and seen[-1] == 1.0
    with pytest.raises(Cancelled):
        _evaluate(fresh, simulated, kept, cancelled=lambda: True)
