"""What is measured on training cells before anything is learned."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Statistics:
    """Scales of genes and of library sizes.

    ``mean`` and ``std`` are of x, ``median`` is of x over the cells in which the gene was seen, ``smallest`` is the
    smallest x above zero (-inf for genes that are never zero), and ``log_profile`` is the log share of each gene in
    all counts, each (gene,); ``library`` are mean and standard deviation of the log library size. ``axes`` are the
    principal axes of standardised x, (gene, axis) with mean square 1, the strongest first: what tells genes apart by
    the company they keep; None where nobody measured them. ``cells`` are up to 2,048 evenly chosen training cells,
    standardised, (cell, gene).
    """

    mean: Tensor
    std: Tensor
    median: Tensor
    smallest: Tensor
    log_profile: Tensor
    library: Tensor
    axes: Tensor | None = None
    cells: Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    @classmethod
    def empty(cls, n_genes: int) -> Statistics:
        """Return statistics that a checkpoint will overwrite."""
        zeros, ones = torch.zeros(n_genes), torch.ones(n_genes)
        return cls(zeros, ones, ones, zeros, zeros, torch.tensor([0.0, 1.0]))
