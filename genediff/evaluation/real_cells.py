"""Sets of cells to draw from: a part of the data set, or generated cells brought to its genes and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from genediff.core.errors import InputError
from genediff.evaluation.mmd import median_distance
from genediff.evaluation.neighbours import nearest_distance
from genediff.evaluation.prepared_cells import Cells, Reference, codes_of, dense

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.data.cells.dataset import CellRows, Dataset

N_VARIABLE = 100


@dataclass(frozen=True, eq=False)
class Source:
    """Many cells, kept as they come; only those that are compared are made dense.

    Parameters
    ----------
    dataset
        Whose genes, normalisation and components count.
    values
        Counts, or log-normalised expression, `(cell, chosen gene)`; those of a large data set are read when needed.
    are_counts
        Which of the two.
    codes
        Labels as numbers in the training vocabulary, -1 is none.
    notes
        What was done to the cells on the way, in sentences.
    """

    dataset: Dataset
    values: sparse.csr_matrix | CellRows
    are_counts: bool
    codes: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.values.shape[0]

    def cells(self, rows: np.ndarray, reference: Reference) -> Cells:
        """Return some rows in every form that metrics need."""
        values = self.values[rows]
        x = self.dataset.normalise(values) if self.are_counts else values
        pcs = np.asarray(self.dataset.project(x), dtype=np.float64)  # (cell, pc)
        return Cells(
            x=dense(x),
            pcs=pcs,
            counts=dense(values) if self.are_counts else None,
            codes=self.codes[rows],
            to_training=nearest_distance(pcs, reference.pcs),
        )


def of_split(dataset: Dataset, split: str, label: str | None) -> Source:
    """Return the real cells of a part of the data set.

    Parameters
    ----------
    dataset
        The data set.
    split
        "train", "validation" or "test".
    label
        Column of `obs`, or None.
    """
    has_counts = dataset.info.has_counts
    values = dataset.measured(split)
    codes = np.full(values.shape[0], -1) if label is None else dataset.codes(label, split)
    return Source(dataset, values, has_counts, codes)


def of_anndata(cells: AnnData, dataset: Dataset, label: str | None) -> Source:
    """Bring generated cells to the genes and the scale of the data set.

    Genes are matched by name; more genes than needed do no harm. `layers["counts"]` is preferred to X. Whole numbers
    are counts; other values below 20 are taken for log-normalised and brought to the data set's total.

    Parameters
    ----------
    cells
        Generated cells, any number of genes.
    dataset
        What they imitate.
    label
        Column of `obs` to read labels from; where the cells lack it all codes are -1.

    Raises
    ------
    InputError
        When genes are missing, or values are negative, not numbers, or of no known scale.
    """
    position = {name: i for i, name in enumerate(map(str, cells.var_names))}
    missing = [gene for gene in dataset.genes if gene not in position]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(dataset.genes)} genes of the data set '{dataset.info.name}' are missing from "
            f"the generated cells ({', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}); generate all of them, "
            "or compare with a data set that was imported with the genes you have."
        )
    if cells.n_obs == 0:
        raise InputError("There are no generated cells in the file; generate some first.")
    matrix = cells.layers["counts"] if "counts" in cells.layers else cells.X
    columns = np.array([position[gene] for gene in dataset.genes])
    values = sparse.csr_matrix(matrix)[:, columns].astype(np.float32)
    _check(values, dataset)
    notes = []
    if extra := cells.n_vars - len(dataset.genes):
        notes.append(f"{extra} genes that the data set does not use were left out.")
    codes = np.full(cells.n_obs, -1)
    if label is not None and label in cells.obs:
        codes = codes_of(cells.obs[label].tolist(), dataset.vocabulary(label))
        if unknown := int((codes < 0).sum()):
            notes.append(f"{unknown} generated cells have no '{label}' known from the training cells; left out.")
    values, are_counts, note = _scale(values, dataset)
    return Source(dataset, values, are_counts, codes, (*notes, *note))


def reference(dataset: Dataset) -> Reference:
    """Return what metrics need to know of the training cells."""
    if dataset.left_on_disk:
        pcs = dataset.pcs_at(dataset.rows("train")).astype(np.float64)  # (training cell, pc), what `project` gives
        _, variance = dataset.x_moments("train")  # (gene,)
    else:
        x = sparse.csr_matrix(dataset.x("train"))  # (training cell, gene)
        pcs = np.asarray(dataset.project(x), dtype=np.float64)
        mean = np.asarray(x.mean(0)).ravel()
        variance = np.asarray(x.multiply(x).mean(0)).ravel() - mean**2  # (gene,)
    variable = np.sort(np.argsort(-variance, kind="stable")[:N_VARIABLE])
    return Reference(pcs, median_distance(pcs), variable)


def _check(values: sparse.csr_matrix, dataset: Dataset) -> None:
    if not np.isfinite(values.data).all():
        raise InputError("The generated cells hold values that are not numbers (NaN or infinite); leave them out.")
    if dataset.info.has_counts and values.nnz and values.data.min() < 0:
        raise InputError(
            "The generated cells hold negative values, which neither counts nor log-normalised expression have; "
            "save them before they are scaled."
        )


def _scale(values: sparse.csr_matrix, dataset: Dataset) -> tuple[sparse.csr_matrix, bool, tuple[str, ...]]:
    """Return the values as counts or log-normalised expression, which of the two, and a note when that was a guess."""
    whole = bool((values.data == np.rint(values.data)).all())
    if not dataset.info.has_counts:
        note = "The data set has no counts: variances of counts, zeros, library sizes and detected genes are left out."
        return values, False, (note,)
    if whole:
        return values, True, ()
    if values.data.max() < 20:
        values = values.copy()
        values.data = np.expm1(values.data)
        note = (
            "The generated values are not whole numbers; they were read as log-normalised and brought to the data "
            "set's total per cell. Variances of counts, zeros, library sizes and detected genes are left out."
        )
        return sparse.csr_matrix(dataset.normalise(values)), False, (note,)
    return values, True, ("The generated values are not whole numbers; they were taken as counts all the same.",)
