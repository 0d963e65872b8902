"""A data set: cells with counts, chosen genes, labels and a split, read from its folder when needed."""

from __future__ import annotations

import difflib
import threading
import warnings
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.data.cells.pca import PCA
from genediff.data.cells.split import SPLITS
from genediff.data.cells.store import (
    gene_blocks,
    get_names,
    get_sparse,
    open_store,
    open_umap,
    read_block,
    read_genes,
    read_in_blocks,
    read_indptr,
    read_rows,
    read_scattered,
)
from genediff.data.matrices.prefetch import in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    import pandas as pd

Result = TypeVar("Result")

DISPLAY_TOTAL = 10_000.0
"""Counts per cell that shown expression is scaled to."""
MOST_KEPT = 500_000_000
"""Bytes of expression (eight for each stored value) above which parts are read and not kept."""
_READ_PCS = 65_536
_READ_CELLS = 16_384
_umap_models: dict[str, Any] = {}
_umap_lock = threading.Lock()


class Dataset:
    """Cells of one import. Parts are read from disk at first use and kept; treat what you get as read-only."""

    def __init__(self, info: DatasetInfo) -> None:
        self.info = info

    @classmethod
    def open(cls, folder: Path, *, shipped: bool = False) -> Self:
        """Open a data set's folder.

        Raises
        ------
        InputError
            When the folder holds no data set.
        """
        return cls(DatasetInfo.read(folder, shipped=shipped))

    def __repr__(self) -> str:
        return f"Dataset({self.info.id!r}, {self.info.n_cells} cells x {self.info.n_genes} genes)"

    # ------------------------------------------------------------------------------------------- names and cells

    @cached_property
    def all_genes(self) -> tuple[str, ...]:
        """Names of every gene of the file, made unique."""
        with open_store(self.info.folder) as store:
            return get_names(store, "all_genes")

    @cached_property
    def gene_ids(self) -> tuple[str, ...]:
        """Ensembl ids (or whatever the file's index holds) of ``all_genes``."""
        with open_store(self.info.folder) as store:
            return get_names(store, "gene_ids")

    @cached_property
    def detected(self) -> np.ndarray:
        """In how many cells each of ``all_genes`` was detected, (all gene,)."""
        with open_store(self.info.folder) as store:
            return np.sum([np.diff(group["indptr"][:]) for group, _, _ in gene_blocks(store)], axis=0)

    @cached_property
    def chosen(self) -> np.ndarray:
        """Positions of the chosen genes in ``all_genes`` (gene,), ascending."""
        with open_store(self.info.folder) as store:
            return store["chosen"][:]

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """Names of the chosen genes, in the order of every (cell, gene) matrix here."""
        return tuple(self.all_genes[position] for position in self.chosen)

    @cached_property
    def obs(self) -> pd.DataFrame:
        """What is known of each cell (cell order of the file), with "split", "library", "qc_*"."""
        from anndata.io import read_elem

        with open_store(self.info.folder) as store, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame: pd.DataFrame = read_elem(store["obs"])
        return frame

    def rows(self, split: str | None = None) -> np.ndarray:
        """Return row numbers of a part ("train", "validation", "test"; None: all cells)."""
        if split is None:
            return np.arange(self.info.n_cells)
        if split not in SPLITS:
            raise InputError(f"There is no part {split!r} of the cells; known: {', '.join(SPLITS)}.")
        return np.flatnonzero(self.obs["split"].to_numpy() == split)

    # ------------------------------------------------------------------------------------------------- expression

    @cached_property
    def _values(self) -> sp.csr_matrix:
        with open_store(self.info.folder) as store:
            return get_sparse(store, "counts")  # (cell, gene)

    def counts(self, split: str | None = None) -> sp.csr_matrix:
        """Return raw counts of the chosen genes: CSR float32 (cell, gene).

        Raises
        ------
        InputError
            When the file held no counts.
        """
        self._need_counts()
        if self._better_left(split):
            return self.values_at(self.rows(split))
        return self._part(self._values, split)

    def x(self, split: str | None = None) -> sp.csr_matrix:
        """Return log-normalised expression of the chosen genes: CSR float32 (cell, gene).

        For data without counts these are the values of the file.
        """
        if self._better_left(split):
            return self.x_at(self.rows(split))
        return self._part(self._x, split)

    @cached_property
    def _x(self) -> sp.csr_matrix:
        return self.as_x(self._values)

    # Of large data sets a part is read and the rest left on disk.

    @property
    def left_on_disk(self) -> bool:
        """Whether all cells would fill much memory for good, so that whoever needs them reads them in parts."""
        return "_values" not in self.__dict__ and 8 * self.n_entries > MOST_KEPT

    def measured(self, split: str | None = None) -> sp.csr_matrix | CellRows:
        """Return counts, or the file's values where there are none, (cell, gene): what gives rows when asked for them.

        A matrix; of large data sets something that reads the rows.
        """
        if self.left_on_disk:
            return CellRows(self, self.rows(split))
        return self.counts(split) if self.info.has_counts else self.x(split)

    def x_of(self, rows: np.ndarray) -> sp.csr_matrix:
        """Return log-normalised expression of some cells, (cell, gene): kept for the next time unless they are many."""
        return self.x_at(rows) if self.left_on_disk else self.x()[rows]

    def map_x(self, work: Callable[[np.ndarray, sp.csr_matrix], Result], split: str | None = None) -> Iterator[Result]:
        """Yield ``work(rows, x)`` of all cells of a part: rows (cell,) and their log-normalised expression.

        ``x`` is (cell, gene), all at once; of large data sets block by block, read and worked on in threads, and
        nothing is kept.
        """
        wanted = self.rows(split)
        if not self.left_on_disk:
            yield work(wanted, self.x(split))
            return
        with open_store(self.info.folder) as store:

            def part(start: int) -> Result:
                stop = min(start + _READ_CELLS, self.info.n_cells)
                low, high = np.searchsorted(wanted, [start, stop])
                rows, values = wanted[low:high], read_rows(store["counts"], self._indptr, start, stop)
                return work(rows, self.as_x(values if len(rows) == stop - start else values[rows - start]))

            yield from in_order(part, range(0, self.info.n_cells, _READ_CELLS))

    def weighted_x(self, weights: np.ndarray) -> np.ndarray:
        """Return sums of x over all cells, (group, gene), by weights (group, cell)."""
        return reduce(np.add, self.map_x(lambda rows, x: np.asarray(weights[:, rows] @ x)))

    def x_moments(self, split: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of x over the cells of a part, (gene,) each."""

        def sums(rows: np.ndarray, x: sp.csr_matrix) -> np.ndarray:
            return np.stack([np.ravel(x.sum(axis=0)), np.ravel(x.multiply(x).sum(axis=0))]).astype(np.float64)

        mean, square = reduce(np.add, self.map_x(sums, split)) / len(self.rows(split))
        return mean, square - mean**2

    @cached_property
    def n_entries(self) -> int:
        """Stored values of all cells in the chosen genes: what reading them whole costs, eight bytes each."""
        with open_store(self.info.folder) as store:
            return int(store["counts"]["data"].shape[0])

    def values_at(self, rows: np.ndarray) -> sp.csr_matrix:
        """Return counts (or the file's values) of some cells, (cell, gene), in the order of ``rows``; none are kept."""
        if "_values" in self.__dict__:
            return self._values[rows]
        if len(rows) == 0:
            return sp.csr_matrix(np.zeros((0, self.info.n_genes), dtype=np.float32))
        with open_store(self.info.folder) as store:
            return read_scattered(store["counts"], self._indptr, np.asarray(rows, dtype=np.int64))

    @cached_property
    def _indptr(self) -> np.ndarray:
        with open_store(self.info.folder) as store:
            return read_indptr(store, "counts")

    def x_at(self, rows: np.ndarray) -> sp.csr_matrix:
        """Return log-normalised expression of some cells, (cell, gene), in the order of ``rows``; nothing is kept."""
        return self.as_x(self.values_at(rows))

    def x_blocks(self, size: int) -> Iterator[tuple[slice, sp.csr_matrix]]:
        """Yield log-normalised expression of all cells, ``size`` of them at a time, from disk; nothing is kept."""
        with open_store(self.info.folder) as store:
            for start, values in read_in_blocks(store, "counts", size):
                yield slice(start, start + values.shape[0]), self.as_x(values)

    def as_x(self, values: sp.csr_matrix) -> sp.csr_matrix:
        """Turn stored values into log-normalised expression: normalised where they are counts."""
        return self.normalise(values) if self.info.has_counts else values

    def normalise(self, counts: Any) -> Any:
        """Turn counts (cell, chosen gene) into x = log1p(counts / library * target_sum).

        Parameters
        ----------
        counts
            Sparse or dense, real or generated; the library is the total over the chosen genes.

        Returns
        -------
        scipy.sparse.csr_matrix | np.ndarray
            As given, float32. A cell without counts stays zero.
        """
        self._need_counts()
        if counts.shape[1] != self.info.n_genes:
            raise InputError(f"The counts have {counts.shape[1]} genes; this data set has {self.info.n_genes}.")
        assert self.info.target_sum is not None
        library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()  # (cell,)
        scale = self.info.target_sum / np.where(library > 0, library, 1.0)
        if sp.issparse(counts):
            matrix: Any = counts
            x = matrix.tocsr().astype(np.float32, copy=True)
            x.data = np.log1p(x.data * np.repeat(scale, np.diff(x.indptr))).astype(np.float32)
            return x
        return np.log1p(np.asarray(counts) * scale[:, None]).astype(np.float32)

    def gene_values(self, name: str, *, as_models: bool = False) -> np.ndarray:
        """Return log-normalised values of any gene of the file, chosen or not, (cell,).

        Parameters
        ----------
        name
            Of the gene.
        as_models
            As models see it, `normalise`: to stand beside generated cells, which hold the chosen genes alone. Else as
            readers are shown it, `for_display`.

        Raises
        ------
        InputError
            When the file has no such gene; names that look like it are proposed.
        """
        position = self._positions.get(name)
        if position is None:
            upper = {gene.upper(): gene for gene in self.all_genes}
            close = [upper[key] for key in difflib.get_close_matches(name.upper(), upper, n=3, cutoff=0.6)]
            hint = f"; did you mean {', '.join(close)}?" if close else "."
            raise InputError(f"The data set {self.info.name!r} has no gene {name!r}{hint}")
        with open_store(self.info.folder) as store:
            values = read_genes(store, np.array([position]))
        if as_models and self.info.has_counts:
            scale = self.info.target_sum / self.obs["library"].to_numpy()
            return np.log1p(values.toarray().ravel() * scale).astype(np.float32)
        return self.for_display(values).toarray().ravel()

    def for_display(self, values: Any, rows: np.ndarray | None = None) -> Any:
        """Turn counts into expression as readers are shown it: log1p of counts per 10,000 of *all* genes of the cell.

        What models see, `normalise`, divides by the total of the chosen genes: between cell types that moves values by
        up to 0.7. Values of a file without counts stay as they are.

        Parameters
        ----------
        values
            Counts of any genes, sparse or dense (cell, gene).
        rows
            Which cells of the data set these are, (cell,); None: all.

        Returns
        -------
        scipy.sparse.csr_matrix | scipy.sparse.csc_matrix | np.ndarray
            float32 (cell, gene), as given.
        """
        if not self.info.has_counts:
            return values.astype(np.float32)
        total = self.obs["qc_total"].to_numpy(dtype=np.float64)
        scale = DISPLAY_TOTAL / np.maximum(total if rows is None else total[rows], 1.0)  # (cell,)
        if not sp.issparse(values):
            return np.log1p(np.asarray(values) * scale[:, None]).astype(np.float32)
        given: Any = values
        matrix = given.astype(np.float32)
        of_cell = matrix.indices if matrix.format == "csc" else np.repeat(np.arange(len(scale)), np.diff(matrix.indptr))
        matrix.data = np.log1p(matrix.data * scale[of_cell]).astype(np.float32)
        return matrix

    def every_gene_at(
        self, rows: np.ndarray, *, progress: Callable[[float], None] = lambda share: None
    ) -> sp.csc_matrix:
        """Return counts (or the file's values) of every gene of the file in some cells, CSC (cell, all gene).

        Parameters
        ----------
        rows
            Ascending, (cell,).
        progress
            Told the share that is read; may raise to stop.
        """
        positions, parts = np.arange(len(self.all_genes)), []
        with open_store(self.info.folder) as store:
            for group, first, n_cells in gene_blocks(store):
                low, high = np.searchsorted(rows, [first, first + n_cells])
                if low < high:
                    block = read_block(group, n_cells, positions).astype(np.float32)
                    parts.append(block if high - low == n_cells else block.tocsr()[rows[low:high] - first])
                progress((first + n_cells) / self.info.n_cells)
        return sp.csc_matrix(parts[0] if len(parts) == 1 else sp.vstack(parts))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {gene: position for position, gene in enumerate(self.all_genes)}

    # ----------------------------------------------------------------------------------------------------- labels

    def vocabulary(self, column: str) -> tuple[str, ...]:
        """Return the sorted levels of an obs column over training cells; a model knows no others.

        Raises
        ------
        InputError
            When there is no such column.
        """
        levels = self._column(column).iloc[self.rows("train")].dropna().astype(str).unique()
        return tuple(sorted(levels))

    def codes(self, column: str, split: str | None = None) -> np.ndarray:
        """Return the position of each cell's level in ``vocabulary(column)``: int64 (cell,), -1 for no label."""
        position = {level: code for code, level in enumerate(self.vocabulary(column))}
        values = self._column(column).iloc[self.rows(split)]
        places, levels = values.factorize()  # level by level, not cell by cell; -1 stays -1
        known = np.array([*(position.get(str(level), -1) for level in levels), -1], dtype=np.int64)
        return known[places]

    def _column(self, column: str) -> pd.Series:
        if column not in self.obs.columns:
            raise InputError(
                f"The data set {self.info.name!r} has no obs column {column!r}; "
                f"it has {', '.join(map(str, self.obs.columns))}."
            )
        return self.obs[column]

    # ---------------------------------------------------------------------------------------------------- pictures

    @cached_property
    def pca(self) -> PCA:
        """Principal components of the training cells' x."""
        with open_store(self.info.folder) as store:
            group = store["pca"]
            return PCA(group["mean"][:], group["components"][:], group["explained"][:])

    def project(self, x: Any) -> np.ndarray:
        """Project x (cell, gene) on the training cells' components: (x - train mean) @ components.T, (cell, pc)."""
        return self.pca.project(x)

    @cached_property
    def pcs(self) -> np.ndarray:
        """Principal component scores of all cells (cell, pc)."""
        with open_store(self.info.folder) as store:
            return store["pcs"][:]

    def pcs_at(self, rows: np.ndarray) -> np.ndarray:
        """Principal component scores of some cells (ascending ``rows``), (cell, pc)."""
        if "pcs" in self.__dict__:
            return self.pcs[rows]
        with open_store(self.info.folder) as store:
            stored = store["pcs"]
            out = np.zeros((len(rows), stored.shape[1]), dtype=np.float32)
            for start in range(0, self.info.n_cells, _READ_PCS):
                low, high = np.searchsorted(rows, [start, start + _READ_PCS])
                if low < high:
                    out[low:high] = stored[start : start + _READ_PCS][rows[low:high] - start]
            return out

    @cached_property
    def umap(self) -> np.ndarray:
        """UMAP coordinates of all cells (cell, 2); training cells (or a sample of them) were fitted, the others placed.

        Raises
        ------
        InputError
            When the data set has none (yet); see ``draw_umap``.
        """
        self._need_umap()
        with open_umap(self.info.folder) as stored:
            return stored["all"][:]

    def transform_umap(self, pcs: np.ndarray) -> np.ndarray:
        """Place cells given by their scores (cell, pc) in the UMAP of this data set: (cell, 2).

        The first call in a process compiles for some seconds; see ``warm_umap``.
        """
        self._need_umap()
        if pcs.ndim != 2 or pcs.shape[1] != len(self.pca.components):
            raise InputError(f"Cells to be placed need {len(self.pca.components)} components each; got {pcs.shape}.")
        if len(pcs) == 0:
            return np.zeros((0, 2), dtype=np.float32)
        with open_umap(self.info.folder) as stored:
            fitted = "rows" in stored
        if not fitted:
            return np.ascontiguousarray(pcs[:, :2], dtype=np.float32)
        from genediff.data.cells.umap_space import place

        return place(self._umap_model(), pcs)

    def warm_umap(self) -> None:
        """Compile and rebuild what ``transform_umap`` needs; meant for a background thread."""
        self.transform_umap(self.pcs_at(np.arange(2)) + 1e-3)

    def _umap_model(self) -> Any:
        from genediff.data.cells.umap_space import UmapSpace, rebuild

        key = f"{self.info.folder}:{self.info.content_hash}"
        with _umap_lock:
            if key not in _umap_models:
                with open_umap(self.info.folder) as group:
                    space = UmapSpace(group["rows"][:], group["coordinates"][:], int(group.attrs["n_neighbors"]),
                                      int(group.attrs["seed"]))  # fmt: skip
                _umap_models[key] = rebuild(space, self.pcs_at(space.rows))
            return _umap_models[key]

    # ---------------------------------------------------------------------------------------------------- helpers

    @property
    def content_hash(self) -> str:
        """Hash of the imported file and of every choice made at import."""
        return self.info.content_hash

    def _better_left(self, split: str | None) -> bool:
        """Whether a part is read alone, because all cells would fill much memory for good."""
        return split is not None and self.left_on_disk

    def _part(self, matrix: sp.csr_matrix, split: str | None) -> sp.csr_matrix:
        return matrix if split is None else matrix[self.rows(split)]

    def _need_counts(self) -> None:
        if not self.info.has_counts:
            raise InputError(
                f"The data set {self.info.name!r} has no raw counts, so nothing that models or generates counts "
                "can be done with it; import a file that still holds them."
            )

    def _need_umap(self) -> None:
        if not self.info.has_umap:
            raise InputError(
                f"The data set {self.info.name!r} has no UMAP yet; draw it with: python -m genediff map {self.info.id}"
            )


class CellRows:
    """Some cells of a data set (cell, gene): counts, or log-normalised values; what is asked for is read.

    Parameters
    ----------
    rows
        Positions in the data set, (cell,).
    as_x
        Whether counts are log-normalised.
    genes
        Which genes are let through, bool (gene,); the others read as zero. All unless given.
    """

    def __init__(
        self, dataset: Dataset, rows: np.ndarray, *, as_x: bool = False, genes: np.ndarray | None = None
    ) -> None:
        self.shape = (len(rows), dataset.info.n_genes)
        self._dataset, self._rows, self._as_x, self._genes = dataset, rows, as_x, genes

    def __getitem__(self, places: np.ndarray | slice | int) -> sp.csr_matrix:
        """Return some of these cells, in the order asked for."""
        rows = np.atleast_1d(self._rows[places])
        values = self._dataset.x_at(rows) if self._as_x else self._dataset.values_at(rows)
        return values if self._genes is None else sp.csr_matrix(values @ sp.diags_array(self._genes.astype(np.float32)))

    def normalised(self) -> CellRows:
        """Return the same cells log-normalised."""
        return CellRows(self._dataset, self._rows, as_x=True, genes=self._genes)

    def only(self, genes: np.ndarray) -> CellRows:
        """Return the same cells with some genes alone, bool (gene,)."""
        return CellRows(self._dataset, self._rows, as_x=self._as_x, genes=genes)
