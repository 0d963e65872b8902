"""Markers come from training cells alone, and dots agree with a plain loop."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from genediff.inspection.one_cell.marker_genes import choose_markers, dots_of, gap, table
from genediff.workspace import DEMO_DATASET, Workspace


def test_dots_are_shares_and_means_of_each_type():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((60, 5)) < 0.4, rng.gamma(2, 1, (60, 5)), 0.0)
    codes = rng.integers(-1, 3, 60)
    codes[codes == 2] = 0  # no cell of the last type
    found = dots_of(sp.csr_matrix(x), codes, 3, [4, 0])
    for code in (0, 1):
        for place, gene in enumerate((4, 0)):
            own = x[codes == code, gene]
            assert np.isclose(found.share[code, place], (own > 0).mean())
            assert np.isclose(found.mean[code, place], own.mean())
    assert found.n.tolist() == [(codes == 0).sum(), (codes == 1).sum(), 0]
    assert np.isnan(found.share[2]).all()
    again = dots_of(x, codes, 3, [4, 0])
    assert gap(found, again) == (0.0, 0.0)
    assert len(table({"a": found}, ["x", "y", "z"], ["g4", "g0"])) == 6


def test_markers_are_known_ones_and_do_not_see_other_cells(tmp_path):
    dataset = Workspace(tmp_path).open_dataset(DEMO_DATASET)
    label = str(dataset.info.label)
    genes = choose_markers(dataset, label)
    assert len(genes) == len(set(genes)) and set(genes) <= set(dataset.genes)
    assert {"NKG7", "CD79A"} & set(genes) and ({"PF4", "PPBP"} & set(genes))
    other = Workspace(tmp_path).open_dataset(DEMO_DATASET)
    values = other.x().tolil()
    held_out = other.rows("test")
    values[held_out[0], :] = 50.0  # would make every gene a marker of one type
    other.__dict__["_x"] = values.tocsr()
    assert choose_markers(other, label) == genes
