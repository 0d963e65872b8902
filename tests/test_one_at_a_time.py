"""What many readers ask for at once is computed once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from genediff.core.one_at_a_time import one_at_a_time


def test_readers_who_ask_at_once_have_it_computed_once():
    """25 browsers that opened the map at the same moment had the names of all genes read 25 times, for 34 seconds."""
    computed, begun, go_on = [], threading.Event(), threading.Event()

    @one_at_a_time
    @cache
    def names(species: str) -> list[str]:
        computed.append(species)
        begun.set()
        assert go_on.wait(60)
        return [species]

    with ThreadPoolExecutor(8) as readers:
        asked = [readers.submit(names, "human") for _ in range(8)]
        assert begun.wait(60)
        go_on.set()
        found = [one.result(60) for one in asked]
    assert computed == ["human"]
    assert all(one is found[0] for one in found)


def test_a_call_within_a_call_goes_on():
    @one_at_a_time
    def countdown(n: int) -> int:
        return n if n == 0 else countdown(n - 1)

    assert countdown(3) == 0
