"""Our figures beside those of cell-eval, the community's implementation, on the pair of files that we write."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.perturbation import (
    METRICS,
    BaselinePredictor,
    Task,
    evaluate_pair,
    fit_baselines,
    predict_pair,
    write_pair,
)

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from genediff.data.cells.dataset import Dataset

# A process of its own: cell-eval warns in ways that our tests forbid, and numba compiles into it.
RUN = """
import sys
from cell_eval import MetricsEvaluator
skip = ["clustering_agreement", "pearson_edistance"]
for folder in sys.argv[1:]:
    both = MetricsEvaluator(f"{folder}/cells-predicted.h5ad", f"{folder}/cells-real.h5ad", control_pert="non-targeting",
                            pert_col="target_gene", num_threads=1, outdir=folder)
    both.compute(skip_metrics=skip, basename="results.csv")
    both.compute_ceiling(skip_metrics=skip, basename="ceiling.csv")
"""


def held_out(screen: Dataset, baseline: str, **how: object) -> tuple[AnnData, AnnData]:
    task = Task.of(screen, seed=2, **how)
    predicted, real = predict_pair(task, BaselinePredictor(fit_baselines(task)[baseline]), seed=1)
    assert real is not None
    return predicted, real


@pytest.fixture(scope="module")
def pair(screen: Dataset) -> tuple[AnnData, AnnData]:
    return held_out(screen, "nearest", scheme="unseen_single", share=0.4)


def test_cell_eval_reads_the_pair_and_agrees(screen: Dataset, pair: tuple[AnnData, AnnData], tmp_path: Path) -> None:
    """On single genes and on pairs of genes, in one process, for it compiles for long."""
    pytest.importorskip("cell_eval", reason="cell-eval is not installed; see tests/requirements.txt")
    doubles = held_out(screen, "additive", scheme="doubles", share=0.4)
    assert doubles[1].obs["target_gene"].str.contains("+", regex=False).sum() > 10
    cases = {tmp_path / "singles": pair, tmp_path / "doubles": doubles}
    for folder, cells in cases.items():
        folder.mkdir()
        write_pair(*cells, folder / "cells.h5ad")
    subprocess.run([sys.executable, "-c", RUN, *cases], check=True, capture_output=True, timeout=300)
    both = [name for name, metric in METRICS.items() if metric.in_cell_eval]
    for folder, cells in cases.items():
        theirs = pd.read_csv(folder / "results.csv").set_index("perturbation")
        scores = evaluate_pair(*cells)
        ours = scores.table.query("predictor == 'predicted'").set_index("perturbation")
        assert set(both) <= set(theirs.columns)
        assert set(ours.index) == set(theirs.index) and len(ours) > 2
        for metric in both:
            np.testing.assert_allclose(
                ours[metric], theirs[metric].reindex(ours.index), atol=1e-6, err_msg=metric, equal_nan=True
            )
        ceiling = pd.read_csv(folder / "agg_ceiling.csv").iloc[0]
        for metric in ("pearson_delta", "discrimination_score_l1", "roc_auc"):  # halves are drawn otherwise there
            np.testing.assert_allclose(scores.ceiling(metric), ceiling[metric], atol=0.12, err_msg=metric)
        assert np.isnan(scores.ceiling("mse")) and scores.ceiling("pearson_delta") > 0.3
        # The figures say something: they differ between perturbations, and are not all at a bound.
        assert ours["pearson_delta"].std() > 0.01
        assert ours["pr_auc"].between(0.01, 0.99).any()


def test_controls_are_the_measured_ones_in_both(pair: tuple[AnnData, AnnData]) -> None:
    predicted, real = pair
    rows = [cells[cells.obs["target_gene"] == "non-targeting"] for cells in pair]
    np.testing.assert_array_equal(rows[0].X.toarray(), rows[1].X.toarray())
    assert set(predicted.obs["target_gene"]) == set(real.obs["target_gene"])


def test_pairs_that_do_not_belong_together_are_refused(pair: tuple[AnnData, AnnData]) -> None:
    predicted, real = pair
    other = predicted.copy()
    other.X[other.obs["target_gene"].to_numpy() == "non-targeting"] *= 1.1
    with pytest.raises(InputError, match="control cells of both files differ"):
        evaluate_pair(other, real)
    with pytest.raises(InputError, match="Only one of both files"):
        evaluate_pair(predicted, real[real.obs["target_gene"] != real.obs["target_gene"].iloc[-1]].copy())
    with pytest.raises(InputError, match="same genes"):
        evaluate_pair(predicted[:, ::-1].copy(), real)
    counts = predicted.copy()
    counts.X = counts.layers["counts"] * 20
    with pytest.raises(InputError, match="not log-normalised"):
        evaluate_pair(counts, real)
    with pytest.raises(InputError, match="no obs column 'guide'"):
        evaluate_pair(predicted, real, column="guide")
