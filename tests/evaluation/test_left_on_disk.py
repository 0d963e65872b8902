"""Cells of a large data set are read in parts: what comes of them is what all cells in memory give."""

from __future__ import annotations

import numpy as np
import pytest

from genediff.data import Dataset
from genediff.data.cells import dataset as reading
from genediff.data.cells.dataset import CellRows
from genediff.evaluation.baselines import CopiedCells, IndependentGenes
from genediff.evaluation.real_cells import of_split, reference
from genediff.inspection.one_cell.marker_genes import choose_markers, dots_in


@pytest.fixture
def both(simulated: Dataset, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    """The same data set twice: held in memory, and left on disk in blocks of 100 cells."""
    whole, large = Dataset.open(simulated.info.folder), Dataset.open(simulated.info.folder)
    whole.counts()
    monkeypatch.setattr(reading, "MOST_KEPT", 0)
    monkeypatch.setattr(reading, "_READ_CELLS", 100)
    assert large.left_on_disk and not whole.left_on_disk
    return whole, large


def same(one, other) -> None:
    np.testing.assert_allclose(
        *(np.asarray(x.toarray() if hasattr(x, "toarray") else x) for x in (one, other)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("split", [None, "train", "test"])
def test_rows_come_as_they_are_asked_for(both, split) -> None:
    whole, large = both
    rows, matrix = large.measured(split), whole.counts(split)
    assert isinstance(rows, CellRows) and rows.shape == matrix.shape
    genes = np.arange(matrix.shape[1]) % 3 > 0
    for places in (slice(3, 40), np.array([7, 2, 7, 30, 2]), 5, np.arange(matrix.shape[0])):
        at = np.atleast_1d(np.arange(matrix.shape[0])[places])
        same(rows[places], matrix[at])
        same(rows.normalised()[places], whole.x(split)[at])
        same(rows.only(genes)[places], matrix[at].toarray() * genes)
    again = np.array([4, 4, 0])
    same(large.x_of(again), whole.x()[again])
    assert large.left_on_disk, "all cells were read after all"


def test_sums_over_blocks_are_those_over_all(both) -> None:
    whole, large = both
    for split in (None, "train", "validation"):
        parts = list(large.map_x(lambda rows, x: (rows, x), split))
        assert len(parts) > 1
        np.testing.assert_array_equal(np.concatenate([rows for rows, _ in parts]), whole.rows(split))
        same(np.vstack([x.toarray() for _, x in parts]), whole.x(split))
    weights = np.random.default_rng(0).random((2, whole.info.n_cells)).astype(np.float32)
    np.testing.assert_allclose(large.weighted_x(weights), weights @ whole.x(), rtol=1e-4)
    values = whole.x("train").toarray().astype(np.float64)
    for dataset in both:
        np.testing.assert_allclose(dataset.x_moments("train"), (values.mean(0), values.var(0)), rtol=1e-3, atol=1e-5)


def test_markers_and_what_judges_cells_are_the_same(both) -> None:
    whole, large = both
    label = str(whole.info.label)
    one, other = dots_in(whole, "train", label), dots_in(large, "train", label)
    same(one.share, other.share)
    same(one.mean, other.mean)
    np.testing.assert_array_equal(one.n, other.n)
    assert choose_markers(whole, label) == choose_markers(large, label)
    first, second = reference(whole), reference(large)
    np.testing.assert_allclose(first.pcs, second.pcs, atol=1e-3)
    np.testing.assert_array_equal(first.variable, second.variable)
    same(of_split(whole, "test", label).values[:20], of_split(large, "test", label).values[:20])
    asked = whole.obs.loc[whole.obs["split"] == "test", [label]].head(30)
    for kind in (IndependentGenes, CopiedCells):
        cells = [kind().fit(dataset, label=label).generate(asked, seed=3).X for dataset in both]
        same(*cells)
    assert large.left_on_disk
