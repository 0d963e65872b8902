"""One h5ad or zarr file of cells, written block by block: AnnData's own layout, and memory for a block at a time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.core.disk_errors import draft
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from scipy import sparse

    from genediff.data.cells.dataset import Dataset

    Block = tuple[sparse.csr_matrix, pd.DataFrame]

CHUNK = 1 << 16
CELLS = 20_000
"""Cells of a data set that are read and written at a time."""
SUFFIXES = (".h5ad", ".zarr")


def write_cells(
    path: Path,
    blocks: Iterable[Block],
    *,
    genes: Sequence[str],
    uns: Mapping[str, Any],
    after_block: Callable[[int], None] | None = None,
) -> None:
    """Write blocks of cells to a file, or a zarr folder, that is there only once it is whole.

    Parameters
    ----------
    path
        Ends in .h5ad or .zarr; one that is there is replaced.
    blocks
        Values (cell, gene) and obs of some cells each; the same columns, and categories, in all. At least one.
    genes
        Names, in the order of the columns.
    uns
        What else the file says.
    after_block
        Called with the number of cells written so far; what it raises ends the writing, and nothing is left.

    Raises
    ------
    InputError
        When the name has another ending.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"Cells are written as .h5ad or .zarr, not as '{path.name}'.")
    with draft(path) as partial:
        _fill(partial, path.suffix, blocks, genes, uns, after_block or (lambda done: None))


def write_dataset(path: Path, dataset: Dataset) -> None:
    """Write a data set's cells and chosen genes as h5ad, a block of cells at a time: values, obs, components, UMAP.

    Raises
    ------
    InputError
        When the name has another ending.
    """
    import h5py
    from anndata.io import write_elem

    from genediff.data.cells.store import open_store, read_in_blocks

    uns = {"genediff": {"dataset_id": dataset.info.id, "content_hash": dataset.content_hash}}
    with draft(path) as partial, open_store(dataset.info.folder) as store:
        blocks = ((values, dataset.obs.iloc[start : start + values.shape[0]])
                  for start, values in read_in_blocks(store, "counts", CELLS))  # fmt: skip
        _fill(partial, path.suffix, blocks, dataset.genes, uns, lambda done: None)
        with h5py.File(partial, "a") as file:
            places = {"X_umap": dataset.umap} if dataset.info.has_umap else {}
            write_elem(file, "obsm", {"X_pca": dataset.pcs, **places})


def _fill(
    path: Path,
    suffix: str,
    blocks: Iterable[Block],
    genes: Sequence[str],
    uns: Mapping[str, Any],
    after_block: Callable[[int], None],
) -> None:
    from anndata.io import sparse_dataset, write_elem

    with _opened(path, suffix) as root:
        root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(root, "var", pd.DataFrame(index=pd.Index(list(genes), dtype=object)))
        write_elem(root, "uns", dict(uns))
        done = 0
        for values, obs in blocks:
            if done == 0:
                packed: dict[str, Any] = {"chunks": (CHUNK,)}
                if suffix == ".h5ad":
                    packed |= {"compression": "gzip", "compression_opts": 1, "shuffle": True}
                growing = {"maxshape": (None,)} if suffix == ".h5ad" else {}
                write_elem(root, "X", values, dataset_kwargs={**packed, "indptr_dtype": np.dtype(np.int64)})
                write_elem(root, "obs", obs, dataset_kwargs={"chunks": (CHUNK,), **growing})
            else:
                sparse_dataset(root["X"]).append(values)
                _append_obs(root["obs"], obs)
            done += len(obs)
            after_block(done)


def _append_obs(group: Any, obs: pd.DataFrame) -> None:
    _append(group[group.attrs["_index"]], obs.index.to_numpy(dtype=object))
    for name in obs:
        column = obs[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            _append(group[name]["codes"], column.cat.codes.to_numpy())
        else:
            _append(group[name], column.to_numpy())


def _append(array: Any, values: np.ndarray) -> None:
    n = array.shape[0]
    array.resize((n + len(values),))
    array[n:] = values


def _opened(path: Path, suffix: str) -> Any:
    if suffix == ".h5ad":
        import h5py

        return h5py.File(path, "w")

    import zarr

    return contextlib.nullcontext(zarr.open_group(path, mode="w", zarr_format=2))
