"""Files made to read other files, or to fill the memory: refused in a sentence before anything of that is read."""

from __future__ import annotations

import gzip
import json
import resource
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.data import diagnose, import_cells

from .conftest import nothing_left, quick_config, small_cells
from .test_zarr import write_zarr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.workspace import Workspace

N, G = 240, 60


def _replaced(file: Any, key: str, **how: Any) -> Any:
    del file[key]
    return file.create_dataset(key, **how)


def _secret(path: Path) -> Path:
    secret = path.parent / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["m"] = np.ones((N, G), np.float32)
        file["names"] = np.arange(N).astype("S")
    return secret


def _external_link(file: Any, path: Path) -> None:
    del file["X"]
    file["X"] = h5py.ExternalLink(str(_secret(path)), "/m")


def _soft_link_over_an_external_one(file: Any, path: Path) -> None:
    file["away"] = h5py.ExternalLink(str(_secret(path)), "/")
    del file["X"]
    file["X"] = h5py.SoftLink("/away/m")


def _external_names(file: Any, path: Path) -> None:
    del file["obs/_index"]
    file["obs/_index"] = h5py.ExternalLink(str(_secret(path)), "/names")


def _external_group(file: Any, path: Path) -> None:
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(_secret(path)), "/")


def _external_truth(file: Any, path: Path) -> None:
    file["uns/simulation/genes"] = h5py.ExternalLink(str(_secret(path)), "/names")


def _virtual(file: Any, path: Path) -> None:
    layout = h5py.VirtualLayout(shape=(N, G), dtype="f4")
    layout[:] = h5py.VirtualSource(str(_secret(path)), "m", shape=(N, G))
    del file["X"]
    file.create_virtual_dataset("X", layout)


def _external_storage(file: Any, path: Path) -> None:
    storage = path.parent / "bytes"
    storage.write_bytes(bytes(N * G))
    _replaced(file, "X", shape=(N, G), dtype="u1", external=[(str(storage), 0, N * G)])


@pytest.mark.parametrize(
    "edit",
    [_external_link, _soft_link_over_an_external_one, _external_names, _external_group, _virtual, _external_storage],
    ids=lambda edit: edit.__name__,
)
def test_nothing_is_read_from_other_files(edit: Callable, tmp_path: Path, workspace: Workspace) -> None:
    """A file in an allowed folder brought bytes from anywhere as counts: links, virtual data sets, raw storage."""
    path = tmp_path / "cells.h5ad"
    small_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        edit(file, path)
    _refused(path, workspace, "from another file")


def test_the_planted_truth_is_not_copied_from_another_file(tmp_path: Path, workspace: Workspace) -> None:
    path = tmp_path / "cells.h5ad"
    small_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        _external_truth(file, path)
    with pytest.raises(InputError, match="from another file"):
        import_cells(path, quick_config(), workspace.datasets)
    assert nothing_left(workspace)


@pytest.mark.parametrize("what", ["a part", "a folder"])
def test_a_zarr_folder_holds_no_links_out_of_it(what: str, tmp_path: Path, workspace: Workspace) -> None:
    path, outside = tmp_path / "cells.zarr", tmp_path / "outside"
    write_zarr(small_cells(), path)
    inner = path / "X" if what == "a folder" else next((path / "X/data").rglob("0"))
    inner.rename(outside)
    inner.symlink_to(outside)
    _refused(path, workspace, "from outside the folder")


def _giant_chunk(file: Any) -> None:
    _replaced(file, "X", shape=(N, G), maxshape=(None, None), chunks=(N, 10_000_000), dtype="f4", compression="gzip")


def _billions_of_pointers(file: Any) -> None:
    _replaced(file, "X/indptr", shape=(2_000_000_000,), dtype="i8", chunks=(1_000_000,), compression="gzip")


def _billions_of_values(file: Any) -> None:
    n = 4_000_000_000
    for key, kind in (("X/data", "f4"), ("X/indices", "i4")):
        _replaced(file, key, shape=(n,), dtype=kind, chunks=(1_000_000,), compression="gzip")
    pointers = file["X/indptr"][:].astype(np.int64)
    pointers[-1] = n
    _replaced(file, "X/indptr", data=pointers)


def _millions_of_names(file: Any) -> None:
    _replaced(file, "obs/_index", shape=(500_000_000,), dtype=h5py.string_dtype(), chunks=(1_000_000,))


def _billions_of_levels(file: Any) -> None:
    key = "obs/cell_type/categories"
    _replaced(file, key, shape=(900_000_000,), dtype=h5py.string_dtype(), chunks=(1_000_000,))


def _inflating(n_zeros: int) -> bytes:
    packer = zlib.compressobj(6)
    parts = [packer.compress(bytes(1 << 24)) for _ in range(n_zeros >> 24)]
    return b"".join([*parts, packer.flush()])


def _inflating_values(file: Any) -> None:
    n = file["X/data"].shape[0]
    data = _replaced(file, "X/data", shape=(n,), dtype="f4", chunks=(n,), compression="gzip")
    data.id.write_direct_chunk((0,), _inflating(600_000_000))


def _inflating_dense(file: Any) -> None:
    data = _replaced(file, "X", shape=(N, G), dtype="f4", chunks=(N, G), compression="gzip")
    data.id.write_direct_chunk((0, 0), _inflating(600_000_000))


def _inflating_names(file: Any) -> None:
    data = _replaced(file, "obs/_index", shape=(N,), dtype="S8", chunks=(N,), compression="gzip")
    data.id.write_direct_chunk((0,), _inflating(600_000_000))


@pytest.mark.parametrize(
    "edit",
    [
        _giant_chunk,
        _billions_of_pointers,
        _billions_of_values,
        _millions_of_names,
        _billions_of_levels,
        _inflating_values,
        _inflating_dense,
        _inflating_names,
    ],
    ids=lambda edit: edit.__name__,
)
def test_small_files_that_declare_or_inflate_to_gigabytes(edit: Callable, tmp_path: Path, workspace: Workspace) -> None:
    """A few kilobytes took 3.5 GB or minutes. The import, which is in this process, must not grow either."""
    path = tmp_path / "cells.h5ad"
    small_cells().write_h5ad(path)
    with h5py.File(path, "a") as file:
        edit(file)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _refused(path, workspace, "damaged|chunks of")
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 300_000_000


def test_a_table_that_unpacks_to_gigabytes(tmp_path: Path, workspace: Workspace) -> None:
    path = tmp_path / "cells.csv.gz"
    line = ("cell" + ",0" * G + "\n").encode() * 20_000
    with gzip.open(path, "wb", 6) as file:
        file.write((",".join(["", *(f"GENE{n}" for n in range(G))]) + "\n").encode())
        for _ in range(60):
            file.write(line)
    _refused(path, workspace, "too large for a table of text")


def test_a_zarr_array_of_billions(tmp_path: Path, workspace: Workspace) -> None:
    path = tmp_path / "cells.zarr"
    write_zarr(small_cells(), path)
    for place in ("X/indptr", "obs/score"):
        whole = {name: (path / place / name).read_text() for name in (".zarray", "zarr.json")
                 if (path / place / name).exists()}  # fmt: skip
        (path / ".zmetadata").unlink(missing_ok=True)
        for name, text in whole.items():
            (path / place / name).write_text(json.dumps({**json.loads(text), "shape": [3_000_000_000]}))
        _refused(path, workspace, "damaged")
        for name, text in whole.items():
            (path / place / name).write_text(text)


def _refused(path: Path, workspace: Workspace, sentence: str) -> None:
    for use in (lambda: diagnose(path), lambda: import_cells(path, quick_config(), workspace.datasets)):
        with pytest.raises(InputError, match=sentence) as caught:
            use()
        text = str(caught.value)
        assert path.name in text and text.endswith(".") and "\n" not in text
    assert nothing_left(workspace)
