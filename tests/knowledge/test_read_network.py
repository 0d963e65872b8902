"""Networks in the formats in which people have them."""

from __future__ import annotations

import gzip

import pytest

from genediff.core.errors import InputError
from genediff.knowledge import Library
from genediff.knowledge.identifiers import is_id, map_ids, read_names, uniprot_symbols
from genediff.knowledge.read_network import read_network

STRING = "protein1 protein2 {}combined_score\n9606.ENSP00000000001 9606.ENSP00000000002 {}900\n" \
    "9606.ENSP00000000002 9606.ENSP00000000001 {}900\n9606.ENSP00000000001 9606.ENSP00000000003 {}800\n" \
    "9606.ENSP00000000001 9606.ENSP00000000004 {}300\n"  # fmt: skip
INFO = "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n9606.ENSP00000000001\tSTAT1\t750\tx y\n" \
    "9606.ENSP00000000002\tIRF1\t325\tz\n"  # fmt: skip
ALIASES = "#string_protein_id\talias\tsource\n9606.ENSP00000000001\tP42224\tUniProt_AC\n" \
    "9606.ENSP00000000001\tSTAT1\tEnsembl_HGNC_symbol\n9606.ENSP00000000002\tIRF1\tEnsembl_HGNC_symbol\n"  # fmt: skip
REGULONS = (
    ",,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment,Enrichment\n"
    ",,AUC,NES,MotifSimilarityQvalue,OrthologousIdentity,Annotation,Context,TargetGenes,RankAtMax\n"
    "TF,MotifID,,,,,,,,\n"
    "STAT1,m1,0.1,3.5,0,1,x,\"frozenset({'activating', 'w'})\",\"[('IRF1', 1.5), ('ISG15', 0.5)]\",100\n"
    "STAT1,m2,0.1,3.5,0,1,x,\"frozenset({'activating', 'w'})\",\"[('IRF1', 2.5)]\",100\n"
    "REST,m3,0.1,3.5,0,1,x,\"frozenset({'repressing', 'w'})\",\"[('SYN1', 1.0)]\",100\n"
)
EDGE = ("STAT1", "IRF1")

# name of the file, its text, format, and (weight, sign) of STAT1 -> IRF1
FORMATS = {
    "omnipath": ("a.tsv", "source\ttarget\tsign\tcuration_effort\tn_references\tsources\nSTAT1\tIRF1\t-1\t1\t1.0\tX\n",
                 "OmniPath", (1.0, -1)),
    "omnipath raw": ("a.tsv", "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\n"
                     "P42224\tP10914\tSTAT1\tIRF1\tTrue\tFalse\n", "OmniPath", (1.0, 1)),
    "dorothea": ("a.tsv", "tf\ttarget\tmor\tconfidence\nSTAT1\tIRF1\t-1.0\tA\n", "DoRothEA", (1.0, -1)),
    "dorothea decoupler": ("a.csv", "source,confidence,target,weight\nSTAT1,B,IRF1,-0.5\n", "DoRothEA", (0.5, -1)),
    "collectri decoupler": ("a.csv", "source,target,weight,PMID\nSTAT1,IRF1,1.0,1\nA,B,-1,5\n", "CollecTRI", (1.0, 1)),
    "with a pandas index": ("a.csv", ",source,target,weight\n0,STAT1,IRF1,1.0\n", "CollecTRI", (1.0, 1)),
    "trrust": ("a.tsv", "STAT1\tIRF1\tRepression\t1;2\nA\tB\tUnknown\t3\n", "TRRUST", (1.0, -1)),
    "trrust both": ("a.tsv", "STAT1\tIRF1\tRepression\t1\nSTAT1\tIRF1\tActivation\t3\n", "TRRUST", (1.0, 0)),
    "regnetwork": ("a.txt", "STAT1\t6772\tIRF1\t3659\nhsa-miR-1\tMIMAT0000416\tIRF2\t3660\n", "RegNetwork", (1.0, 0)),
    "regnetwork export": ("a.csv", "regulator_symbol,regulator_id,target_symbol,target_id,database,evidence,trust\n"
                          "STAT1,6772,IRF1,3659,x,y,High\n", "RegNetwork", (1.0, 0)),
    "adjacencies": ("a.tsv", "TF\ttarget\timportance\nSTAT1\tIRF1\t12.5\nSTAT1\tB\t0.5\n", "adjacencies", (12.5, 0)),
    "regulons": ("reg.csv", REGULONS, "pySCENIC regulons", (2.5, 1)),
    "regulons gmt": ("reg.gmt", "STAT1(+)\tgmt\tIRF1\tISG15\nREST(-)\tgmt\tSYN1\n", "GMT", (1.0, 1)),
    "scenic gmt": ("reg.gmt", "STAT1_extended (12g)\tx\tIRF1\n", "GMT", (1.0, 0)),
    "chip gmt": ("chip.gmt", "STAT1 206 ChIP-Seq HELA Human\t\tIRF1\tB\nSTAT1_K562_hg19\t\tIRF1\n", "GMT", (2.0, 0)),
    "chip atlas": ("a.tsv", "Target_genes\tSTAT1|Average\tSRX1|K562\tSTRING\nIRF1\t55.5\t60\t0\nB\t0\t0\t0\n",
                   "ChIP-Atlas", (55.5, 0)),
    "named": ("a.csv", "Regulator;Gene;Score;Effect\nSTAT1;IRF1;0.25;inhibits\n", "named columns", (0.25, -1)),
    "plain pairs": ("a.tsv", "STAT1\tIRF1\nTF\tB\n", "without a header", (1.0, 0)),
    "plain weights": ("a.csv", "STAT1,IRF1,0.5\nTF,B,2\n", "without a header", (0.5, 0)),
    "plain signs": ("a.tsv", "STAT1\tIRF1\t-\nTF\tB\t+\n", "without a header", (1.0, -1)),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True], ids=["text", "gzip"])
@pytest.mark.parametrize("case", FORMATS)
def test_formats_are_recognised_and_read(tmp_path, case, packed):
    name, text, known_as, expected = FORMATS[case]
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    reading = read_network(path)
    assert known_as in reading.format and reading.reason
    edge = reading.network.edges.set_index(["source", "target"]).loc[EDGE]
    assert (edge["weight"], edge["sign"]) == expected


@pytest.mark.parametrize("detail", ["", "1 2 3 "], ids=["links", "detailed"])
def test_string_links_get_gene_names(tmp_path, detail):
    links, info, aliases = tmp_path / "9606.protein.links.v12.0.txt.gz", tmp_path / "info.txt", tmp_path / "aliases.txt"
    links.write_bytes(gzip.compress(STRING.format("a b c " if detail else "", *[detail] * 4).encode()))
    info.write_text(INFO)
    aliases.write_text(ALIASES)
    for names in (info, aliases, {"9606.ENSP00000000001": "STAT1", "9606.ENSP00000000002": "IRF1"}):
        reading = read_network(links, names=names)
        rows = reading.network.edges[["source", "target", "weight"]].to_numpy().tolist()
        assert rows == [["IRF1", "STAT1", 0.9], ["STAT1", "IRF1", 0.9]]
        assert reading.unmapped == ("9606.ENSP00000000003",)
        assert any(note.startswith("1 of 4 rows") for note in reading.notes)
        assert any("1 edges were left out" in note for note in reading.notes)
    with pytest.raises(InputError, match="protein.info"):
        read_network(links)
    with pytest.raises(InputError, match="score of 950"):
        read_network(links, names=info, string_score=950)


def test_columns_can_be_told(tmp_path):
    path = tmp_path / "odd.tsv"
    path.write_text("who\twhom\thow\tmuch\nSTAT1\tIRF1\tRepression\t3\n")
    with pytest.raises(InputError, match=r"say which of its columns.*who, whom"):
        read_network(path)
    told = {"source": "who", "target": "whom", "sign": "how", "weight": "much"}
    assert read_network(path, columns=told).network.edges.to_numpy().tolist() == [["STAT1", "IRF1", 3.0, -1]]
    bare = tmp_path / "bare.tsv"
    bare.write_text("x\tSTAT1\tIRF1\t5\ny\tSTAT1\tIRF2\t6\n")
    found = read_network(bare, columns={"source": "2", "target": "3", "weight": "4"}).network.edges
    assert found["weight"].tolist() == [5.0, 6.0]
    with pytest.raises(InputError, match="no column 'where'"):
        read_network(path, columns={"source": "where", "target": "whom"})
    with pytest.raises(InputError, match="which column .* is the target"):
        read_network(path, columns={"source": "who"})


BROKEN = {
    "empty": ("a.tsv", "", "is empty"),
    "one column": ("a.tsv", "STAT1\nIRF1\n", "no table of two columns"),
    "header alone": ("a.tsv", "source\ttarget\tweight\n", "no rows"),
    "ragged": ("a.csv", "source,target\nA,B\nA,B,C,D,E\n", "different numbers of columns"),
    "only loops": ("a.csv", "source,target\nA,A\n", "no edge"),
    "only ids": ("a.csv", "source,target\nQ99999,P99999\n", "known gene symbol"),
    "regulons broken": ("a.csv", REGULONS.replace("[('IRF1', 2.5)]", "open('x')"), "TargetGenes of STAT1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_one_sentence(tmp_path, case):
    name, text, said = BROKEN[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_network(tmp_path / name)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no file none.tsv"):
        read_network(tmp_path / "none.tsv")


def test_ids_are_mapped_split_or_counted():
    import pandas as pd

    edges = pd.DataFrame({"source": ["P04637", "COMPLEX:P01100_P05412", "Q99999"], "target": ["MDM2", "MYC", "X"]})
    mapped = map_ids(edges)
    assert sorted(zip(mapped.edges["source"], mapped.edges["target"], strict=True)) == [
        ("FOS", "MYC"), ("JUN", "MYC"), ("TP53", "MDM2")]  # fmt: skip
    assert mapped.unmapped == ("Q99999",) and mapped.n_lost == 1


def test_no_symbol_is_taken_for_an_id(shared_data):
    import h5py

    with h5py.File(shared_data / "h5ad" / "pbmc3k_raw_counts.h5ad") as file:
        names = [name.decode() for name in file["var"][file["var"].attrs["_index"]][:]]
    library = Library(shared_data / "nowhere")
    names += [gene for wanted in ("hallmark", "reactome", "go_bp") for gene in library.gene_sets(wanted).genes]
    assert [name for name in names if is_id(name) and not name.startswith("ENSG")] == []
    assert all(is_id(accession) for accession in uniprot_symbols())


def test_a_table_of_names_needs_two_columns(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("ENSG00000115415\tSTAT1\nENSG00000125347\tIRF1\n")
    assert read_names(path) == {"ENSG00000115415": "STAT1", "ENSG00000125347": "IRF1"}
    path.write_text("ENSG00000115415 STAT1\n")
    with pytest.raises(InputError, match="with a tab"):
        read_names(path)


REAL = {
    "omnipath_collectri.tsv": ("OmniPath", "TP53", "CDKN1A", 1),
    "omnipath_trrust_part.tsv": ("OmniPath", "STAT1", "IRF1", 1),
    "omnipath_regnetwork_part.tsv": ("OmniPath", "STAT1", "IRF1", 1),
    "omnipath_encode_chip.tsv": ("OmniPath", "STAT1", "IRF1", 1),
    "dorothea_hs_ABC.tsv": ("DoRothEA", "MYC", "TERT", 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_networks_are_read(shared_data, name):
    known_as, source, target, sign = REAL[name]
    reading = read_network(shared_data / "networks" / name)
    assert known_as in reading.format
    edges = reading.network.edges.set_index(["source", "target"])
    assert edges.loc[(source, target), "sign"] == sign
    assert not any(is_id(gene) for gene in reading.network.genes)


def test_what_ships_is_what_the_sources_say(shared_data):
    from scripts.ship_knowledge import GENE_SETS, NETWORKS

    library = Library(shared_data / "nowhere")
    for item in NETWORKS:
        read = read_network(shared_data / "networks" / item.file).network.edges
        assert read.equals(library.network(item.id).edges)
    assert [(item.id, item.n) for item in library.list()] == [
        ("hallmark", 50), ("reactome", 1615), ("go_bp", 5407), ("collectri", 43784), ("trrust", 8682)]  # fmt: skip
    assert {item.id for item in (*GENE_SETS, *NETWORKS)} == {item.id for item in library.list()}
    assert len(library.regulators()) == 1639
