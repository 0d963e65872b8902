"""Figures (`genediff.pl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from genediff.core.errors import InputError
from genediff.data.cells.view import log_values
from genediff.plots.generated_plots import Cells as Points
from genediff.plots.generated_plots import Colouring, map_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from anndata import AnnData

    from genediff.api.user_cells import Cells


def umap(generated: AnnData, cells: Cells, *, color: str | None = None, side_by_side: bool = True) -> go.Figure:
    """Draw generated cells on the UMAP of the real ones.

    Parameters
    ----------
    generated
        With the genes of the cells, by name.
    color
        A column of obs, or a gene; the label of the cells where None.
    side_by_side
        Real cells left and generated ones right; else both in one panel.

    Raises
    ------
    InputError
        When the cells have no UMAP, genes are missing, or there is no such column or gene.
    """
    dataset = cells.dataset
    x = log_values(generated, dataset)
    xy = dataset.transform_umap(dataset.project(x))
    color = dataset.info.label if color is None else color
    if color is None:
        return map_figure(
            Points(dataset.umap), Points(xy), colouring=Colouring("Source", by_source=True), side_by_side=side_by_side
        )
    if color in dataset.genes:
        values = x[:, dataset.genes.index(color)]
        values = values.toarray().ravel() if hasattr(values, "toarray") else values
        real, made = Points(dataset.umap, dataset.gene_values(color, as_models=True)), Points(xy, values)
        return map_figure(real, made, colouring=Colouring(color, unit="log1p"), side_by_side=side_by_side)
    if color not in dataset.obs or color not in generated.obs:
        raise InputError(f"There is no column and no gene {color!r} in both the real and the generated cells.")
    levels = dataset.vocabulary(color)
    codes = pd.Categorical(generated.obs[color].astype(object), categories=list(levels)).codes
    real, made = Points(dataset.umap, dataset.codes(color)), Points(xy, codes)
    return map_figure(real, made, colouring=Colouring(color, levels=tuple(levels)), side_by_side=side_by_side)
