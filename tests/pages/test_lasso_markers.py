"""Marker genes of a lasso: donors are compared where the data have them."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.simulate import simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth

from .conftest import texts


def _page(data_id: str) -> None:
    from genediff.ui.data import data_map
    from genediff.ui.kit import caching

    dataset = caching.dataset(data_id)
    chosen = dataset.codes("cell_type") == 0
    data_map._marker_genes(dataset, chosen, ~chosen)


@pytest.mark.parametrize("donors", [True, False])
def test_marker_genes_of_a_lasso_are_tested_over_donors_where_there_are_donors(workspace, tmp_path, donors) -> None:
    """Cells of one donor resemble each other: the p-values of cells were given where donors were known."""
    config = TruthConfig(n_genes=50, n_regulators=6, n_types=2, n_pathways=3, pathway_size=8, n_gated_pairs=0)
    cells = simulate(draw_truth(config, seed=1), n_cells=240, seed=0)
    cells.uns.clear()
    cells.obsm.clear()
    cells.obs["donor"] = np.array([f"donor {number % 4}" for number in range(240)])
    cells.write_h5ad(tmp_path / "cells.h5ad")
    how = ImportConfig(
        label="cell_type", batch="donor" if donors else None, n_genes=50, umap=False, n_pcs=5, min_cells_per_gene=1,
        name=f"with {donors}",
    )  # fmt: skip
    dataset = import_cells(tmp_path / "cells.h5ad", how, workspace.datasets)
    app = AppTest.from_function(_page, default_timeout=600, args=(dataset.info.id,)).run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table.columns)[-1] == ("fdr_replicates" if donors else "fdr")
    assert ("Moderated t-test over donors" in texts(app)) == donors
    assert (table["log2_fold"] > 0).all()
    assert table.iloc[:, -1].between(0, 1).all() and table.iloc[0, -1] < 0.05
