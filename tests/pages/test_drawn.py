"""Which cells a map draws: a fair share of each group, small groups kept, always the same."""

from __future__ import annotations

import numpy as np

from genediff.ui.kit.subsample import stratified


def test_all_are_drawn_where_they_fit():
    assert stratified(np.zeros(50, int), 50).tolist() == list(range(50))


def test_groups_keep_their_share_and_small_ones_stay_whole():
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat([-1, 0, 1, 2], [3, 60_000, 30_000, 40]))
    rows = stratified(codes, 9_000, least=50)
    assert len(rows) == 9_000 and (np.diff(rows) > 0).all()
    _, sizes = np.unique(codes[rows], return_counts=True)
    assert sizes[0] == 3 and sizes[3] == 40
    assert abs(sizes[1] / sizes[2] - 2) < 0.02


def test_the_sample_is_the_same_each_time_and_spread_over_the_cells():
    codes = np.zeros(100_000, int)
    rows = stratified(codes, 1_000)
    assert (rows == stratified(codes, 1_000)).all()
    counts, _ = np.histogram(rows, bins=10, range=(0, 100_000))
    assert counts.min() > 60


def test_more_groups_than_room():
    assert len(stratified(np.arange(500), 100)) == 100
