"""Gene sets: restriction, positions, coverage, and a control that keeps every count."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.knowledge import GeneSets, make_gene_sets

GENES = tuple(f"G{i}" for i in range(40))


def collection(seed: int = 0, n_sets: int = 12) -> GeneSets:
    draw = np.random.default_rng(seed)
    sets = {
        f"set {i}": [GENES[j] for j in draw.choice(30, size=draw.integers(5, 15), replace=False)] for i in range(n_sets)
    }
    return make_gene_sets("drawn", sets, source="a test", licence="none")


def test_within_keeps_order_and_drops_what_is_too_small_or_large():
    sets = make_gene_sets("s", {"a": ["G3", "x", "G1", "G2"], "b": ["G1", "y", "z"], "c": list(GENES)})
    kept = sets.within(GENES, smallest=2, largest=10)
    assert dict(kept.sets) == {"a": ("G3", "G1", "G2")}
    assert dict(sets.within(["x"], smallest=0).sets) == {"a": ("x",)}, "an empty set is never kept"


def test_members_are_positions_in_the_genes_given():
    sets = collection()
    turned = GENES[::-1]
    for positions, names in zip(sets.members(turned), sets.sets.values(), strict=True):
        assert positions.dtype == np.int64
        assert tuple(turned[position] for position in positions) == names
    assert [len(found) for found in sets.members(("nothing",))] == [0] * 12


def test_the_control_keeps_sizes_and_memberships_and_nothing_else():
    sets = collection()
    control = sets.shuffled(GENES, seed=1)
    assert [len(found) for found in control.sets.values()] == [len(found) for found in sets.sets.values()]
    assert _memberships(control) == _memberships(sets)
    assert all(len(set(found)) == len(found) for found in control.sets.values())
    assert control == sets.shuffled(GENES, seed=1)
    assert control != sets.shuffled(GENES, seed=2)


def test_the_control_destroys_planted_sets():
    """Disjoint sets of 10: after shuffling two genes of a set meet again as often as chance has it (9 of 39)."""
    planted = make_gene_sets("p", {f"s{i}": GENES[10 * i : 10 * i + 10] for i in range(4)})
    together = {pair for found in planted.sets.values() for pair in _pairs(found)}
    shares = [
        np.mean(
            [pair in together for found in planted.shuffled(GENES, seed=seed).sets.values() for pair in _pairs(found)]
        )
        for seed in range(20)
    ]
    assert np.mean(shares) == pytest.approx(9 / 39, abs=0.03)


def test_genes_left_out_of_the_control_do_not_come_back():
    control = collection().shuffled(GENES[:20], seed=0)
    assert set(control.genes) <= set(GENES[:20])


def test_coverage_adds_up():
    sets = make_gene_sets("s", {"a": GENES[:10], "b": [*GENES[8:12], "x"], "c": ["x", "y"]})
    found = sets.coverage(GENES, smallest=5)
    assert (found.n_sets, found.n_kept, found.n_present, found.n_uncovered, found.n_named) == (3, 1, 12, 30, 14)
    assert "12 of 40 genes" in found.sentence and found.hint == ""


def test_mouse_symbols_are_noticed():
    sets = make_gene_sets("human", {"a": [f"ABC{i}" for i in range(20)]})
    assert "mouse" in sets.coverage([f"Abc{i}" for i in range(20)]).sentence
    assert sets.coverage([f"ABC{i}" for i in range(20)]).hint == ""


def test_a_dict_is_cleaned_and_checked():
    sets = make_gene_sets("s", {" a ": ["X", "", " Y ", "X"], "empty": []})
    assert dict(sets.sets) == {"a": ("X", "Y")}
    with pytest.raises(InputError, match="one piece of text"):
        make_gene_sets("s", {"a": "X Y"})
    with pytest.raises(InputError, match="no set"):
        make_gene_sets("s", {"a": []})
    with pytest.raises(InputError, match="empty name"):
        make_gene_sets("s", {"": ["X"]})


def _memberships(sets: GeneSets) -> Counter[str]:
    return Counter(gene for found in sets.sets.values() for gene in found)


def _pairs(found: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset((a, b)) for i, a in enumerate(found) for b in found[i + 1 :]]
