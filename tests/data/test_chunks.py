"""Chunks that are taken apart here against h5py, and threads that keep the order."""

from __future__ import annotations

import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from genediff.data.cells.store import GrowingSparse
from genediff.data.matrices import chunks
from genediff.data.matrices.prefetch import in_order, n_threads

if TYPE_CHECKING:
    from pathlib import Path

LAYOUTS: dict[str, dict[str, Any]] = {
    "gzip": {"chunks": (97,), "compression": "gzip"},
    "gzip, shuffled": {"chunks": (97,), "compression": "gzip", "shuffle": True},
    "gzip, checked": {"chunks": (97,), "compression": "gzip", "fletcher32": True},
    "lzf": {"chunks": (97,), "compression": "lzf"},
    "plain chunks": {"chunks": (97,)},
    "one piece": {},
}


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i8", "u2", "u1"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_range_is_what_h5py_reads(layout: str, dtype: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 200, 1000).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        array = file.create_dataset("a", data=values, **LAYOUTS[layout])
        for low, high in ((0, 1000), (0, 97), (96, 98), (97, 194), (500, 500), (950, 1000), (3, 777)):
            found = chunks.read_range(array, low, high)
            np.testing.assert_array_equal(found, values[low:high])
            assert found.dtype == values.dtype


def test_chunks_that_were_never_written_are_what_h5py_says(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        array = file.create_dataset("a", (300,), "i4", chunks=(100,), compression="gzip", fillvalue=7)
        array[200:] = 1
        np.testing.assert_array_equal(chunks.read_range(array, 50, 250), array[50:250])


@pytest.mark.parametrize("spoiled", [b"no gzip at all", zlib.compress(b"too short"), zlib.compress(bytes(900))])
def test_a_damaged_chunk_is_said(spoiled: bytes, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        array = file.create_dataset("a", data=np.arange(300), chunks=(100,), compression="gzip")
        array.id.write_direct_chunk((100,), spoiled)
        with pytest.raises(OSError, match="damaged"):
            chunks.read_range(array, 0, 300)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_grows_by_pieces_is_an_ordinary_array(dtype: type, tmp_path: Path) -> None:
    """h5py, which knows nothing of this, reads what was written in pieces of any size, and so does ``read_range``."""
    whole = sp.random(700, 400, 0.2, "csr", np.float32, np.random.default_rng(0), lambda n: np.arange(n) % 200 + 1)
    whole.data = whole.data.astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        growing = GrowingSparse(file.create_group("m"), np.dtype(dtype), 400, chunk=1000)
        for start, stop in ((0, 1), (1, 1), (1, 300), (300, 301), (301, 700)):
            growing.append(whole[start:stop])
        growing.close()
    with h5py.File(tmp_path / "a.h5") as file:
        group = file["m"]
        for name, values in (("data", whole.data), ("indices", whole.indices), ("indptr", whole.indptr)):
            np.testing.assert_array_equal(group[name][:], values)
        np.testing.assert_array_equal(chunks.read_range(group["data"], 500, 7000), whole.data[500:7000])
        assert group["indices"].dtype == np.uint16 and group["data"].compression == "gzip"


def test_results_come_in_order_and_no_more_is_held_than_threads_need() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.01 * (number % 3))
        return number

    for number, result in enumerate(in_order(work, range(20))):
        assert result == number
        assert len(begun) <= number + n_threads() + 1


def test_what_a_piece_raises_comes_in_its_turn_and_no_thread_is_left() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the third")
        return number

    seen = []
    with pytest.raises(ValueError, match="the third"):
        for number in in_order(work, range(100)):
            seen.append(number)
    assert seen == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
