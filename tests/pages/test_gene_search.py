"""Of very many genes some are listed in the browser; none is hidden by a longer name, and all are found."""

from __future__ import annotations

import numpy as np

from genediff.knowledge.gene_names import find_gene
from genediff.ui.kit.gene_search import LISTED, _listed, _names


def many() -> tuple[tuple[str, ...], np.ndarray]:
    """Return names of which shorter ones are parts of longer ones, and in how many cells each was detected."""
    draw = np.random.default_rng(0)
    numbers = draw.choice(100_000, 20_000, replace=False)
    return tuple(f"G{number}" for number in numbers), draw.integers(0, 3000, len(numbers))


def test_the_genes_of_most_cells_are_listed():
    genes, detected = many()
    listed = set(_listed(genes, detected))
    assert len(listed) == LISTED
    least = min(count for gene, count in zip(genes, detected, strict=True) if gene in listed)
    assert all(count <= least for gene, count in zip(genes, detected, strict=True) if gene not in listed)
    assert _listed(genes, None) == genes and _listed(genes[:LISTED], detected[:LISTED]) == genes[:LISTED]


def test_enter_takes_no_listed_gene_for_another_that_was_typed_in_full():
    """The browser takes the first name that contains what was typed; a gene that is not listed is added as typed."""
    genes, detected = many()
    names = _names(genes, _listed(genes, detected))
    assert len(names) < len(genes)
    for typed in genes[::40]:
        taken = next((name for name in names if typed in name), typed)
        assert taken == typed and find_gene(typed, genes) == (typed,)
