"""Knowledge that unpacks to gigabytes, or declares them, ended the server for everybody."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.knowledge import files, gene_embedding
from genediff.knowledge.gene_embedding import read_embedding
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.read_network import read_network
from genediff.knowledge.read_orthologs import read_orthologs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("read", [read_gmt, read_network, read_embedding, read_orthologs])
def test_text_that_unpacks_to_too_much(
    read: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1 << 20)
    path = tmp_path / "given.tsv.gz"
    path.write_bytes(gzip.compress(b"STAT1\tIRF1\t1\n" * 100_000))
    with pytest.raises(InputError, match="more than 1 MB of text"):
        read(path)


def test_an_npz_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gene_embedding, "MOST_BYTES", 1 << 20)
    path = tmp_path / "given.npz"
    np.savez_compressed(path, genes=np.array(["STAT1", "IRF1"]), values=np.zeros((2, 100_000)))
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        read_embedding(path)


@pytest.mark.parametrize("n", [10**9, 10**15])
def test_an_npz_that_declares_more_than_it_holds(tmp_path: Path, n: int) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (n, 2)})
    path = tmp_path / "given.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("values.npy", header.getvalue() + bytes(64))
    with pytest.raises(InputError, match="damaged or no npz"):
        read_embedding(path)


def test_a_quotation_mark_that_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('human,mouse\n"STAT1,Stat1\n' + "IRF1,Irf1\n" * 20_000)
    with pytest.raises(InputError, match="never closed"):
        read_orthologs(path)
