"""Work of some seconds in the background of the server: shown while it goes on, cancelled at will, kept when done.

The same key always means the same result, so finished work is its own cache: it is found again after a reload or from
another page. What lives for minutes and must survive the server is a run (`genediff.runs`), not this.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import Cancelled, InputError
from genediff.ui.kit import caching, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.ui.kit.caching import Owned

    Report = Callable[[float], None]

KEPT = 48  # results in memory, over all readers of this server
AT_ONCE = 1.5  # seconds that a page waits before it shows a progress bar


@dataclass
class Work:
    """One piece of work; a thread fills it and pages only read it."""

    share: float = 0.0
    result: Any = None
    problem: str | None = None
    done: bool = False
    thread: threading.Thread | None = None
    begun: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def cancelled(self) -> bool:
        """Whether the reader asked to stop."""
        return self._stop.is_set()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.done or self.problem is not None or self.cancelled

    def cancel(self) -> None:
        """Stop at the next report."""
        self._stop.set()

    def report(self, share: float) -> None:
        """Take note of progress; raises Cancelled when the reader asked to stop."""
        if self.cancelled:
            raise Cancelled("the work was cancelled")
        self.share = min(max(share, 0.0), 1.0)


def finished(title: str, key: tuple[Any, ...], make: Callable[[Report], Any], *, of: tuple[Owned, ...] = ()) -> Any:
    """Return the result of some work; until it is there, show how far it is and stop the page.

    Parameters
    ----------
    title
        What is done, as the progress bar says it: "Reading the tokens of all cells".
    key
        Names the result: a name of the work, and all ids and options that it depends on (never arrays).
    make
        Does the work in a thread of its own, so it must not touch Streamlit; it calls what it is given with the share
        that is done, which raises when the reader cancels. An InputError is shown as it is.
    of
        What the result depends on, where that is a model and data alone: if all users can read these, the work is done
        once for all, and nobody can cancel it for the others. Otherwise it is the reader's own.
    """
    place = caching.place(*of)
    work = _begun(place, key, make)
    if work.done:
        return work.result
    _tell(work, title, place, key, make)
    st.stop()


def soon(title: str, key: tuple[Any, ...], make: Callable[[Report], Any], *, of: tuple[Owned, ...] = ()) -> Any | None:
    """Return the result of some work where it is there; else show how far it is and return None, so the page goes on.

    The page runs again when the work is done. Parameters are those of `finished`.
    """
    place = caching.place(*of)
    work = _begun(place, key, make)
    if work.done:
        return work.result
    _tell(work, title, place, key, make)
    return None


def _begun(place: str, key: tuple[Any, ...], make: Callable[[Report], Any]) -> Work:
    work = _work(place, key, make)
    if not work.ended and work.thread is not None:
        work.thread.join(AT_ONCE)
    return work


def _tell(work: Work, title: str, place: str, key: tuple[Any, ...], make: Callable[[Report], Any]) -> None:
    if not work.ended:
        st.fragment(_watch, run_every="0.5s")(title, key, work, is_own=place == caching.place())
    elif work.problem is not None:
        explain.show_input_error(InputError(work.problem))
        _again(place, key, make)
    else:
        st.warning(f"Cancelled: {title[:1].lower()}{title[1:]}.")
        _again(place, key, make)


def _again(place: str, key: tuple[Any, ...], make: Callable[[Report], Any]) -> None:
    st.button(
        "Start again", icon=":material/refresh:", key=f"again-{key}", on_click=lambda: _work.clear(place, key, make)
    )


def time_left(work: Work) -> str:
    """Return in words how long work will go on at the pace so far; nothing while too little of it is done to tell."""
    passed = time.monotonic() - work.begun
    if passed < 3 or work.share < 0.05:
        return ""
    left = passed * (1 - work.share) / work.share
    return f" about {left / 60:.0f} min left" if left > 90 else f" about {max(5 * round(left / 5), 5)} s left"


def _watch(title: str, key: tuple[Any, ...], work: Work, *, is_own: bool) -> None:
    if work.ended:
        st.rerun()
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.progress(work.share, text=f"{title} …{time_left(work)}", width="stretch")
        if is_own:
            st.button("Cancel", icon=":material/stop:", key=f"cancel-{key}", on_click=work.cancel, width="content")


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _work(place: str, key: tuple[Any, ...], _make: Callable[[Report], Any]) -> Work:
    work = Work()
    work.thread = threading.Thread(target=_run, args=(work, _make), name="background", daemon=True)
    work.thread.start()
    return work


def _run(work: Work, make: Callable[[Report], Any]) -> None:
    try:
        with disk_errors():
            work.result = make(work.report)
        work.done = True
    except Cancelled:
        pass
    except Exception as error:  # noqa: BLE001  said to the reader, and to the log where it is not foreseen
        memory = "Not enough memory; choose a smaller model or data set."
        work.problem = in_a_sentence(error, memory=memory, otherwise="This stopped unexpectedly")


def in_a_sentence(error: Exception, *, memory: str, otherwise: str) -> str:
    """Return what a reader is told of an error in the background; what is not foreseen goes to the server's log."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return memory
    traceback.print_exception(error)
    return f"{otherwise} ({type(error).__name__}); the server's log says more."
