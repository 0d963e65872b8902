"""Large files in chunks: wherever the sending breaks off, what arrives is the file, and nothing else counts."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.disk_errors import DiskError
from genediff.core.errors import InputError
from genediff.data.uploads import incoming
from genediff.data.uploads.incoming import Incoming, Refused, begin, expire, find, unfinished, used
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1000


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "CHUNK", CHUNK)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "space")


def content(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def digest(part: bytes) -> str:
    return hashlib.sha256(part).hexdigest()


def checksum(whole: bytes) -> str:
    """The checksum over all chunks', written down independently of what is tested."""
    parts = [whole[place : place + CHUNK] for place in range(0, len(whole), CHUNK)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def send(one: Incoming, whole: bytes, *, until: int | None = None) -> None:
    """Send what is missing, up to a place."""
    while (place := one.offset) < (len(whole) if until is None else until):
        part = whole[place : place + CHUNK]
        one.append(place, part, digest(part))


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 7])
def test_broken_off_at_every_chunk_the_file_arrives_whole(workspace, size):
    """For every place: a part of a chunk torn by a kill at it, another process that goes on, the same bytes."""
    whole = content(size)
    for number, place in enumerate(range(0, size, CHUNK)):
        one = begin(workspace.uploads, "cells.h5ad", size)
        send(one, whole, until=place)
        with (one.folder / "data").open("r+b") as file:  # the killed server had begun to write the next chunk
            file.seek(place)
            file.write(b"torn" * 50)
        with (one.folder / "checksums").open("ab") as sums:  # and part of its checksum
            sums.write(b"half of it")
        again = find(workspace.uploads, one.id)
        assert again.offset == place
        send(again, whole)
        name = again.finish(checksum(whole))
        assert (workspace.uploads / name).read_bytes() == whole
        assert name == ("cells.h5ad" if number == 0 else f"cells-{number + 1}.h5ad")
        assert again.finish("asked again, since the answer was lost") == name


def test_only_the_next_whole_undamaged_chunk_counts(workspace):
    whole = content(3 * CHUNK + 10)
    one = begin(workspace.uploads, "cells.h5ad", len(whole))
    send(one, whole, until=CHUNK)
    second = whole[CHUNK : 2 * CHUNK]
    for place, part, sum_, status in (
        (0, whole[:CHUNK], digest(whole[:CHUNK]), 409),  # sent twice
        (2 * CHUNK, second, digest(second), 409),  # one left out
        (CHUNK + 1, second, digest(second), 409),
        (-CHUNK, second, digest(second), 409),
        (CHUNK, second[:-1], digest(second[:-1]), 400),  # cut short
        (CHUNK, second + b"x", digest(second + b"x"), 400),
        (CHUNK, b"", digest(b""), 400),
        (CHUNK, second, digest(second[::-1]), 460),  # damaged
        (CHUNK, second, "", 460),
    ):
        with pytest.raises(Refused) as refused:
            one.append(place, part, sum_)
        assert refused.value.status == status and refused.value.offset == CHUNK
        assert one.offset == CHUNK
    with pytest.raises(Refused, match="are missing") as refused:
        one.finish(checksum(whole))
    assert refused.value.offset == CHUNK
    send(one, whole)
    assert (workspace.uploads / one.finish(checksum(whole))).read_bytes() == whole


def test_a_file_that_changed_meanwhile_is_refused_and_leaves_nothing(workspace):
    whole, other = content(2500), content(2500, seed=1)
    one = begin(workspace.uploads, "cells.h5ad", len(whole))
    send(one, whole[:CHUNK] + other[CHUNK:])
    with pytest.raises(Refused, match="has changed") as refused:
        one.finish(checksum(whole))
    assert refused.value.status == 460
    assert [path.name for path in workspace.uploads.iterdir()] == [".incoming"]
    with pytest.raises(Refused, match="does not know"):
        find(workspace.uploads, one.id)


def test_two_at_once_and_two_of_one_name_do_not_mix(workspace):
    """Chunks of both in all orders; and one upload sent by two windows at the same time."""
    wholes = [content(2500, seed) for seed in (1, 2)]
    ones = [begin(workspace.uploads, "cells.csv", 2500) for _ in wholes]
    for which in itertools.chain(*itertools.permutations((0, 1)), (0, 1)):
        place = ones[which].offset
        part = wholes[which][place : place + CHUNK]
        ones[which].append(place, part, digest(part))
    names = [one.finish(checksum(whole)) for one, whole in zip(ones, wholes, strict=True)]
    assert names == ["cells.csv", "cells-2.csv"]
    assert [(workspace.uploads / name).read_bytes() for name in names] == wholes

    whole = content(40 * CHUNK)
    one = begin(workspace.uploads, "both.csv", len(whole))

    def window() -> None:
        while (place := one.offset) < len(whole):
            part = whole[place : place + CHUNK]
            try:
                one.append(place, part, digest(part))
            except Refused as refusal:
                assert refusal.status == 409  # the other window was quicker

    threads = [threading.Thread(target=window) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (workspace.uploads / one.finish(checksum(whole))).read_bytes() == whole


@pytest.mark.parametrize(
    "name",
    ["../cells.h5ad", "/etc/cells.h5ad", "a\\cells.h5ad", "cells.h5ad\0.txt", "..", "", ".", "cells.rds", "cells",
     "x/y.csv"],
)  # fmt: skip
def test_bad_names_and_sizes_make_no_folder(workspace, name):
    with pytest.raises(Refused) as refused:
        begin(workspace.uploads, name, 10)
    assert refused.value.status == 422
    with pytest.raises(Refused, match="0 bytes"):
        begin(workspace.uploads, "cells.h5ad", 0)
    assert not (workspace.uploads / ".incoming").exists()


@pytest.mark.parametrize(
    "upload_id", ["..", "../..", "", "x", "a" * 32, "../../runs" + "x" * 20, ".incoming" + "/" * 20]
)
def test_an_id_leads_nowhere_but_to_an_upload(workspace, upload_id):
    begin(workspace.uploads, "cells.h5ad", 10)
    with pytest.raises(Refused, match="does not know") as refused:
        find(workspace.uploads, upload_id)
    assert refused.value.status == 404


def test_the_quota_counts_what_is_here_and_what_was_begun(workspace, monkeypatch):
    monkeypatch.setenv("GENEDIFF_UPLOAD_QUOTA", "0.00001")  # 10,000 bytes
    (workspace.uploads / "old.csv").write_bytes(b"x" * 4000)
    first = begin(workspace.uploads, "a.csv", 5000)
    assert used(workspace.uploads) == 9000
    with pytest.raises(Refused, match=r"GENEDIFF_UPLOAD_QUOTA") as refused:
        begin(workspace.uploads, "b.csv", 1001)
    assert refused.value.status == 413
    begin(workspace.uploads, "b.csv", 1000).discard()
    whole = content(5000)
    send(first, whole)
    first.finish(checksum(whole))
    assert used(workspace.uploads) == 9000
    (workspace.uploads / "old.csv").unlink()
    begin(workspace.uploads, "b.csv", 5000)
    monkeypatch.setenv("GENEDIFF_UPLOAD_QUOTA", "much")
    with pytest.raises(InputError, match="number of gigabytes"):
        begin(workspace.uploads, "c.csv", 1)


def test_a_disk_without_room_is_told_before_anything_is_sent(workspace, monkeypatch):
    monkeypatch.setattr(incoming, "FREE_BYTES", 1 << 60)
    with pytest.raises(Refused, match="disk has room for") as refused:
        begin(workspace.uploads, "a.csv", 5000)
    assert refused.value.status == 507


def test_a_disk_that_fills_up_meanwhile_costs_one_chunk(workspace, monkeypatch):
    whole = content(2500)
    one = begin(workspace.uploads, "a.csv", len(whole))
    send(one, whole, until=CHUNK)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match="disk is full"):
            send(one, whole)
    assert one.offset == CHUNK
    send(one, whole)
    assert (workspace.uploads / one.finish(checksum(whole))).read_bytes() == whole


def test_what_nobody_goes_on_with_is_removed_after_a_week(workspace):
    old, young, done = (begin(workspace.uploads, f"{name}.csv", 10) for name in ("old", "young", "done"))
    send(done, content(10))
    name = done.finish(checksum(content(10)))
    before = time.time() - 8 * 24 * 3600
    for one in (old, done):
        os.utime(one.folder / "checksums", (before, before))
    expire(workspace.uploads)
    assert [one.id for one in unfinished(workspace.uploads)] == [young.id]
    assert (workspace.uploads / name).is_file()
    for gone in (old, done):
        with pytest.raises(Refused):
            gone.append(0, b"x" * 10, digest(b"x" * 10))


def test_quota_holds_for_uploads_that_begin_at_once(workspace, monkeypatch):
    """Each looked for room before any had taken its own: together they took many times the quota."""
    monkeypatch.setenv("GENEDIFF_UPLOAD_QUOTA", "0.001")  # a million bytes
    refused = []

    def start(number: int) -> None:
        try:
            begin(workspace.uploads, f"cells{number}.h5ad", 400_000)
        except Refused as refusal:
            refused.append(refusal.status)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [413] * 10
    assert len(unfinished(workspace.uploads)) == 2 and used(workspace.uploads) == 800_000


def test_sizes_of_hundreds_of_digits_are_refused(workspace):
    for size in (10**15 * 2, 10**400):
        with pytest.raises(Refused, match="larger than any file") as caught:
            begin(workspace.uploads, "cells.h5ad", size)
        assert caught.value.status == 413
    assert not unfinished(workspace.uploads)


def test_many_uploads_that_nobody_goes_on_with(workspace, monkeypatch):
    monkeypatch.setattr(incoming, "MOST_STARTED", 5)
    started = [begin(workspace.uploads, "cells.h5ad", 10) for _ in range(5)]
    with pytest.raises(Refused, match="5 files are on their way already") as caught:
        begin(workspace.uploads, "cells.h5ad", 10)
    assert caught.value.status == 429
    started[0].discard()
    begin(workspace.uploads, "cells.h5ad", 10)
