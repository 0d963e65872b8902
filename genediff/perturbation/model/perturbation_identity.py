"""Who a gene is, from data and network: so that genes nobody perturbed have a place among those somebody did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError
from genediff.perturbation.model.model_kinds import gene_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.perturbation import Task
    from genediff.perturbation.model.gene_priors import GenePriors
    from genediff.perturbation.model.network_diffusion import Spread

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
    priors
        What is known of genes from elsewhere, where something is.
    """

    def __init__(
        self,
        genes: Sequence[str],
        loadings: np.ndarray,
        spread: Spread | None = None,
        priors: GenePriors | None = None,
    ) -> None:
        self.places = {name: place for place, name in enumerate(genes)}
        self.loadings = loadings
        self.spread = spread
        self.priors = priors

    def knows(self, name: str) -> bool:
        """Whether anything is known of a gene besides its name."""
        name = gene_of(name)
        in_network = self.spread is not None and self.spread.knows(name)
        return name in self.places or in_network or (self.priors is not None and self.priors.knows(name))

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

    def prior_similarity(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the similarity of genes by what is known from elsewhere, (first, second); 0 where nothing is."""
        if self.priors is None:
            return np.zeros((len(first), len(second)))
        return self.priors.similarity([gene_of(name) for name in first], [gene_of(name) for name in second])

    def _by_loading(self, names: Sequence[str]) -> np.ndarray:
        rows = np.zeros((len(names), self.loadings.shape[1]))
        for row, name in enumerate(names):
            if gene_of(name) in self.places:
                rows[row] = self.loadings[self.places[gene_of(name)]]
        return rows

    def _by_network(self, names: Sequence[str]) -> np.ndarray:
        assert self.spread is not None
        return np.stack([self.spread.hops([gene_of(name)]).sum(0) for name in names]) if names else np.zeros((0, 1))


def find_identity(
    task: Task, spread: Spread | None, priors: GenePriors | None = None, *, n_components: int = 30, seed: int = 0
) -> Identity:
    """Return who the genes of a task are, from the cells of its training part alone."""
    from sklearn.utils.extmath import randomized_svd

    rows = task.rows("train")
    if len(rows) > MOST_CELLS:
        rows = np.sort(np.random.default_rng([seed, 5]).choice(rows, MOST_CELLS, replace=False))
    x = task.x[rows].toarray().astype(np.float64)
    x -= x.mean(0)
    size = max(2, min(n_components, len(rows) - 1, x.shape[1] - 1))
    _, strength, components = randomized_svd(x, size, random_state=seed)
    loadings = components.T * strength / np.sqrt(len(rows))  # (gene, component)
    return Identity(task.genes, loadings, spread, priors)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
