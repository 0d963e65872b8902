"""Which genes stand at a rank: what a rank token holds, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch

from genediff.inspection.tokens.probe import some_rows

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.inspection.tokens.inspected_cells import ReadCells

MOST_CELLS = 2000
BLOCK = 256


@runtime_checkable
class OrdersGenes(Protocol):
    """Puts the genes of cells in order."""

    def measured(self, x: Tensor) -> Tensor:
        """Return log-normalised expression of standardised x, (cell, gene)."""
        ...

    def order(self, measured: Tensor) -> Tensor:
        """Return which gene is at each rank, (cell, rank); the number of genes stands for "nothing"."""
        ...


@torch.no_grad()
def ranked_genes(cells: ReadCells) -> np.ndarray:
    """Return which gene stands at each rank in up to 2,000 cells, (cell, rank); the number of genes is "nothing".

    Empty where the strategy puts nothing in order.
    """
    tokenizer = cells.model.tokenizer
    if not isinstance(tokenizer, OrdersGenes):
        return np.zeros((0, 0), dtype=np.int64)
    rows = some_rows(cells.n_cells, MOST_CELLS)
    parts = [
        tokenizer.order(tokenizer.measured(cells.block(rows[start : start + BLOCK])[0])).cpu().numpy()
        for start in range(0, len(rows), BLOCK)
    ]
    return np.concatenate(parts)


def genes_at(ranked: np.ndarray, rank: int, genes: tuple[str, ...], *, most: int = 12) -> pd.DataFrame:
    """Return the genes that stand most often at a rank (0 is the first): ``gene`` and ``share`` of cells, 0 to 1."""
    found = np.bincount(ranked[:, rank], minlength=len(genes) + 1)
    order = np.argsort(-found, kind="stable")[:most]
    order = order[found[order] > 0]
    names = [*genes, "(nothing)"]
    return pd.DataFrame({"gene": [names[i] for i in order], "share": found[order] / max(len(ranked), 1)})
