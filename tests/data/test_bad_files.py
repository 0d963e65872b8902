"""Bad files: each is one clear sentence, never a traceback, and nothing of it stays in the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data import diagnose, import_cells, require_usable
from genediff.data.importing.doctor import examine

from .conftest import nothing_left, quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.workspace import Workspace


def _with_values(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        cells = small_cells()
        cells.X = sp.csr_matrix(edit(cells.X.toarray()))
        cells.write_h5ad(path)

    return write


def _set(value: float, at: tuple[int, int] = (200, 50)) -> Callable[[np.ndarray], np.ndarray]:
    def edit(dense: np.ndarray) -> np.ndarray:
        dense[at] = value
        return dense

    return edit


def _truncated(path: Path) -> None:
    small_cells(2000, 300).write_h5ad(path)
    path.write_bytes(path.read_bytes()[:200_000])


def _one_gene(path: Path) -> None:
    small_cells()[:, [2]].copy().write_h5ad(path)


def _no_cells(path: Path) -> None:
    small_cells()[[]].copy().write_h5ad(path)


def _other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["weights"] = np.arange(10)


def _index_out_of_bounds(path: Path) -> None:
    small_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        file["X/indices"][100] = 4000


def _wrong_indptr(path: Path) -> None:
    small_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        file["X/indptr"][5] = 10**6


def _obs_of_other_length(path: Path) -> None:
    small_cells().write_h5ad(path)
    other = small_cells(90)
    with h5py.File(path, "a") as file:
        del file["obs"]
        ad.io.write_elem(file, "obs", other.obs)


def _bad_layer(path: Path) -> None:
    """The layer that ought to hold counts has a NaN, and X is log-normalised: fall-backs would lose the counts."""
    cells = small_cells()
    cells.layers["counts"] = cells.X.toarray()
    cells.layers["counts"][3, 3] = np.nan
    cells.X = cells.X.log1p()
    cells.write_h5ad(path)


def _no_matrix(path: Path) -> None:
    ad.AnnData(obs=pd.DataFrame(index=list("abc")), var=pd.DataFrame(index=list("xyz"))).write_h5ad(path)


BAD = {
    "not HDF5": ("cells.h5ad", lambda path: path.write_text("cells, but not as we know them"), "not an HDF5 file"),
    "truncated": ("cells.h5ad", _truncated, "cut short"),
    "0 bytes": ("cells.h5ad", lambda path: path.write_bytes(b""), "empty"),
    "0-byte table": ("cells.csv", lambda path: path.write_bytes(b""), "empty"),
    "one gene": ("cells.h5ad", _one_gene, "only 1 gene"),
    "no cells": ("cells.h5ad", _no_cells, "0 cells"),
    "all zeros": ("cells.h5ad", _with_values(np.zeros_like), "nothing but zeros"),
    "NaN among counts": ("cells.h5ad", _with_values(_set(np.nan)), r"not numbers \(NaN"),
    "infinite": ("cells.h5ad", _with_values(_set(np.inf)), "not numbers"),
    "NaN among fractions": ("cells.h5ad", _with_values(lambda dense: _set(np.nan)(np.log1p(dense))), "not numbers"),
    "negative counts": ("cells.h5ad", _with_values(_set(-3)), "negative values .the lowest is -3"),
    "NaN in the layer counts": ("cells.h5ad", _bad_layer, "layers/counts has 1 values that are not numbers"),
    "another HDF5": ("cells.h5ad", _other_hdf5, "neither an .h5ad nor a 10x"),
    "another HDF5 as 10x": ("cells.h5", _other_hdf5, "neither an .h5ad nor a 10x"),
    "index out of bounds": ("cells.h5ad", _index_out_of_bounds, "damaged"),
    "indptr that jumps": ("cells.h5ad", _wrong_indptr, "damaged"),
    "obs of another length": ("cells.h5ad", _obs_of_other_length, "damaged: X has 240 x 60 values for 90 cells"),
    "no matrix": ("cells.h5ad", _no_matrix, "no matrix"),
    "words in a table": (
        "cells.csv",
        lambda path: path.write_text("cell,A,B\nx,some,high\ny,few,low\n"),
        "only numbers",
    ),
    "binary table": ("cells.tsv", lambda path: path.write_bytes(bytes(range(256)) * 9), "only numbers"),
    "a table of words": (
        "cells.csv",
        lambda path: path.write_text("Dear all,\nthe cells follow\n"),
        "holds words .'cells'",
    ),
    "another format": ("cells.doc", lambda path: path.write_text("x"), "no format that is read here"),
    "an R object": ("cells.rds", lambda path: path.write_text("x"), "an R object; write it as .h5ad"),
    "a folder": ("cells.h5ad", lambda path: path.mkdir(), "is a folder"),
    "nothing there": ("cells.h5ad", lambda path: None, "no file cells.h5ad"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, tmp_path: Path, workspace: Workspace) -> None:
    name, make, sentence = BAD[case]
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError, match=sentence) as caught:
        import_cells(path, quick_config(), workspace.datasets)
    _one_sentence(str(caught.value))
    assert nothing_left(workspace)
    with pytest.raises(InputError, match=sentence) as caught:
        require_usable(diagnose(path))
    _one_sentence(str(caught.value))


def _one_sentence(text: str) -> None:
    assert text[0].isupper() or text.startswith("cells"), text
    assert text.endswith(".") and "\n" not in text and "Error" not in text
    assert len(text) < 260


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [(_set(np.nan, (230, 3)), "not numbers"), (_set(-1, (230, 3)), "negative"), (_set(1.5, (230, 3)), "fractions")],
    ids=["NaN", "negative", "fraction"],
)
def test_what_the_sample_missed_is_found_by_the_import(
    edit: Callable, sentence: str, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor looks at a sample of large files; the import must still refuse what lies between."""
    monkeypatch.setattr("genediff.data.matrices.sparse_matrix.TILE_ENTRIES", 300)
    monkeypatch.setattr("genediff.data.importing.value_kind._SAMPLED_TILES", 2)
    path = tmp_path / "cells.h5ad"

    def poison(dense: np.ndarray) -> np.ndarray:
        return np.vstack([edit(dense), small_cells(seed=1).X.toarray()])

    cells = ad.concat([small_cells(), small_cells(seed=1)], index_unique="-")
    cells.X = sp.csr_matrix(poison(small_cells().X.toarray()))
    cells.write_h5ad(path)
    found = examine(path)  # in this process, where tiles are small
    assert found.usable and not found.checked_all
    with pytest.raises(InputError, match=sentence):
        import_cells(path, quick_config(), workspace.datasets)
    assert nothing_left(workspace)


def test_a_chunk_that_cannot_be_read_is_damage(tmp_path: Path, workspace: Workspace) -> None:
    """The file opens, its tables are whole, but a compressed chunk of the matrix is garbage."""
    path = tmp_path / "cells.h5ad"
    small_cells(2000, 300).write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(2)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(raw)
    with pytest.raises(InputError, match="damaged"):
        import_cells(path, quick_config(), workspace.datasets)
    assert nothing_left(workspace)


def test_a_label_with_one_cell_is_said_and_trained_on(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    types = cells.obs["cell_type"].astype(str)
    types.iloc[0] = "unicorn"
    cells.obs["cell_type"] = pd.Categorical(types)
    path = written(cells)
    assert any("unicorn" in problem.text and problem.severity == "warning" for problem in diagnose(path).problems)
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert "unicorn" in dataset.vocabulary("cell_type")
    assert dataset.obs["split"].iloc[0] == "train"
    assert any("unicorn" in note for note in dataset.info.notes)


def test_labels_of_one_cell_each_are_refused(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells(30)
    cells.obs["name"] = [f"cell {number // 2}" for number in range(30)]
    with pytest.raises(InputError, match="fewer than 3 cells"):
        import_cells(written(cells), quick_config(label="name"), workspace.datasets)
    assert nothing_left(workspace)


def test_a_full_disk_is_one_sentence(
    workspace: Workspace, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("genediff.data.importing.build.write_cells", full)
    with pytest.raises(InputError, match="The disk is full"):
        import_cells(written(small_cells()), quick_config(), workspace.datasets)
    assert nothing_left(workspace)
