"""The cells of a data set in other genes than those chosen at its import."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError
from genediff.data.cells.dataset import Dataset
from genediff.data.cells.pca import PCA, fit_pca
from genediff.data.cells.store import open_store, read_genes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import scipy.sparse as sp
    from anndata import AnnData

N_PCS = 50


class GeneView(Dataset):
    """A data set whose chosen genes are the named ones, in their order; cells, labels and split stay.

    Libraries and components are those of these genes; there is no UMAP.

    Parameters
    ----------
    dataset
        The import.
    genes
        Names of any genes of its file.

    Raises
    ------
    InputError
        When the file lacks a gene.
    """

    def __init__(self, dataset: Dataset, genes: Sequence[str]) -> None:
        position = {gene: place for place, gene in enumerate(dataset.all_genes)}
        if missing := [gene for gene in genes if gene not in position]:
            raise InputError(
                f"{len(missing)} of {len(genes)} genes are not in {dataset.info.name!r} ({', '.join(missing[:5])})."
            )
        mark = hashlib.sha256("\n".join([dataset.content_hash, *genes]).encode()).hexdigest()
        super().__init__(replace(dataset.info, n_genes=len(genes), content_hash=mark, has_umap=False))
        self.all_genes = dataset.all_genes  # which may have other names than the file's
        self.chosen = np.array([position[gene] for gene in genes], dtype=np.int64)

    @cached_property
    def _values(self) -> sp.csr_matrix:
        order = np.argsort(self.chosen)
        with open_store(self.info.folder) as store:
            values = read_genes(store, self.chosen[order])  # (cell, gene), genes as in the file
        return values[:, np.argsort(order)].tocsr().astype(np.float32)

    @cached_property
    def n_entries(self) -> int:
        """Stored values of all cells in these genes."""
        return int(self._values.nnz)

    @property
    def left_on_disk(self) -> bool:
        """Never: these genes are read by gene, all cells at once."""
        return False

    def values_at(self, rows: np.ndarray) -> sp.csr_matrix:
        """Return counts (or the file's values) of some cells, (cell, gene), in the order of ``rows``."""
        return self._values[rows]

    def x_blocks(self, size: int) -> Iterator[tuple[slice, sp.csr_matrix]]:
        """Yield log-normalised expression of all cells, ``size`` of them at a time."""
        for start in range(0, self.info.n_cells, size):
            part = slice(start, min(start + size, self.info.n_cells))
            yield part, self.as_x(self._values[part])

    def pcs_at(self, rows: np.ndarray) -> np.ndarray:
        """Principal component scores of some cells, (cell, pc)."""
        return self.pcs[rows]

    @cached_property
    def pca(self) -> PCA:
        """Principal components of the training cells' x in these genes."""
        return fit_pca(self.x("train"), N_PCS, seed=0, after_block=lambda: None)

    @cached_property
    def pcs(self) -> np.ndarray:
        """Principal component scores of all cells (cell, pc)."""
        return self.project(self.x())


def in_genes(dataset: Dataset, genes: Sequence[str], *, always: bool = False) -> Dataset:
    """Return the data set as a model of these genes sees it: itself, or a view of the genes that both have.

    Parameters
    ----------
    genes
        Of the model.
    always
        A view also where the model has all chosen genes, since it may have more of the file's.

    Raises
    ------
    InputError
        When they share no gene.
    """
    known = set(genes)
    if not always and known.issuperset(dataset.genes):
        return dataset
    there = set(dataset.all_genes)
    shared = [gene for gene in genes if gene in there]
    if not shared:
        raise InputError(f"The model and {dataset.info.name!r} share no gene; check that both name genes alike.")
    return GeneView(dataset, shared)


def log_values(cells: AnnData, dataset: Dataset) -> Any:
    """Return log-normalised expression of generated cells in the data set's genes, ``(cell, gene)``."""
    missing = [gene for gene in dataset.genes if gene not in cells.var_names]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(dataset.genes)} genes of the data set were not generated ({missing[0]}, …), "
            "so these cells have no place on its map."
        )
    matrix = cells[:, list(dataset.genes)].X
    return dataset.normalise(matrix) if dataset.info.has_counts else matrix
