"""Work done in threads ahead of whoever takes the results, which come in order.

Reading, taking apart, sorting and multiplying release Python's lock, so threads keep several cores busy. No more pieces
are under way than there are threads: memory does not grow with the number of pieces.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

Piece = TypeVar("Piece")
Result = TypeVar("Result")
MOST_THREADS = 4
"""More hold more memory, and what is left in order (writing) keeps no more busy."""


def n_threads() -> int:
    """Return how many threads work at a time: the cores that this process may use, ``MOST_THREADS`` at most."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_THREADS, usable or 1)


def in_order(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
    """Yield ``work(piece)`` of every piece, in their order; what a piece raises is raised when it is its turn.

    However it is left, no thread is working any more afterwards.
    """
    threads = n_threads()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(work, piece))
                if len(waiting) >= threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
