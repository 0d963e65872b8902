"""One caller at a time: what many readers ask for at once is then computed by the first and found by the others."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def one_at_a_time(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Return a function that lets one thread in at a time; a call from within a call does not wait.

    Placed above `functools.cache`, which lets every thread compute what is not there yet.
    """
    lock = threading.RLock()

    @functools.wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with lock:
            return function(*args, **kwargs)

    return guarded
