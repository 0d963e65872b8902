"""Downloads that survive a redraw of the page: one press of a button ends in a file.

Streamlit makes the file of a download button when it is clicked, tells the browser its address, and forgets it once the
page, or a part of it, has run twice since. A page that shows the progress of work in the background runs twice a
second, so a browser that was a little late found nothing there. And what makes the file is forgotten when a new run of
the page ends, while the browser may still show the button of the run before.
"""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 120.0  # from when a file is made; a download that has begun is not broken off at the end
_numbers = itertools.count()


def until_fetched(data: bytes, mime: str, file_name: str) -> bytes:
    """Return the data of a download, and keep its file at its address for two minutes.

    Streamlit names a file by its contents, so the one that is kept is the one that it hands out.
    """
    if not runtime.exists():
        return data
    files = runtime.get_instance().media_file_mgr
    holder = f"held-{next(_numbers)}"  # a session of its own, so that no page's run forgets the file
    thread = threading.Thread(
        target=files.add, args=(data, mime, holder, file_name), kwargs={"is_for_static_download": True}
    )
    context: Any = SimpleNamespace(session_id=holder)
    add_script_run_ctx(thread, context)
    thread.start()
    thread.join()
    timer = threading.Timer(SECONDS, files.clear_session_refs, (holder,))
    timer.daemon = True
    timer.start()
    return data


def still_pressable(key: str, make: Callable[[], bytes]) -> None:
    """Keep what makes a button's file for one more run of the page; to be called once the button is drawn.

    Streamlit has no word for this, so it is done in its tables, where it knows them.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or not runtime.exists():
        return
    files: Any = runtime.get_instance().media_file_mgr
    try:
        own = files._files_by_session_and_coord[context.session_id]
        drawn = next(number for number in reversed(own.values()) if _makes(files, number) is make)
    except (AttributeError, KeyError, StopIteration):
        return
    before = st.session_state.get(f"drawn-{key}")
    if before is not None and _makes(files, before) is not None:
        own[f"before-{key}"] = before
    st.session_state[f"drawn-{key}"] = drawn


def _makes(files: Any, number: str) -> Any:
    entry = files._deferred_callables.get(number)
    return None if entry is None else entry["callable"]
