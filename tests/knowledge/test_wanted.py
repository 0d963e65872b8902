"""What ids of computed knowledge mean, and stand-ins of the same size."""

from __future__ import annotations

import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.knowledge import Library, check_spec, make_gene_sets, make_network, stand_in

GENES = tuple(f"G{i}" for i in range(60))


@pytest.fixture
def library(tmp_path):
    place = Library(tmp_path / "own", tmp_path / "assets")
    sets = {f"S{k}": GENES[10 * k : 10 * k + 10] for k in range(4)}
    place.add_gene_sets(make_gene_sets("mine", sets))
    edges = pd.DataFrame({"source": ["G0", "G0", "G1"], "target": ["G5", "G6", "G7"]})
    place.add_network(make_network("net", edges))
    return place


def test_known_sets_and_networks_stand_for_themselves(library):
    known = stand_in(library, gene_sets="mine", network="net", genes=GENES[:20])
    assert list(known.gene_sets.sets) == ["S0", "S1"]
    assert len(known.network.edges) == 3


def test_computed_knowledge_gets_the_size_that_was_asked_for_and_no_look_at_cells(library):
    known = stand_in(library, gene_sets="nmf:7", network="inferred:90", genes=GENES)
    assert len(known.gene_sets.sets) == 7
    assert all(set(members) <= set(GENES) and len(members) >= 5 for members in known.gene_sets.sets.values())
    # Chance draws a few edges from a gene to itself, which a network does not hold.
    assert 80 <= len(known.network.edges) <= 90
    refined = stand_in(library, gene_sets=None, network="net+inferred:90", genes=GENES).network
    assert 83 <= len(refined.edges) <= 93
    assert {("G0", "G5"), ("G1", "G7")} <= set(zip(refined.edges["source"], refined.edges["target"], strict=True))


def test_more_edges_than_there_can_be_are_as_many_as_there_can_be(library):
    assert len(stand_in(library, gene_sets=None, network="inferred:100000", genes=GENES).network.edges) <= 5 * 60


@pytest.mark.parametrize(
    ("sets", "network"), [("nothing", None), (None, "nothing"), (None, "nothing+inferred:50"), ("nmf", None)]
)
def test_unknown_ids_fail_before_anything_is_computed(library, sets, network):
    with pytest.raises(InputError, match=r"There is no (collection of gene sets|network) "):
        check_spec(library, gene_sets=sets, network=network)


def test_what_can_be_computed_or_is_there_passes(library):
    for sets, network in [("mine", "net"), ("nmf:5", "inferred:10"), (None, "net+inferred:10"), (None, None)]:
        check_spec(library, gene_sets=sets, network=network)


def test_knowledge_of_other_genes_is_said(library):
    with pytest.raises(InputError, match="No set is left"):
        stand_in(library, gene_sets="mine", network=None, genes=["x", "y"])
    with pytest.raises(InputError, match="No edge is left"):
        stand_in(library, gene_sets=None, network="net", genes=["x", "y"])
