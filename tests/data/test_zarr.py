"""A zarr folder is the same data set as the h5ad of the same cells, or refused in one sentence."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data import check_path, diagnose, import_cells

from .conftest import nothing_left, quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad

    from genediff.workspace import Workspace


def write_zarr(cells: ad.AnnData, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata announces the next version of the format
        cells.write_zarr(path)
    return path


@pytest.mark.parametrize("layout", [sp.csr_matrix, sp.csc_matrix, np.asarray], ids=["csr", "csc", "dense"])
def test_a_zarr_folder_is_the_same_data_set(
    layout: Callable, workspace: Workspace, written: Callable[..., Path], tmp_path: Path
) -> None:
    cells = small_cells()
    cells.layers["counts"] = layout(cells.X.toarray())
    cells.X = sp.csr_matrix(np.log1p(cells.X.toarray()) / 3)
    ours = import_cells(write_zarr(cells, tmp_path / "cells.zarr"), quick_config(), workspace.datasets)
    theirs = import_cells(written(cells), quick_config(), workspace.datasets)
    assert ours.info.id != theirs.info.id  # other bytes
    assert ours.all_genes == theirs.all_genes and ours.genes == theirs.genes
    assert ours.info.notes == theirs.info.notes
    assert (ours.counts() != theirs.counts()).nnz == 0
    assert ours.obs.equals(theirs.obs)
    np.testing.assert_array_equal(ours.pcs, theirs.pcs)
    np.testing.assert_array_equal(ours.gene_values("GENE50"), theirs.gene_values("GENE50"))


def test_the_doctor_and_the_path_check_know_it(workspace: Workspace, tmp_path: Path) -> None:
    path = write_zarr(small_cells(), workspace.uploads / "cells.zarr")
    assert check_path(path, workspace.uploads) == path.resolve()
    found = diagnose(path)
    assert found.format == "zarr" and found.counts == "X" and found.n_cells == 240
    assert found.file_bytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_the_same_folder_is_imported_once_and_a_changed_one_again(workspace: Workspace, tmp_path: Path) -> None:
    cells = small_cells()
    first = import_cells(write_zarr(cells, tmp_path / "a.zarr"), quick_config(), workspace.datasets)
    again = import_cells(tmp_path / "a.zarr", quick_config(), workspace.datasets)
    assert first.info.id == again.info.id
    cells.X.data[0] += 1
    other = import_cells(write_zarr(cells, tmp_path / "b.zarr"), quick_config(), workspace.datasets)
    assert other.info.id != first.info.id


@pytest.mark.parametrize("name", ["data", "indices"])
def test_a_folder_that_lacks_parts_is_refused(name: str, workspace: Workspace, tmp_path: Path) -> None:
    """Zarr itself reads missing parts as zeros."""
    path = write_zarr(small_cells(), tmp_path / "cells.zarr")
    chunks = [
        file for file in (path / "X" / name).rglob("*") if file.is_file() and not file.name.startswith((".", "z"))
    ]
    assert chunks
    chunks[0].unlink()
    with pytest.raises(InputError, match=f"1 of the 1 parts of X/{name} are missing"):
        import_cells(path, quick_config(), workspace.datasets)
    assert nothing_left(workspace)


def test_other_folders_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="or of a .zarr folder"):
        import_cells(tmp_path / "plain", quick_config(), workspace.datasets)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match=r"empty\.zarr is no zarr folder that can be read"):
        import_cells(tmp_path / "empty.zarr", quick_config(), workspace.datasets)
    import zarr

    zarr.open_group(tmp_path / "other.zarr", mode="w")
    with pytest.raises(InputError, match="no obs and var"):
        import_cells(tmp_path / "other.zarr", quick_config(), workspace.datasets)
