"""Work on a stranger's file in a process of its own, with limits of memory and time.

A file can bring a library to its knees: HDF5 crashes on some damage, and reserves what a file asks for. So a file is
looked through in a process that was forked for it and may be lost. A program without other threads forks it itself;
one with threads (a server), where a fork could deadlock, asks a small process that does nothing but fork.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from genediff.core.errors import InputError
from genediff.core.installation import PACKAGE_PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[dict[str, object]], str]

MEMORY_BYTES, MEMORY_TIMES = 700_000_000, 2
"""What a file may fill while it is looked through, beside Python itself: as much, and this many times its size."""
SECONDS, BYTES_PER_SECOND = 25.0, 1_000_000
"""How much processor time it may take: as long, and more by its size (text is read at some megabytes a second)."""
_WAITING = 4
"""How many times as long it may take by the clock: a busy machine is not the file's fault."""
_IDLE_SECONDS = 600
_GRACE_SECONDS = 10
_BLOCK = 1 << 16


class Isolated:
    """Does one kind of work in processes of their own.

    Parameters
    ----------
    work
        From a request of plain values to a text; may raise InputError.
    module
        Does the same when it is run as a program, with the number of a socket as its argument (see ``serve``).
    forks
        Whether a program without other Python threads may fork itself; not where torch is at work, whose own threads
        are not in the fork.
    prepare
        Loads what every process needs before it is forked, so that none has to load it again.
    """

    def __init__(
        self, work: Work, module: str, *, forks: bool = True, prepare: Callable[[], object] = lambda: None
    ) -> None:
        self._work, self._module, self._forks, self._prepare = work, module, forks, prepare
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def ask(self, request: dict[str, object], *, name: str, n_bytes: int) -> str:
        """Return what the work makes of a request.

        Parameters
        ----------
        request
            Plain values, for JSON.
        name
            What sentences call the file.
        n_bytes
            Its size, which the limits depend on.

        Raises
        ------
        InputError
            What the work says, or that the file could not be looked through within the limits.
        """
        seconds = SECONDS + n_bytes / BYTES_PER_SECOND
        by_clock = _WAITING * seconds
        limits = {"bytes": MEMORY_BYTES + MEMORY_TIMES * n_bytes, "seconds": seconds}
        message = json.dumps({"request": request, **limits})
        begun = time.monotonic()
        alone = self._forks and threading.active_count() == 1
        if alone:
            self._prepare()
        answer = self._by_fork(message, by_clock) if alone else self._by_server(message, by_clock)
        if answer is None and (taken := time.monotonic() - begun) >= seconds:
            raise InputError(
                f"{name} was given up after {taken:.0f} seconds: a file of its size should not take as long to look "
                "through, so it is damaged or was made to; write it again."
            )
        if answer is None:
            raise InputError(
                f"{name} cannot be looked through: reading it ended its process, so it is damaged or fills more "
                "memory than a file of its size should; copy or write it again."
            )
        kind, text, trace = json.loads(answer)
        if kind == "done":
            return str(text)
        error = InputError(text)
        if trace:
            error.add_note(trace)
        raise error

    def start(self) -> None:
        """Start the process that forks, so that the first file need not wait for it."""
        with self._lock:
            self._connect()

    def _by_fork(self, message: str, seconds: float) -> bytes | None:
        ours, theirs = socket.socketpair()
        with ours, theirs, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of libraries, none of which hold Python
            child = os.fork()
            if child == 0:
                ours.close()
                _answer(theirs, self._work)
            theirs.close()
            try:
                return _exchange(ours, message, seconds)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def _by_server(self, message: str, seconds: float) -> bytes | None:
        for _ in range(2):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs, self._lock:
                    server, line = self._connect()
                    with contextlib.suppress(OSError):  # it went away: no answer will come
                        socket.send_fds(line, [b"x"], [theirs.fileno()])
                answer = _exchange(ours, message, seconds)
            if answer is not None or server.poll() is None:
                return answer
        return None

    def _connect(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        if self._server is None or self._socket is None or self._server.poll() is not None:
            if self._socket is not None:
                self._socket.close()
            self._socket, theirs = socket.socketpair()
            path = os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, "-m", self._module, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                )
        return self._server, self._socket


def _exchange(channel: socket.socket, message: str, seconds: float) -> bytes | None:
    """Send a request and return the answer; None where none comes."""
    channel.settimeout(seconds + _GRACE_SECONDS)
    parts = []
    with contextlib.suppress(OSError):
        channel.sendall(message.encode())
        channel.shutdown(socket.SHUT_WR)
        while part := channel.recv(_BLOCK):
            parts.append(part)
    answer = b"".join(parts)
    return answer[:-1] if answer.endswith(b"\n") else None  # the end of a line says that it is whole


def serve(line: socket.socket, work: Work, *, prepare: Callable[[], object] = lambda: None) -> None:
    """Fork a process for every channel that comes, until the other side is gone or for long asks nothing."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both; the other side's end is ours
    with contextlib.suppress(Exception):  # the work says it, where it matters
        prepare()
    line.settimeout(_IDLE_SECONDS)
    while True:
        try:
            word, numbers, _, _ = socket.recv_fds(line, 1, 1)
        except OSError:
            return
        if not word:
            return
        with socket.socket(fileno=numbers[0]) as channel:
            if os.fork() == 0:
                line.close()
                _answer(channel, work)


def _answer(channel: socket.socket, work: Work) -> NoReturn:
    """Read a request, limit this process, and answer. Nothing that was inherited runs afterwards."""
    gc.freeze()  # going through all that was inherited would copy it
    try:
        parts = []
        while part := channel.recv(_BLOCK):
            parts.append(part)
        message = json.loads(b"".join(parts))
        _limit(int(message["bytes"]), float(message["seconds"]))
        channel.sendall(json.dumps(_outcome(work, message["request"])).encode() + b"\n")
    finally:
        os._exit(0)


def _outcome(work: Work, request: dict[str, object]) -> tuple[str, str, str]:
    try:
        return "done", work(request), ""
    except InputError as error:
        return "refused", str(error), ""
    except MemoryError:
        return "refused", f"There is not enough memory to look through {_name(request)}.", ""
    except Exception as error:  # noqa: BLE001 whatever a stranger's file brings about
        trace = traceback.format_exc()
        return "refused", f"{_name(request)} cannot be read ({type(error).__name__}); write it again.", trace


def _name(request: dict[str, object]) -> str:
    return str(request.get("name") or Path(str(request.get("path", "the file"))).name)


@contextlib.contextmanager
def limits(n_bytes: int, seconds: float) -> Iterator[Callable[[], None]]:
    """Limit what this process reserves from now on, and its processor time; yields what ends the limits early.

    Memory beyond the limit is a MemoryError; beyond the time the system ends the process, wherever it is.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)

    def lift() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, before)

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    _limit_memory(n_bytes)
    try:
        yield lift
    finally:
        lift()


def _limit(n_bytes: int, seconds: float) -> None:
    for timer, ends, limit in (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, _WAITING * seconds),
    ):
        signal.signal(ends, signal.SIG_DFL)  # ends the process, wherever it is
        signal.setitimer(timer, limit)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(n_bytes)


def _limit_memory(n_bytes: int) -> None:
    most = _data_bytes() + n_bytes
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _data_bytes() -> int:
    """Return the memory that this process has already reserved, where the system tells."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmData:")).split()[1])
    return 1_000_000_000
