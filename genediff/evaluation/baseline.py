"""What generators beside a model share: fitted on training cells, label by label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np
from anndata import AnnData
from scipy import sparse

from genediff.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data.cells.dataset import CellRows, Dataset

EVERYTHING = -1  # the one class of data without labels


MOST_FITTED = 20_000
"""Training cells of a class that a fit takes; of more a sample: enough for one number per gene."""


class Baseline(ABC):
    """A generator fitted on training cells, label by label where there is a label; the rows beside a model's."""

    title: str

    def fit(self, dataset: Dataset, *, label: str | None, seed: int = 0) -> Self:
        """Learn from training cells, at most `MOST_FITTED` of each label.

        Parameters
        ----------
        dataset, label
            Where the training cells and their classes come from.
        seed
            Of what is random in the fit, if anything.
        """
        self.dataset, self.label, rng = dataset, label, np.random.default_rng(0)
        self.names = () if label is None else dataset.vocabulary(label)
        n = len(dataset.rows("train"))
        codes = np.full(n, EVERYTHING) if label is None else dataset.codes(label, "train")
        rows = {
            code: np.flatnonzero(codes == code) for code in (range(len(self.names)) if self.names else [EVERYTHING])
        }
        for code, own in rows.items():
            if len(own) > MOST_FITTED:
                rows[code] = np.sort(rng.choice(own, MOST_FITTED, replace=False))
        self._fit(dataset.measured("train"), {code: own for code, own in rows.items() if len(own)}, seed)
        return self

    def generate(self, conditions: pd.DataFrame, *, seed: int = 0) -> AnnData:
        """Generate a cell for each row of `conditions`, of the label in its label column.

        Parameters
        ----------
        conditions
            A table with the label column (any table of the right length where there are no labels).
        seed
            Of the draw.

        Raises
        ------
        InputError
            When no training cell has a label.
        """
        rng = np.random.default_rng(seed)
        values = np.zeros((len(conditions), len(self.dataset.genes)), dtype=np.float32)  # (cell, gene)
        for code, rows in self._wanted(conditions).items():
            values[rows] = self._draw(code, len(rows), rng)
        obs = conditions.copy()
        obs.index = [f"generated_{i}" for i in range(len(obs))]
        cells = AnnData(sparse.csr_matrix(values), obs=obs)
        cells.var_names = list(self.dataset.genes)
        return cells

    @abstractmethod
    def _fit(self, values: sparse.csr_matrix | CellRows, rows: dict[int, np.ndarray], seed: int) -> None:
        """Fit to training cells (cell, gene), given the rows of each class."""

    @abstractmethod
    def _draw(self, code: int, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n cells of a class, (cell, gene)."""

    def _wanted(self, conditions: pd.DataFrame) -> dict[int, np.ndarray]:
        """Return the rows of `conditions` that ask for each class."""
        if self.label is None:
            return {EVERYTHING: np.arange(len(conditions))}
        asked = conditions[self.label].astype(str).to_numpy()
        if unknown := sorted(set(asked) - set(self.names)):
            raise InputError(f"No training cell has the label {unknown[0]!r}; known: {', '.join(self.names)}.")
        return {code: np.flatnonzero(asked == name) for code, name in enumerate(self.names) if name in asked}
