"""Files of cells with random damage: each must be read rightly or refused in one sentence, and never end a process.

    python benchmarks/fuzz_files.py [N] [FIRST]

Every seed makes one file out of a small valid one (h5ad, zarr, 10x .h5, loom, table, archive of a table): bytes are
flipped, cut off or overwritten, or attributes, types and lengths are changed. It prints what went wrong, and how many
files ended how.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data import diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS, N_GENES = 60, 40
KINDS = ("h5ad", "gzip.h5ad", "dense.h5ad", "zarr", "10x.h5", "loom", "csv", "csv.gz")


def write_valid(kind: str, folder: Path) -> Path:
    """Write a small valid file of a kind."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 1, N_GENES), (N_CELLS, N_GENES)).astype(np.float32)
    counts[:, 0] += 1
    genes = ["CD3D", "LYZ", "MT-CO1", *(f"GENE{number}" for number in range(N_GENES - 3))]
    cells = [f"cell{number}" for number in range(N_CELLS)]
    path = folder / f"cells.{kind.split('.', 1)[-1] if kind.count('.') and 'csv' not in kind else kind}"
    if "csv" in kind:
        pd.DataFrame(counts.astype(int), cells, genes).to_csv(path)
        return path
    if kind == "10x.h5":
        _write_10x(path, counts, genes, cells)
        return path
    if kind == "loom":
        _write_loom(path, counts, genes, cells)
        return path
    obs = pd.DataFrame({"cell_type": pd.Categorical(np.resize(["B", "T"], N_CELLS)), "n": range(N_CELLS)}, index=cells)
    dense = kind == "dense.h5ad"
    made = ad.AnnData(counts if dense else sp.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes))
    made.layers["counts"] = made.X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "zarr":
            made.write_zarr(path)
        else:
            made.write_h5ad(path, compression=None if kind == "h5ad" else "gzip")
    return path


def _write_10x(path: Path, counts: np.ndarray, genes: list[str], cells: list[str]) -> None:
    values = sp.csr_matrix(counts.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(values, part)
        group["shape"] = np.array([N_GENES, N_CELLS])
        group["barcodes"] = np.array(cells, "S")
        for part, names in (("id", genes), ("name", genes), ("feature_type", ["Gene Expression"] * N_GENES)):
            group[f"features/{part}"] = np.array(names, "S")


def _write_loom(path: Path, counts: np.ndarray, genes: list[str], cells: list[str]) -> None:
    with h5py.File(path, "w") as file:
        file["matrix"] = counts.T
        file["row_attrs/Gene"] = np.array(genes, "S")
        file["col_attrs/CellID"] = np.array(cells, "S")


def damage(path: Path, seed: int) -> str:
    """Damage a file in one of several ways; returns which."""
    rng = np.random.default_rng(seed)
    target = path
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        target = files[rng.integers(len(files))]
    edits = ["edit"] if path.suffix in (".h5", ".h5ad", ".loom") else []
    ways = ["flip", "cut", "zero", "noise", *edits]
    way = ways[rng.integers(len(ways))]
    if way == "edit":
        return f"edit {_edit(path, rng)}"
    content = bytearray(target.read_bytes())
    n = len(content)
    if not n:
        return "empty"
    if way == "flip":
        for place in rng.integers(0, n, rng.integers(1, 40)):
            content[place] ^= 1 << rng.integers(8)
    elif way == "cut":
        del content[rng.integers(n) :]
    else:
        start = int(rng.integers(n))
        length = int(min(n - start, rng.integers(1, 400)))
        content[start : start + length] = bytes(length) if way == "zero" else rng.bytes(length)
    target.write_bytes(content)
    return f"{way} {target.name}"


def _edit(path: Path, rng: np.random.Generator) -> str:
    """Change an attribute, a type, a length or a value of an HDF5 file."""
    with h5py.File(path, "a") as file:
        nodes: list[Any] = [file]
        file.visititems(lambda _, node: nodes.append(node))
        node = nodes[rng.integers(len(nodes))]
        values: list[Any] = [-1, 2**40, np.nan, "", "x", b"\xff\xfe", np.arange(3), np.array([-5, 10**12]), [10**9] * 2,
                             h5py.Empty("f4"), np.array(["a", "b"], "S1"), True]  # fmt: skip
        value = values[rng.integers(len(values))]
        if len(node.attrs) and rng.random() < 0.5:
            name = sorted(node.attrs)[rng.integers(len(node.attrs))]
            if rng.random() < 0.3:
                del node.attrs[name]
            else:
                node.attrs[name] = value
            return f"{node.name}@{name}"
        name = node.name
        if name == "/":
            return "nothing"
        if isinstance(node, h5py.Dataset) and node.ndim == 1 and node.dtype.kind in "iuf" and rng.random() < 0.6:
            old = node[:]
            changed = [old[:-1], old[::-1], old * -1, old.astype(np.float64) + 0.5, old.astype(np.int64) + 2**32,
                       np.r_[old, old], old.astype("S"), old.reshape(1, -1), old[:0]]  # fmt: skip
            value = changed[rng.integers(len(changed))]
        del file[name]
        if rng.random() < 0.7:
            file[name] = value
        return name


def outcome(path: Path) -> str:
    """Say how the doctor's look at a file ended; raises whatever is not one sentence."""
    try:
        found = diagnose(path)
    except InputError as error:
        return refused(error)
    return "read" if found.usable else "read, not usable"


def refused(error: InputError) -> str:
    """Say how a file was refused; raises where the reason is not one sentence."""
    text = str(error)
    if "\n" in text or not text.endswith(".") or "Traceback" in text:
        raise AssertionError(f"no sentence: {text!r}") from error
    return "its process ended" if "ended its process" in text else "given up" if "given up" in text else "refused"


def make(seed: int, folder: Path) -> tuple[Path, str]:
    """Write the damaged file of a seed, and say what was done to it."""
    kind = KINDS[seed % len(KINDS)]
    path = write_valid(kind, folder)
    if kind == "csv.gz" and seed % 3:  # damage what is packed, not the packing
        text = bytearray(gzip.decompress(path.read_bytes()))
        for place in np.random.default_rng(seed).integers(0, len(text), 5):
            text[place] = np.random.default_rng(place).integers(256)
        path.write_bytes(gzip.compress(text))
        return path, "csv.gz text"
    return path, f"{kind} {damage(path, seed)}"


def run(description: str | None, make: Callable[[int, Path], tuple[Path, str]], outcome: Callable[[Path], str]) -> None:
    """Make the files of so many seeds, use each, and print what went wrong and how many ended how."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("n", type=int, nargs="?", default=2000)
    parser.add_argument("first", type=int, nargs="?", default=0)
    given = parser.parse_args()
    ended: collections.Counter[str] = collections.Counter()
    slowest = 0.0
    for seed in range(given.first, given.first + given.n):
        folder = Path(tempfile.mkdtemp())
        begun = time.monotonic()
        what = "not made"
        try:
            path, what = make(seed, folder)
            begun = time.monotonic()
            how = outcome(path)
        except Exception as error:  # noqa: BLE001 it is what is looked for
            how = "TRACEBACK"
            print(f"seed {seed}, {what}: {type(error).__name__}: {error}")
        finally:
            shutil.rmtree(folder)
        slowest = max(slowest, time.monotonic() - begun)
        ended[how] += 1
    print(f"{given.n} files: {dict(ended)}; the slowest took {slowest:.1f} s")


if __name__ == "__main__":
    run(__doc__, make, outcome)
