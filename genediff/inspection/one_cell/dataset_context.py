"""What every strategy is built from for one data set, and one cell of it as the strategies see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.training.training_cells import TrainingCells

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.tokenizers.statistics import Statistics

MOST_COMPARED = 1000


@dataclass(frozen=True, eq=False)
class DatasetContext:
    """Genes, statistics of the training cells, and some of those cells to compare others with.

    ``compared`` is standardised expression of up to 1,000 training cells, (cell, gene).
    """

    genes: tuple[str, ...]
    statistics: Statistics
    has_counts: bool
    target_sum: float
    compared: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, *, seed: int = 0) -> DatasetContext:
        """Measure a data set; `seed` decides which cells others are compared with."""
        cells = TrainingCells.of(dataset, ())
        known = cells.statistics()
        x = cells.log_normalised()
        rows = np.sort(np.random.default_rng(seed).permutation(x.shape[0])[:MOST_COMPARED])
        dense = torch.from_numpy(np.asarray(x[rows].todense(), dtype=np.float32))
        compared = (dense - known.mean) / known.std  # (cell, gene)
        known = replace(known, cells=compared)  # one sample in memory, not two
        return cls(tuple(dataset.genes), known, cells.has_counts, cells.target_sum, compared.numpy())


@dataclass(frozen=True, eq=False)
class Cell:
    """One cell, each (gene,) over the chosen genes.

    Attributes
    ----------
    measured
        Counts, or the values of the file.
    shown
        Log-normalised by the cell's total over all genes of the file, as every page shows expression.
    x, standardised
        Log-normalised by the total of the chosen genes, as models see it, and the same standardised.
    """

    name: str
    row: int
    measured: np.ndarray
    shown: np.ndarray
    x: np.ndarray
    standardised: np.ndarray

    @property
    def n_detected(self) -> int:
        """How many genes are above zero."""
        return int((self.measured > 0).sum())

    @property
    def tensor(self) -> Tensor:
        """Standardised x as a batch of one, (1, gene)."""
        return torch.from_numpy(self.standardised)[None]


def cell_of(dataset: Dataset, context: DatasetContext, name: str) -> Cell:
    """Return a cell by its name in the file.

    Raises
    ------
    InputError
        When the data set has no cell of that name.
    """
    found = np.flatnonzero(dataset.obs.index.astype(str) == name)
    if not len(found):
        raise InputError(f"{dataset.info.name!r} has no cell {name!r}; choose one from the list or on the map.")
    row = int(found[0])
    measured = dataset.values_at(np.array([row])).toarray().ravel().astype(np.float32)  # (gene,)
    x = np.log1p(measured * (context.target_sum / max(measured.sum(), 1))) if context.has_counts else measured
    mean, std = context.statistics.mean.numpy(), context.statistics.std.numpy()
    shown = dataset.for_display(measured[None], np.array([row]))[0]
    return Cell(name, row, measured, shown, x.astype(np.float32), ((x - mean) / std).astype(np.float32))


def typical_cells(dataset: Dataset, column: str) -> dict[str, str]:
    """Return for each level of an obs column the name of the cell nearest to the level's mean in PC space."""
    values = dataset.obs[column].astype("string").to_numpy(dtype=object, na_value="")
    names = dataset.obs.index.astype(str)
    found = {}
    for level in sorted({value for value in values if value}):
        rows = np.flatnonzero(values == level)
        away = dataset.pcs[rows] - dataset.pcs[rows].mean(0)  # (cell, pc)
        found[str(level)] = str(names[rows[int((away**2).sum(1).argmin())]])
    return found
