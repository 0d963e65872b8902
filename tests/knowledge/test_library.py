"""The library: what ships, what is added, and what cannot be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genediff.core.errors import InputError
from genediff.knowledge import Library, make_gene_sets, make_network, resolve_knowledge

if TYPE_CHECKING:
    from pathlib import Path

GENES = tuple(f"G{i}" for i in range(20))
SETS = make_gene_sets("My sets", {"a": GENES[:6], "b": GENES[4:12], "c": ["X", "Y"]}, descriptions={"a": "said of a"})
NETWORK = make_network("My net", pd.DataFrame({"source": ["G0", "G1", "NA"], "target": ["G2", "G3", "G4"]}))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "own", tmp_path / "none")


def test_what_is_added_comes_back(library: Library):
    first, second = library.add_gene_sets(SETS, notes=("mended",)), library.add_network(NETWORK)
    assert [(item.id, item.kind, item.n) for item in library.list()] == [
        ("my-net", "network", 3), ("my-sets", "gene_sets", 3)]  # fmt: skip
    assert library.gene_sets(first) == SETS and library.item(first).notes == ("mended",)
    pd.testing.assert_frame_equal(library.network(second).edges, NETWORK.edges)


def test_the_same_again_keeps_its_id_and_another_gets_its_own(library: Library):
    assert library.add_gene_sets(SETS) == library.add_gene_sets(SETS) == "my-sets"
    other = make_gene_sets("My sets", {"z": GENES})
    assert library.add_gene_sets(other) == "my-sets-2"
    assert library.gene_sets("my-sets") == SETS and library.gene_sets("my-sets-2") == other
    assert library.add_gene_sets(make_gene_sets("NMF", {"z": GENES})) == "my-nmf", "ids of computed knowledge are taken"


@pytest.mark.parametrize("wanted", ["nothing", "../own/my-sets", "", "my-net"])
def test_unknown_ids_name_the_known(library: Library, wanted: str):
    library.add_gene_sets(SETS)
    library.add_network(NETWORK)
    with pytest.raises(InputError, match="known: my-sets"):
        library.gene_sets(wanted)


def test_deleting(library: Library):
    library.add_gene_sets(SETS)
    library.delete("my-sets")
    assert library.list() == []
    with pytest.raises(InputError, match="none yet"):
        library.delete("my-sets")


def test_what_was_deleted_comes_back_as_it_was(library: Library):
    library.add_gene_sets(SETS)
    before = library.gene_sets("my-sets")
    library.delete("my-sets")
    library.restore("my-sets")
    assert library.gene_sets("my-sets").sets == before.sets
    with pytest.raises(InputError, match="was deleted"):
        library.restore("my-sets")
    with pytest.raises(InputError, match="was deleted"):
        library.restore("../my-sets")


def test_nothing_is_written_over_by_what_comes_back(library: Library):
    library.add_gene_sets(SETS)
    library.delete("my-sets")
    library.add_gene_sets(SETS)
    with pytest.raises(InputError, match="cannot be brought back"):
        library.restore("my-sets")
    assert library.gene_sets("my-sets").sets == SETS.sets


def test_broken_folders_are_passed_over(library: Library):
    library.add_gene_sets(SETS)
    (library.folder / "broken").mkdir()
    (library.folder / "broken" / "about.json").write_text("{")
    assert [item.id for item in library.list()] == ["my-sets"]


def _no_cells() -> sparse.csr_matrix:
    raise AssertionError("cells are read only where they are needed")


def test_gather_restricts_to_the_genes(library: Library):
    library.add_gene_sets(SETS)
    library.add_network(NETWORK)
    known = resolve_knowledge(library, gene_sets="my-sets", network="my-net", genes=GENES, x=_no_cells, seed=0)
    assert known.gene_sets is not None and list(known.gene_sets.sets) == ["a", "b"]
    assert known.network is not None and known.network.indices(GENES).tolist() == [[0, 1], [2, 3]]
    assert resolve_knowledge(library, gene_sets=None, network=None, genes=GENES, x=_no_cells, seed=0).network is None


def test_gather_gives_the_control(library: Library):
    library.add_gene_sets(SETS)
    pick = {"gene_sets": "my-sets", "network": None, "genes": GENES, "x": _no_cells}
    plain = resolve_knowledge(library, **pick, seed=3)
    control = resolve_knowledge(library, **pick, seed=3, shuffled=True)
    assert control.gene_sets == plain.gene_sets.shuffled(GENES, seed=3)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"gene_sets": "other"}, "no collection of gene sets 'other'"),
        ({"network": "other"}, "no network 'other'"),
        ({"network": "other+inferred:5"}, "no network 'other'"),
        ({"gene_sets": "nmf"}, "nmf:30"),
        ({"network": "inferred"}, "inferred:5000"),
        ({"network": "my-net+inferred"}, "inferred:5000"),
    ],
)
def test_gather_says_what_is_wrong(library: Library, choice, said):
    library.add_network(NETWORK)
    with pytest.raises(InputError, match=said):
        resolve_knowledge(library, **{"gene_sets": None, "network": None, **choice}, genes=GENES, x=_no_cells, seed=0)


def test_nothing_left_is_said_with_the_coverage(library: Library):
    library.add_gene_sets(SETS)
    library.add_network(NETWORK)
    mouse = tuple(gene.lower() for gene in GENES)
    with pytest.raises(InputError, match="0 of 20 genes.*case is ignored"):
        resolve_knowledge(library, gene_sets="my-sets", network=None, genes=mouse, x=_no_cells, seed=0)
    with pytest.raises(InputError, match="No edge is left"):
        resolve_knowledge(library, gene_sets=None, network="my-net", genes=mouse, x=_no_cells, seed=0)


def test_modules_come_from_the_cells(library: Library):
    cells = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (60, 20)).astype(np.float32))
    known = resolve_knowledge(library, gene_sets="nmf:2", network=None, genes=GENES, x=lambda: cells, seed=0)
    assert known.gene_sets is not None and set(known.gene_sets.genes) <= set(GENES)
