"""Who a gene is, from data and network: so that genes nobody perturbed have a place among those somebody did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.errors import InputError
from genediff.response.kinds import gene_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.perturbation import Task
    from genediff.response.spread import Spread

MOST_CELLS = 3000


class Identity:
    """How alike genes are: by their loadings on the cells' principal components, and by what they regulate.

    Parameters
    ----------
    genes
        The model's genes.
    loadings
        (gene, component), from training cells.
    spread
        The network, where there is one.
    """

    def __init__(self, genes: Sequence[str], loadings: np.ndarray, spread: Spread | None = None) -> None:
        self.places = {name: place for place, name in enumerate(genes)}
        self.loadings = loadings
        self.spread = spread

    def knows(self, name: str) -> bool:
        """Whether anything is known of a gene besides its name."""
        name = gene_of(name)
        return name in self.places or (self.spread is not None and self.spread.knows(name))

    def need(self, name: str) -> None:
        """Refuse a gene that nothing is known of."""
        if not self.knows(name):
            more = " and does not act on any of them in the network" if self.spread is not None else ""
            raise InputError(
                f"{name} was never perturbed in training, is not among the {len(self.places):,} genes of this "
                f"model{more}, so nothing can be predicted for it; choose a measured gene."
            )

    def alike(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the similarity of genes, from -1 to 1, (first, second); 0 for genes of which nothing is known."""
        parts = [_unit(self._by_loading(first)) @ _unit(self._by_loading(second)).T]
        if self.spread is not None:
            parts.append(_unit(self._by_network(first)) @ _unit(self._by_network(second)).T)
        return np.mean(parts, axis=0)

    def _by_loading(self, names: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(names), self.loadings.shape[1]))
        for row, name in enumerate(names):
            if gene_of(name) in self.places:
                rows[row] = self.loadings[self.places[gene_of(name)]]
        return rows

    def _by_network(self, names: Sequence[str]) -> np.ndarray:
        assert self.spread is not None
        return np.stack([self.spread.hops([gene_of(name)]).sum(0) for name in names]) if names else np.zeros((0, 1))


def find_identity(task: Task, spread: Spread | None, *, n_components: int = 30, seed: int = 0) -> Identity:
    """Return who the genes of a task are, from the cells of its training part alone."""
    from sklearn.utils.extmath import randomized_svd

    rows = task.rows("train")
    if len(rows) > MOST_CELLS:
        rows = np.sort(np.random.default_rng([seed, 5]).choice(rows, MOST_CELLS, replace=False))
    x = task.x[rows].toarray().astype(np.float64)
    x -= x.mean(0)
    size = max(2, min(n_components, len(rows) - 1, x.shape[1] - 1))
    _, strength, components = randomized_svd(x, size, random_state=seed)
    return Identity(task.genes, components.T * strength / np.sqrt(len(rows)), spread)  # (gene, component)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
