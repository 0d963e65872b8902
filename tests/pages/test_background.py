"""Work in the background says how long it will still take, once enough of it is done to tell."""

from __future__ import annotations

import time

import pytest

from genediff.ui.kit.background import Work, time_left


@pytest.mark.parametrize(
    ("passed", "share", "said"),
    [(1, 0.5, ""), (60, 0.01, ""), (20, 0.5, " about 20 s left"), (100, 0.25, " about 5 min left"),
     (10, 0.99, " about 5 s left")],
)  # fmt: skip
def test_the_time_left_follows_the_pace_so_far(passed, share, said):
    assert time_left(Work(share=share, begun=time.monotonic() - passed)) == said
