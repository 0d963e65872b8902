"""Tables of orthologs: the shipped one, and files as MGI, Ensembl, HCOP and people write them."""

from __future__ import annotations

import pytest

from genediff.core.errors import InputError
from genediff.knowledge.orthologs import shipped_orthologs
from genediff.knowledge.read_orthologs import open_orthologs, read_orthologs

MGI = (
    "DB Class Key\tCommon Organism Name\tNCBI Taxon ID\tSymbol\n"
    "1\tmouse, laboratory\t10090\tCd3e\n1\thuman\t9606\tCD3E\n"
    "2\tmouse, laboratory\t10090\tLyz1\n2\tmouse, laboratory\t10090\tLyz2\n2\thuman\t9606\tLYZ\n"
    "3\tmouse, laboratory\t10090\tTrp53\n3\thuman\t9606\tTP53\n"
)
BIOMART = (
    "Gene stable ID,Gene name,Mouse gene name,Mouse homology type\n"
    "ENSG1,CD3E,Cd3e,ortholog_one2one\nENSG2,LYZ,Lyz1,ortholog_one2many\nENSG2,LYZ,Lyz2,ortholog_one2many\n"
    "ENSG3,TP53,Trp53,ortholog_one2one\nENSG4,NONE1,,\n"
)
BACKWARDS = "Gene name\tHuman gene name\nCd3e\tCD3E\nLyz1\tLYZ\nLyz2\tLYZ\nTrp53\tTP53\n"
HCOP = (
    "human_symbol\tmouse_symbol\tsupport\nCD3E\tCd3e\tEnsembl,OMA,Panther\nCD3E\tCd3d\tOMA\n"
    "LYZ\tLyz1\tEnsembl,OMA\nLYZ\tLyz2\tEnsembl,Panther\nTP53\tTrp53\tEnsembl\nTP63\t-\tOMA\n"
)
PLAIN = "mouse,human\nCd3e,CD3E\nLyz1,LYZ\nLyz2,LYZ\nTrp53,TP53\n"
UNNAMED = "a;b\nCD3E;Cd3e\nLYZ;Lyz1\nLYZ;Lyz2\nTP53;Trp53\n"


@pytest.mark.parametrize("text", [MGI, BIOMART, BACKWARDS, HCOP, PLAIN, UNNAMED])
def test_every_format_gives_the_same_certain_pairs(tmp_path, text):
    (tmp_path / "table.txt").write_text(text)
    found = read_orthologs(tmp_path / "table.txt")
    assert found.pairs == (("CD3E", "Cd3e"), ("TP53", "Trp53"))
    assert found.n_left_out == 1
    assert "2 one-to-one pairs. 1 genes with several partners" in found.sentence


def test_either_direction_is_found_by_looking():
    table = shipped_orthologs()
    assert table.names_for(["Cd3e", "Trp53", "Xyz"], ["CD3E", "TP53"]) == {"Cd3e": "CD3E", "Trp53": "TP53"}
    assert table.names_for(["CD3E", "TP53"], ["Trp53", "Cd3e"]) == {"CD3E": "Cd3e", "TP53": "Trp53"}
    assert table.names_for(["CD3E"], ["CD3E", "TP53"]) == {}


def test_former_symbols_of_old_data_sets_are_known():
    table = shipped_orthologs()
    old = next(old for old, new in table.former.items() if any(new == pair[0] for pair in table.pairs[:500]))
    new = table.former[old]
    mouse = dict(table.pairs)[new]
    assert table.names_for([mouse], [old]) == {mouse: old}
    assert table.names_for([old], [mouse]) == {old: mouse}
    assert table.names_for([old, new], [mouse]) == {new: mouse}  # today's symbol wins


def test_the_shipped_table_is_one_to_one_and_knows_well_known_genes():
    table = open_orthologs("shipped")
    human, mouse = zip(*table.pairs, strict=True)
    assert len(set(human)) == len(set(mouse)) == len(human) > 16_000
    known = {"CD3E": "Cd3e", "TP53": "Trp53", "PTPRC": "Ptprc", "ISG15": "Isg15", "ACTB": "Actb", "STAT1": "Stat1"}
    assert {gene: dict(table.pairs)[gene] for gene in known} == known
    assert "LYZ" not in human  # two genes in the mouse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c\n1,2,3\n", "no table of orthologs that is known"),
        ("human,mouse\n", "no pairs"),
        ("human,mouse\nA\n", "Row 2 .* has 1 columns"),
        ("human,mouse\nA,a\nA,b\n", "no one-to-one pair"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path, text, said):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        read_orthologs(tmp_path / "table.csv")
