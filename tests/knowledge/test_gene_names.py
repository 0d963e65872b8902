"""Genes are found by any of their names, and a name is never taken for another gene's."""

from __future__ import annotations

import gzip

import pytest

from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.gene_names import FILES, find_gene, hidden_names, other_names

GENES = ("PTPRC", "CD4", "FAM26F", "KMT2D", "FCGR3A", "FCGR3B", "Ptprc2", "MRP8x")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PTPRC", ("PTPRC",)),
        (" ptprc ", ("PTPRC",)),
        ("CD45", ("PTPRC",)),  # a former symbol
        ("b220", ("PTPRC",)),  # an alias
        ("ENSG00000081237", ("PTPRC",)),
        ("ensg00000081237.21", ("PTPRC",)),
        ("CALHM6", ("FAM26F",)),  # the symbol of today for a gene that the file calls by its former one
        ("MLL2", ("KMT2D",)),  # also an alias of KMT2B, which is less sure than a former symbol
        ("CD16", ("FCGR3A", "FCGR3B")),  # shared: the reader is asked
        ("CD25", ()),  # known, but not in these cells
        ("no such gene", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_names_resolve(query, found):
    assert find_gene(query, GENES) == found


def test_mouse_genes_are_found_by_their_own_names():
    assert find_gene("Cd45", ("Ptprc", "Cd4")) == ("Ptprc",)
    assert find_gene("ENSMUSG00000026395", ("Ptprc", "Cd4")) == ("Ptprc",)


def test_ids_of_the_data_set_win_over_the_table():
    assert find_gene("ENSG00000081237", ("mine", "PTPRC"), ids=("ENSG00000081237.3", "ENSG1")) == ("mine",)


def test_a_name_in_the_file_is_that_gene_whatever_else_it_means():
    assert find_gene("CD45", ("CD45", "PTPRC")) == ("CD45",)


@pytest.mark.parametrize("species", FILES)
def test_every_symbol_and_id_of_the_table_leads_to_its_gene(species):
    lines = gzip.decompress((SHIPPED_KNOWLEDGE / FILES[species]).read_bytes()).decode().splitlines()[1:]
    rows = [line.split("\t") for line in lines[::997]]
    assert len(rows) > 30
    for symbol, ensembl, previous, aliases in rows:
        for name in [ensembl, *previous.split("|"), *aliases.split("|")]:
            if name:
                assert symbol in find_gene(name, (symbol, "another")), (name, symbol)


def test_all_names_of_a_gene():
    names = other_names("PTPRC")
    assert names is not None and names.ensembl == "ENSG00000081237" and "CD45" in names.every
    assert other_names("no such gene") is None


def test_a_name_that_is_part_of_a_longer_one_is_offered_beside_the_genes():
    """CD20 and Enter gave CD207: the list held symbols alone, and CD20 is the alias of MS4A1."""
    genes = ("CD207", "CD8A", "CD84", "MS4A1")
    found = hidden_names(genes)
    assert found["CD20"] == ("MS4A1",)
    assert "MS4A1" not in found and "CD207" not in found  # genes of their own
    assert "CD45" not in found  # part of no symbol here, so nothing can be taken in its place
    assert hidden_names(("Cd207", "Ms4a1", "Ptprc"))["CD20"] == ("Ms4a1",)
