"""GMT files as they come."""

from __future__ import annotations

import gzip

import pytest

from genediff.core.errors import InputError
from genediff.knowledge.files import gmt_text, write_gzip
from genediff.knowledge.gmt import parse_gmt, read_gmt


def test_only_tabs_separate(tmp_path):
    """Splitting at any space made genes of the words of a description elsewhere."""
    path = tmp_path / "my_sets.gmt"
    path.write_text("T CELL SET\tGenes of T cells, see 10.1/x\tCD3D\tCD3E\t\n\nB\t\tMS4A1\tMS4A1\tCD79A\n")
    reading = read_gmt(path)
    assert dict(reading.gene_sets.sets) == {"T CELL SET": ("CD3D", "CD3E"), "B": ("MS4A1", "CD79A")}
    assert reading.gene_sets.descriptions == {"T CELL SET": "Genes of T cells, see 10.1/x"}
    assert reading.gene_sets.title == "my sets"
    assert reading.notes == ("1 genes named again in the same set: kept once.",)


def test_what_is_mended_is_said():
    reading = parse_gmt("A\td\tX\tY\nA\te\tY\tZ\nB\td\n", title="t")
    assert dict(reading.gene_sets.sets) == {"A": ("X", "Y", "Z")}
    assert reading.gene_sets.descriptions == {"A": "d"}
    assert [note.split()[0] for note in reading.notes] == ["1", "1"]
    assert "without genes" in reading.notes[0] and "joined" in reading.notes[1]


def test_written_and_read_again(tmp_path):
    sets = parse_gmt("A b\td\tX\tY\nB\t\tZ\n", title="t").gene_sets
    write_gzip(tmp_path / "a.gmt.gz", gmt_text(sets))
    write_gzip(tmp_path / "b.gmt.gz", gmt_text(sets))
    assert read_gmt(tmp_path / "a.gmt.gz", title="t").gene_sets == sets
    assert (tmp_path / "a.gmt.gz").read_bytes() == (tmp_path / "b.gmt.gz").read_bytes()


def test_windows_files_are_read(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_bytes(b"\xef\xbb\xbfA\td\tX\tY\r\nB\td\tZ\r\n")
    assert dict(read_gmt(path).gene_sets.sets) == {"A": ("X", "Y"), "B": ("Z",)}


BROKEN = {
    "empty": (b"", "is empty"),
    "no tabs": (b"CD3D CD3E\nCD4\n", "Line 1 of sets.gmt is not GMT"),
    "no genes": (b"A\td\nB\td\n", "no set with genes"),
    "no text": (bytes(range(256)), "no text file"),
    "not gzip": (b"\x1f\x8bnot a gzip file", "cannot be unpacked"),
    "cut short": (gzip.compress(b"A\td\tX\n" * 1000)[:-12], "cannot be unpacked"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_one_sentence(tmp_path, case):
    content, said = BROKEN[case]
    (tmp_path / "sets.gmt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_gmt(tmp_path / "sets.gmt")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no file none.gmt"):
        read_gmt(tmp_path / "none.gmt")


def test_real_collections_are_read_whole(shared_data):
    counts = {
        "msigdb_h.all.v7.5.1.symbols": 50, "msigdb_c2.cp.reactome.v7.5.1.symbols": 1615, "enrichr_KEGG_2021_Human": 320,
        "enrichr_GO_Biological_Process_2023": 5407, "msigdb_c2.cp.v7.5.1.symbols": 2982,
    }  # fmt: skip
    for name, n_sets in counts.items():
        assert len(read_gmt(shared_data / "genesets" / f"{name}.gmt").gene_sets.sets) == n_sets
