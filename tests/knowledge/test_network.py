"""Networks: cleaning, restriction, positions, coverage, and a control that keeps every degree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.knowledge import Network, make_network

GENES = tuple(f"G{i}" for i in range(40))


def network(seed: int = 0, n_edges: int = 150) -> Network:
    draw = np.random.default_rng(seed)
    edges = pd.DataFrame(
        {
            "source": draw.choice(GENES[:10], n_edges),
            "target": draw.choice(GENES, n_edges),
            "weight": draw.random(n_edges) + 0.1,
            "sign": draw.choice([-1, 0, 1], n_edges),
        }
    )
    return make_network("drawn", edges, source="a test")


def test_edges_are_cleaned():
    edges = pd.DataFrame(
        [("A", "B", 2.0), ("A", "B", -3.0), ("A", "A", 1.0), ("B", "C", -0.5), ("C", "", 1.0), ("C", "D", 0.0),
         ("NA", "nan", 1.0), ("C", "E", np.nan)],
        columns=["source", "target", "weight"],
    )  # fmt: skip
    found = make_network("n", edges).edges
    rows = [tuple(row) for row in found.itertuples(index=False)]
    assert rows == [
        ("A", "B", 3.0, 0), ("B", "C", 0.5, -1), ("NA", "nan", 1.0, 1)]  # fmt: skip


def test_a_sign_stays_only_where_rows_agree():
    edges = pd.DataFrame({"source": list("AAABBB"), "target": list("XXYXXY"), "sign": [1, 0, -1, 1, -1, 0]})
    found = make_network("n", edges).edges.set_index(["source", "target"])["sign"].to_dict()
    assert found == {("A", "X"): 1, ("A", "Y"): -1, ("B", "X"): 0, ("B", "Y"): 0}


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        (pd.DataFrame({"source": ["A"], "target": ["B"]}), "lack weight, sign"),
        (pd.DataFrame({"source": ["A"], "target": ["A"], "weight": [1.0], "sign": [0]}), "to itself"),
        (pd.DataFrame({"source": list("AA"), "target": list("BB"), "weight": [1.0, 1.0], "sign": [0, 0]}), "repeated"),
        (pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [0.0], "sign": [0]}), "weights above 0"),
        (pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [1.0], "sign": [2]}), "signs of -1"),
    ],
)
def test_unclean_edges_are_refused(edges, said):
    with pytest.raises(InputError, match=said):
        Network("n", edges)


def test_indices_are_positions_whatever_the_order_of_genes():
    net = network()
    turned = GENES[::-1]
    found = net.indices(turned)
    assert found.shape == (2, len(net.edges)) and found.dtype == np.int64
    assert [turned[i] for i in found[0]] == net.edges["source"].tolist()
    assert [turned[i] for i in found[1]] == net.edges["target"].tolist()
    with pytest.raises(InputError, match="within"):
        net.indices(GENES[:5])
    few = net.within(GENES[:5])
    assert set(few.genes) <= set(GENES[:5]) and few.indices(GENES[:5]).shape[1] == len(few.edges) > 0


def test_the_control_keeps_degrees_and_what_sources_carry():
    net = network()
    control = net.shuffled(seed=1)
    assert control.edges["source"].tolist() == net.edges["source"].tolist()
    assert control.edges["target"].value_counts().to_dict() == net.edges["target"].value_counts().to_dict()
    pd.testing.assert_frame_equal(control.edges[["weight", "sign"]], net.edges[["weight", "sign"]])
    assert not control.edges[["source", "target"]].duplicated().any()
    assert (control.edges["source"] != control.edges["target"]).all()
    pd.testing.assert_frame_equal(control.edges, net.shuffled(seed=1).edges)


def test_the_control_is_as_far_from_the_network_as_chance_allows():
    """One target per gene, from 10 regulators: an edge meets itself again in 1 of 10 cases."""
    edges = pd.DataFrame({"source": [f"R{i % 10}" for i in range(400)], "target": [f"T{i}" for i in range(400)]})
    net = make_network("n", edges)
    before = set(zip(net.edges["source"], net.edges["target"], strict=True))
    shares = []
    for seed in range(5):
        after = net.shuffled(seed=seed).edges
        shares.append(len(before & set(zip(after["source"], after["target"], strict=True))) / 400)
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_a_network_that_has_no_other_shape_stays():
    edges = pd.DataFrame({"source": list("AABB"), "target": list("XYXY")})
    full = make_network("full", edges)
    pd.testing.assert_frame_equal(full.shuffled(seed=0).edges, full.edges)


def test_coverage_adds_up():
    edges = pd.DataFrame({"source": ["A", "A", "B"], "target": ["B", "C", "X"]})
    found = make_network("n", edges).coverage(("A", "B", "C", "D"))
    assert (found.n_present, found.n_edges, found.n_kept, found.n_regulators, found.n_without, found.n_unmapped) == (
        3, 3, 2, 1, 2, 1)  # fmt: skip
    assert "2 of 3 edges" in found.sentence
