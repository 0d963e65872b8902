"""Nearest real cells against brute force; copies are seen, new cells are not suspected."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from genediff.evaluation.nearest import nearest, nearness
from genediff.workspace import DEMO_DATASET, Workspace


def test_neighbours_and_distances_are_those_of_brute_force(tmp_path):
    dataset = Workspace(tmp_path).open_dataset(DEMO_DATASET)
    train, test = dataset.rows("train"), dataset.rows("test")
    rng = np.random.default_rng(0)
    made = dataset.pcs[rng.choice(test, 600)] + rng.normal(0, 0.3, (600, dataset.pcs.shape[1]))
    distances = cdist(made, dataset.pcs[train])
    found = nearness(made, dataset)
    np.testing.assert_allclose(found.generated, distances.min(1), rtol=1e-9)
    held = cdist(dataset.pcs[test], dataset.pcs[train]).min(1)
    np.testing.assert_allclose(found.held_out, np.sort(held), rtol=1e-9)
    assert found.closer_than(3) == (held < distances[3].min()).mean() == found.shares[3]
    for split, rows in (("train", train), ("test", test)):
        one = nearest(made[5], dataset, split, k=4)
        order = np.argsort(cdist(made[5:6], dataset.pcs[rows])[0])[:4]
        assert one.rows.tolist() == rows[order].tolist()


def test_copies_have_distance_zero_and_new_cells_lie_like_new_cells(tmp_path):
    dataset = Workspace(tmp_path).open_dataset(DEMO_DATASET)
    copies = dataset.pcs[dataset.rows("train")[:50]]
    found = nearness(copies, dataset)
    assert (found.generated == 0).all() and (found.shares == 0).all()
    new = nearness(dataset.pcs[dataset.rows("validation")], dataset)
    assert 0.4 < np.mean(new.shares) < 0.6
