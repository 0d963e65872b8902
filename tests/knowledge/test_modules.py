"""Modules of genes: planted ones are found, shuffled cells have none, and names come from known sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import fisher_exact

from genediff.core.errors import InputError
from genediff.core.stats import false_discovery_rates
from genediff.knowledge import Library, make_gene_sets
from genediff.knowledge.enrichment import enriched
from genediff.knowledge.files import gmt_text
from genediff.knowledge.library import LibraryItem, write_item
from genediff.knowledge.modules import find_modules, readable

if TYPE_CHECKING:
    from pathlib import Path

GENES = tuple(f"G{i}" for i in range(40))
PLANTED = [frozenset(GENES[10 * i : 10 * i + 10]) for i in range(3)]  # G30 to G39 belong nowhere


def cells(seed: int = 0, n_cells: int = 200) -> np.ndarray:
    draw = np.random.default_rng(seed)
    activity = draw.gamma(0.5, 2.0, size=(n_cells, 3))
    rate = np.full((n_cells, 40), 0.6)
    for module in range(3):
        rate[:, 10 * module : 10 * module + 10] += activity[:, [module]]
    return np.log1p(draw.poisson(rate)).astype(np.float32)


def recovered(found) -> float:
    """Mean over the planted modules of the best Jaccard index that any found module reaches."""
    sets = [set(members) for members in found.gene_sets.sets.values()]
    return float(np.mean([max(len(p & s) / len(p | s) for s in sets) for p in PLANTED]))


def test_planted_modules_are_found_and_not_in_shuffled_cells():
    x = cells()
    draw = np.random.default_rng(1)
    shuffled = np.stack([draw.permutation(column) for column in x.T], axis=1)
    planted, control = (recovered(find_modules(values, GENES, 4, seed=0)) for values in (x, shuffled))
    assert planted > 0.7 and control < 0.5


def test_the_same_seed_gives_the_same_modules_sparse_or_dense():
    x = cells()
    first, again = find_modules(x, GENES, 3, seed=0), find_modules(sparse.csr_matrix(x), GENES, 3, seed=0)
    assert first.gene_sets == again.gene_sets
    np.testing.assert_allclose(first.shares.sum(axis=0), 1.0, atol=1e-9)


def test_modules_are_named_after_the_known_sets_that_they_match(tmp_path: Path):
    known = make_gene_sets("Hallmark", {"HALLMARK_FIRST_THING": sorted(PLANTED[0]), "HALLMARK_NONE": GENES[30:]})
    about = LibraryItem("", "gene_sets", "Hallmark", 2, 20)
    write_item(tmp_path / "assets" / "hallmark", about, gmt_text(known))
    found = find_modules(cells(), GENES, 3, seed=0, library=Library(tmp_path / "own", tmp_path / "assets"))
    named = [name for name in found.gene_sets.sets if "First thing" in name]
    assert len(named) == 1
    assert "HALLMARK_FIRST_THING: p = " in found.gene_sets.descriptions[named[0]]
    assert sum(match is None for match in found.matches) == 2
    assert all(len(name.split(", ")) == 3 for name in found.gene_sets.sets), "top genes stand in every name"


@pytest.mark.parametrize("n_modules", [0, 1, 40, 500])
def test_numbers_that_cannot_be_are_said(n_modules: int):
    with pytest.raises(InputError, match="from 2 to 39"):
        find_modules(cells(), GENES, n_modules, seed=0)


def test_genes_that_never_vary_are_in_no_module():
    x = cells()
    x[:, 35:] = 0.0
    assert not set(find_modules(x, GENES, 3, seed=0).gene_sets.genes) & set(GENES[35:])


def test_enrichment_is_fishers_exact_test():
    known = make_gene_sets("k", {"a": GENES[:12], "b": GENES[20:30], "c": GENES[5:15]})
    chosen = [*GENES[:8], *GENES[30:34]]
    for found in enriched(chosen, GENES, known):
        members = set(known.sets[found.name])
        both = len(members & set(chosen))
        table = [[both, len(chosen) - both], [len(members) - both, 40 - len(members) - len(chosen) + both]]
        assert found.overlap == both
        assert found.p_value == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    assert [found.name for found in enriched(chosen, GENES, known)][0] == "a"
    assert enriched([], GENES, known) == [] and enriched(chosen, ["X"], known) == []


def test_false_discovery_rates_by_hand():
    rates = false_discovery_rates(np.array([0.04, 0.01, 0.03, 0.5]))
    np.testing.assert_allclose(rates, [0.16 / 3, 0.04, 0.16 / 3, 0.5])


def test_readable_names():
    assert readable("HALLMARK_E2F_TARGETS") == "E2f targets"
    assert readable("Response To Virus (GO:0009615)") == "Response To Virus (GO:0009615)"
