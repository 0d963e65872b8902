"""Files are looked through in a process that may be lost: a crash, too much memory or time is one sentence."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from genediff.core import isolated
from genediff.core.errors import InputError
from genediff.core.isolated import Isolated
from genediff.data import diagnose
from genediff.data.importing.diagnose import READER

from .conftest import small_cells

if TYPE_CHECKING:
    from collections.abc import Callable


def _misbehave(request: dict[str, object]) -> str:
    match request["how"]:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "memory":
            return str(np.ones(4_000_000_000, np.uint8).sum())
        case "time":
            time.sleep(60)
        case "work":
            while True:
                pass
        case "bug":
            raise KeyError("X")
        case "exit":
            os._exit(0)
        case "refuse":
            raise InputError("It holds no cells.")
    return f"fine, {os.getpid()}"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork here, even where an earlier test of this process has left a thread."""
    monkeypatch.setattr(isolated.threading, "active_count", lambda: 1)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("crash", "cells.h5ad cannot be looked through: reading it ended its process"),
        ("exit", "reading it ended its process"),
        ("memory", "not enough memory to look through cells.h5ad"),
        ("time", "cells.h5ad was given up after 2 seconds"),
        ("work", "cells.h5ad was given up after"),
        ("bug", r"cells.h5ad cannot be read \(KeyError\)"),
        ("refuse", "It holds no cells."),
    ],
)
def test_what_goes_wrong_is_one_sentence(how: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "SECONDS", 0.4 if how in ("time", "work") else 30.0)
    with pytest.raises(InputError, match=sentence) as caught:
        Isolated(_misbehave, "").ask({"how": how, "path": "cells.h5ad"}, name="cells.h5ad", n_bytes=0)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("alone")
def test_work_is_done_in_another_process() -> None:
    answer = Isolated(_misbehave, "").ask({"how": ""}, name="x", n_bytes=0)
    assert answer.startswith("fine") and str(os.getpid()) not in answer


@pytest.fixture
def crowd() -> object:
    """Other threads, as in a server: then this process must not fork itself."""
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield stop
    stop.set()
    for thread in threads:
        thread.join()


def test_a_server_asks_a_process_that_forks(crowd: object, tmp_path: Path) -> None:
    """Indices shorter than data wrote beyond the memory of the server that every user shared, and ended it."""
    good, bad = tmp_path / "good.h5ad", tmp_path / "bad.h5ad"
    small_cells().write_h5ad(good)
    small_cells().write_h5ad(bad)
    with h5py.File(bad, "a") as file:
        indices = file["X/indices"][:-100]
        del file["X/indices"]
        file["X/indices"] = indices
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(diagnose, path) for path in (good, bad, good, bad)]
    assert found[0].result() == found[2].result() == diagnose(good)
    assert found[0].result().n_cells == 240
    for one in (found[1], found[3]):
        with pytest.raises(InputError, match=r"bad.h5ad is damaged: X has \S+ values at \S+ places"):
            one.result()
    # The process that forks may be gone, for want of work or of memory: another is started.
    server = READER._server
    assert server is not None
    server.kill()
    server.wait()
    assert diagnose(good).n_cells == 240
    READER._server.kill()
    READER._server.wait()


def test_the_forking_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Nothing may be left running when the app is gone, however it ended."""
    import subprocess
    import sys

    code = (
        "import threading, os; from genediff.data.importing.diagnose import READER; READER.start(); "
        "print(READER._server.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    child = int(done.stdout)
    deadline = time.monotonic() + 600
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()


def _in_a_child(work: Callable[[], int]) -> int:
    """Return how a forked process ends: its exit status, or minus the signal."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_an_import_has_limits_too() -> None:
    """The worker of an import went on without end, and filled the machine, where a file made it to."""

    def too_much() -> int:
        try:
            with isolated.limits(50_000_000, 60):
                np.ones(1_000_000_000, np.uint8)
        except MemoryError:
            np.ones(200_000_000, np.uint8)  # the limit ends with the import
            return 7
        return 0

    def for_ever() -> int:
        with isolated.limits(1_000_000_000, 0.2):
            while True:
                pass

    def lifted() -> int:
        with isolated.limits(50_000_000, 0.2) as lift:
            lift()
            begun = time.process_time()
            while time.process_time() - begun < 0.5:
                pass
            np.ones(200_000_000, np.uint8)
        return 3

    assert [_in_a_child(work) for work in (too_much, for_ever, lifted)] == [7, -signal.SIGPROF, 3]
