"""What else people bring: mixtures of species, tags without a type, corrected counts, loom, tables of every kind."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data import diagnose, import_cells, read_cells, require_usable

from .conftest import quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad

    from genediff.workspace import Workspace


def _texts(path: Path) -> str:
    return " ".join(problem.text for problem in diagnose(path).problems)


@pytest.mark.parametrize("prefix", ["GRCh38_", "hg19_", "GRCh38-2020-A_", "mm10___"])
def test_the_prefix_of_a_reference_is_stripped(prefix: str, workspace: Workspace, written: Callable) -> None:
    cells = small_cells()
    names = list(cells.var_names)
    cells.var_names = [prefix + name for name in names]
    path = written(cells)
    found = diagnose(path)
    assert found.species == ("mouse" if prefix.startswith("mm") else "human")
    assert f"lost the prefix of their reference ({prefix})" in _texts(path)
    assert list(import_cells(path, quick_config(), workspace.datasets).all_genes) == names


def test_a_mixture_of_species_is_named(workspace: Workspace, written: Callable) -> None:
    cells = small_cells()
    names = [*(f"GRCh38_{name}" for name in cells.var_names[:30]), *(f"mm10___Gm{n}" for n in range(30))]
    cells.var_names = names
    path = written(cells)
    assert diagnose(path).species == "human and mouse" and "mixture of species" in _texts(path)
    assert import_cells(path, quick_config(), workspace.datasets).all_genes[-1] == "Gm29"


def test_tags_and_spike_ins_without_a_type_are_left_out(workspace: Workspace, written: Callable) -> None:
    cells = small_cells()
    others = ["CD3_TotalSeqB", "CD4-ADT", "adt_CD8", "ERCC-00002", "Hashtag1", "SIRV1", "NegControlProbe_00042"]
    cells.var_names = [*others, *cells.var_names[7:-2], "ERCC1", "HTOR"]  # the last two are genes
    path = written(cells)
    assert "3 antibody tags, 2 spike-ins, 1 hashtags and 1 control probes" in _texts(path)
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert list(dataset.all_genes) == list(cells.var_names[7:])
    np.testing.assert_allclose(dataset.obs["qc_total"], cells.X[:, 7:].sum(axis=1).A1)


@pytest.mark.parametrize("word", ["protein", "Peaks", "Antibody Capture", "CRISPR Guide Capture", "Custom"])
def test_types_by_other_words(word: str, workspace: Workspace, written: Callable) -> None:
    """ "protein" and "Peaks" were taken for genes unless another feature was called "Gene Expression"."""
    cells = small_cells()
    cells.var["feature_types"] = ["gene"] * 50 + [word] * 10
    dataset = import_cells(written(cells), quick_config(), workspace.datasets)
    assert len(dataset.all_genes) == 50
    cells.var["feature_types"] = word
    with pytest.raises(InputError, match="no gene expression, only"):
        require_usable(diagnose(written(cells, "none.h5ad")))


def test_biotypes_are_genes(written: Callable) -> None:
    cells = small_cells()
    cells.var["feature_type"] = ["protein_coding", "lncRNA"] * 30
    assert diagnose(written(cells)).n_genes == 60


def test_corrected_counts_can_be_rounded(workspace: Workspace, written: Callable) -> None:
    """SoupX takes a little off every count; as "normalised" values no count model could be trained on them."""
    cells = small_cells()
    whole = cells.X.copy()
    cells.X.data -= np.random.default_rng(0).uniform(0, 0.3, cells.X.nnz).astype(np.float32)
    path = written(cells)
    found = diagnose(path)
    assert found.counts is None and found.rounding is not None and "become 0" in found.rounding
    dataset = import_cells(path, quick_config(round_counts=True), workspace.datasets)
    assert dataset.info.has_counts and any("were rounded" in note for note in dataset.info.notes)
    assert abs(dataset.counts() - whole[:, dataset.chosen]).sum() == 0
    assert not import_cells(path, quick_config(), workspace.datasets).info.has_counts


def test_other_fractions_are_not_taken_for_corrected_counts(written: Callable) -> None:
    cells = small_cells()
    dense = cells.X.toarray()
    scaled = dense / dense.sum(axis=1, keepdims=True) * 1e4
    for values in (scaled, np.log1p(scaled), np.log1p(scaled)[:, :30], scaled[:, :30]):
        part = cells[:, : values.shape[1]].copy()
        part.X = sp.csr_matrix(values.astype(np.float32))
        assert diagnose(written(part)).rounding is None


@pytest.mark.parametrize("layer", ["unspliced", "ambiguous"])
def test_spliced_counts_are_preferred(layer: str, written: Callable) -> None:
    cells = small_cells()
    cells.layers["spliced"], cells.layers[layer] = cells.X.copy(), cells.X.copy()
    del cells.X
    path = written(cells)
    assert diagnose(path).counts == "layers/spliced" and "without the unspliced" in _texts(path)


def test_labels_of_seuratdisk(written: Callable) -> None:
    """Numbers in the column and their names in __categories, without the reference that anndata 0.7 wrote."""
    cells = small_cells()
    cells.obs["cell_type"] = cells.obs["cell_type"].cat.codes.astype(np.int32)
    path = written(cells)
    with h5py.File(path, "a") as file:
        file["obs/__categories/cell_type"] = np.array(["B", "NK", "T"], "S")
    label = next(column for column in diagnose(path).columns if column.name == "cell_type")
    assert dict(label.levels) == {"B": 80, "NK": 80, "T": 80}


def test_loom(workspace: Workspace, tmp_path: Path) -> None:
    cells, path = small_cells(), tmp_path / "cells.loom"
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=cells.X.toarray().T, chunks=(16, 16), compression="gzip")
        file["layers/spliced"] = cells.X.toarray().T
        file["row_attrs/Gene"] = np.array(cells.var_names, "S")
        file["col_attrs/CellID"] = np.array(cells.obs_names, "S")
        file["col_attrs/cell_type"] = np.array(cells.obs["cell_type"].astype(str), "S")
    found = diagnose(path)
    assert (found.format, found.n_cells, found.n_genes, found.label) == ("loom", 240, 60, "cell_type")
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert abs(dataset.counts() - cells.X[:, dataset.chosen]).sum() == 0


# --------------------------------------------------------------------------------------------------------- tables


def _table(cells: ad.AnnData) -> pd.DataFrame:
    cells.var_names = ["MT-CO1", "MT-ND1", "CD3D", "CD3E", "LYZ", "NKG7", "B2M", *cells.var_names[7:]]
    return pd.DataFrame(cells.X.toarray().astype(int), index=cells.obs_names, columns=cells.var_names)


@pytest.mark.parametrize("separator", [",", "\t", ";", " ", "|"])
@pytest.mark.parametrize("turned", [False, True], ids=["cells in rows", "genes in rows"])
@pytest.mark.parametrize("how", ["plain", "quoted", "BOM", "UTF-16", "CRLF", "no corner", "comment"])
def test_separators_and_encodings(separator: str, turned: bool, how: str, tmp_path: Path) -> None:
    frame = _table(small_cells(40, 30))
    text = (frame.T if turned else frame).to_csv(sep=separator, quoting=1 if how == "quoted" else 0)
    text = text.replace("\n", "\r\n") if how == "CRLF" else text
    text = text.removeprefix(separator) if how == "no corner" else text
    text = f"# from somewhere\n{text}" if how == "comment" else text
    path = tmp_path / "cells.csv"
    path.write_bytes(text.encode({"BOM": "utf-8-sig", "UTF-16": "utf-16"}.get(how, "utf-8")))
    if separator == " " and how != "no corner":
        text = "x" + text if how not in ("quoted", "comment") else text
        path.write_bytes(text.encode({"BOM": "utf-8-sig", "UTF-16": "utf-16"}.get(how, "utf-8")))
    found = diagnose(path)
    assert (found.n_cells, found.n_genes, found.counts) == (40, 30, "X")


def test_a_decimal_comma(tmp_path: Path) -> None:
    frame = _table(small_cells(40, 30)) / 2
    (path := tmp_path / "cells.csv").write_text(frame.to_csv(sep=";", decimal=","))
    assert diagnose(path).n_cells == 40


@pytest.mark.parametrize(
    "genes",
    [
        [f"ENSG{number:011d}.2" for number in range(60)],
        [str(number * 37 + 5) for number in range(60)],
        ["CD3D", "LYZ", "NKG7", *(f"LOC{number}" for number in range(57))],
    ],
    ids=["Ensembl", "Entrez", "few known"],
)
def test_genes_as_rows_are_turned_round(genes: list[str], tmp_path: Path) -> None:
    """Read transposed they were "60 cells of 240 genes ... can be imported"."""
    cells = small_cells()
    cells.var_names = genes
    cells.obs_names = [f"S{number + 1}" for number in range(240)]
    frame = pd.DataFrame(cells.X.toarray().astype(int), index=cells.obs_names, columns=cells.var_names)
    (path := tmp_path / "counts.csv").write_text(frame.T.to_csv())
    found = diagnose(path)
    assert (found.n_cells, found.n_genes) == (240, 60)


def test_a_tie_is_asked(workspace: Workspace, tmp_path: Path) -> None:
    frame = pd.DataFrame(small_cells(30, 40).X.toarray().astype(int))
    frame.index, frame.columns = [f"x{n}x" for n in range(30)], [f"y{n}y" for n in range(40)]
    (path := tmp_path / "cells.csv").write_text(frame.to_csv())
    with pytest.raises(InputError, match="could be cells or genes"):
        diagnose(path)
    assert diagnose(path, rows="cells").n_cells == 30
    assert diagnose(path, rows="genes").n_cells == 40
    config = quick_config(label=None, table_rows="genes")
    assert import_cells(path, config, workspace.datasets).info.n_cells == 40


def test_columns_of_text_and_of_quality_are_no_genes(tmp_path: Path) -> None:
    cells = small_cells()
    frame = _table(cells)
    frame.insert(0, "cell_type", cells.obs["cell_type"].astype(str).to_numpy())
    frame["nCount_RNA"] = 5
    (path := tmp_path / "cells.csv").write_text(frame.to_csv())
    found = diagnose(path)
    assert (found.n_genes, found.label) == (60, "cell_type")


def test_a_table_without_names_of_cells(tmp_path: Path) -> None:
    """The first gene's counts were taken for the names of cells, and lost."""
    (path := tmp_path / "cells.csv").write_text(_table(small_cells()).to_csv(index=False))
    found = diagnose(path)
    assert (found.n_cells, found.n_genes) == (240, 60)


def _gct(version: str) -> Callable[[pd.DataFrame], str]:
    def text(frame: pd.DataFrame) -> str:
        genes = frame.T.astype(object)
        genes.insert(0, "Description", [f"{gene} and more" for gene in genes.index])
        if version == "1.2":
            return "#1.2\n60\t40\n" + genes.rename_axis("Name").to_csv(sep="\t")
        below = pd.DataFrame([["na", *np.resize(["B", "T"], 40)]], ["cell_type"], genes.columns)
        return "#1.3\n60\t40\t1\t1\n" + pd.concat([below, genes]).rename_axis("id").to_csv(sep="\t")

    return text


def _listed(columns: list[str], **how: Any) -> Callable[[pd.DataFrame], str]:
    def text(frame: pd.DataFrame) -> str:
        long = frame.rename_axis("cell").rename_axis("gene", axis=1).stack().rename("count").reset_index()
        return long[long["count"] > 0][["cell", "gene", "count"]].set_axis(columns, axis=1).to_csv(**how)

    return text


def _with_sums(frame: pd.DataFrame) -> str:
    both = pd.concat([frame, frame.sum().to_frame("Grand Total").T])
    return both.assign(Total=both.sum(axis=1)).to_csv()


LAYOUTS: dict[str, Callable[[pd.DataFrame], str]] = {
    "totals": _with_sums,
    "totals, turned": lambda frame: pd.concat([frame.T, frame.T.sum().to_frame("SUM").T]).to_csv(sep="\t"),
    "HTSeq": lambda frame: frame.assign(__no_feature=9, __not_aligned=7).T.to_csv(sep="\t", header=True),
    "STAR": lambda frame: frame.assign(N_unmapped=9, N_multimapping=7).T.to_csv(sep="\t"),
    "GCT 1.2": _gct("1.2"),
    "GCT 1.3": _gct("1.3"),
    "umi_tools": lambda frame: _listed(["cell", "gene", "count"], index=False, sep="\t")(frame),
    "one count a line": _listed(["barcode", "gene_name", "n_umis"]),
    "one count a line, other names": _listed(["V1", "V2", "V3"], index=False),
    "one count a line, no names": _listed(["V1", "V2", "V3"], index=False, header=False),
    "Excel's separator": lambda frame: "sep=;\n" + frame.to_csv(sep=";"),
    "a title": lambda frame: "Counts of 2024, second run\n\n" + frame.to_csv(),
    "a title and commas": lambda frame: "Counts" + "," * 60 + "\n" + "," * 60 + "\n" + frame.to_csv(),
    "a separator behind each line": lambda frame: frame.to_csv().replace("\n", ",\n"),
    "a separator behind values": lambda frame: frame.to_csv().replace("\n", ",\n").replace(",\n", "\n", 1),
    "quality": lambda frame: frame.assign(detected=9, leiden=1, umap_1=0.5, size_factors=1.1).to_csv(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_tables(layout: str, workspace: Workspace, tmp_path: Path) -> None:
    """Totals were a gene as large as all others, a list of counts was a table of one gene.

    Where only the lines of values ended with a separator, every gene had the counts of its neighbour.
    """
    frame = _table(small_cells(40, 60))
    (path := tmp_path / "cells.txt").write_text(LAYOUTS[layout](frame))
    dataset = import_cells(path, quick_config(label=None), workspace.datasets)
    assert set(dataset.all_genes) == set(frame.columns) and set(dataset.obs.index) == set(frame.index)
    expected = frame.loc[dataset.obs.index, list(dataset.genes)].to_numpy()
    np.testing.assert_array_equal(dataset.counts().toarray(), expected)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!DOCTYPE html>\n<html><body>404</body></html>\n", "page of a web site"),
        ("%%MatrixMarket matrix coordinate integer general\n%\n9 9 2\n1 1 5\n2 3 4\n", "Matrix Market"),
        ('{"CD3D": [1, 2],\n"LYZ": [0, 3]}\n', "JSON"),
        ("cell,type,sex\na,B,f\nb,T,m\n", "words .'B'. and no counts"),
        ("cell,CD3D,LYZ,NKG7\na,1,2,3\nb,2,x,3\nc,1,1,1\n", "line 3 holds 'x' in column 3, where numbers are"),
        ("cell,CD3D,LYZ\n" + "a,1,2\n" * 60 + "b,1\n", "line 62 has 2 values and not 3"),
        ("PK\x03\x04\x00", "an archive, or a spreadsheet"),
        ("#1.2\nmany\nName\tDescription\ts1\nCD3D\tx\t1\n", "does not say its size"),
        ("#1.2\n", "does not say its size"),
    ],
)
def test_what_is_no_table_is_named(text: str, why: str, tmp_path: Path) -> None:
    """One wrong value of a gene made its counts words, and the gene was lost in silence."""
    (path := tmp_path / "cells.txt").write_text(text)
    with pytest.raises(InputError, match=why):
        diagnose(path)


def test_a_packed_table_that_is_damaged(tmp_path: Path) -> None:
    """The end of a file that is cut short is no size: it was said to be too large."""
    text = _table(small_cells(400, 60)).to_csv()
    packed = gzip.compress(text.encode())
    for damaged in (packed[:-3000] + b"\xff" * 4, packed[:5000] + b"\xff" * 500 + packed[5500:]):
        (path := tmp_path / "cells.csv.gz").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be unpacked"):
            diagnose(path)


def test_texts_without_nul(workspace: Workspace, written: Callable) -> None:
    """HDF5 stores none in texts of any length: the import ended in a traceback."""
    path = written(small_cells())
    with h5py.File(path, "a") as file:
        del file["obs/cell_type/categories"]
        file["obs/cell_type/categories"] = np.array([b"B\xff", b"N\0K", b"T"], "S4")
    dataset = import_cells(path, quick_config(), workspace.datasets)
    assert set(dataset.obs["cell_type"]) == {"B\ufffd", "NK", "T"}


def test_genes_that_a_spreadsheet_made_dates_are_named(tmp_path: Path) -> None:
    frame = _table(small_cells(40, 60)).rename(columns={"GENE20": "7-Sep", "GENE21": "1-Mar"})
    (path := tmp_path / "cells.csv").write_text(frame.to_csv())
    assert "2 genes are called like dates (7-Sep, 1-Mar)" in _texts(path)


# ------------------------------------------------------------------------------------- splits, and what was silent


@pytest.mark.parametrize("column", ["split", "fold", "partition"])
def test_a_split_of_train_and_test_alone(column: str, workspace: Workspace, written: Callable) -> None:
    """The commonest layout ended in a traceback: validation cells were sought in a list of two levels."""
    cells = small_cells()
    cells.obs[column] = ["train"] * 160 + ["test"] * 80
    path = written(cells)
    config = diagnose(path).propose_config()
    assert config.split_column in (column, f"{column}_in_file")
    sizes = import_cells(path, config.model_copy(update={"umap": False}), workspace.datasets).info.split_sizes
    assert sizes["test"] == 80 and sizes["train"] + sizes["validation"] == 160 and sizes["validation"] >= 30


@pytest.mark.parametrize("value", [1e20, 3e38, 2.0**33])
def test_impossible_counts_are_refused(value: float, workspace: Workspace, written: Callable) -> None:
    cells = small_cells()
    dense = cells.X.toarray()
    dense[5, 7] = value
    cells.X = sp.csr_matrix(dense)
    path = written(cells)
    with pytest.raises(InputError, match="more molecules than a cell has"):
        require_usable(diagnose(path))
    with pytest.raises(InputError, match="more molecules than a cell has"):
        import_cells(path, quick_config(), workspace.datasets)


def test_complex_counts_are_refused(written: Callable) -> None:
    cells = small_cells()
    cells.X = cells.X.astype(np.complex64)
    with pytest.raises(InputError, match="not a list of numbers"):
        diagnose(written(cells))


def test_a_table_of_cells_that_was_written_over(workspace: Workspace, written: Callable) -> None:
    """anndata writes a column without a name in the place of the whole table; cells and genes are still there."""
    cells = small_cells()
    cells.obs[""] = range(240)
    path = written(cells)
    found = diagnose(path)
    assert (found.n_cells, found.n_genes, found.label) == (240, 60, None) and "written over it" in _texts(path)
    with h5py.File(path, "a") as file:
        del file["obs"]
        file["obs"] = np.arange(240)
    with pytest.raises(InputError, match="obs is no table"):
        diagnose(path)


def _molecules(path: Path, *, samples: int = 1, called: bool = True) -> np.ndarray:
    """Write 20,000 molecules of 300 barcodes, every other one a cell; returns the counts of the cells."""
    rng = np.random.default_rng(0)
    barcodes, genes = rng.integers(0, 300, 20_000), rng.integers(0, 50, 20_000)
    with h5py.File(path, "w") as file:
        file["barcode_idx"], file["feature_idx"] = barcodes.astype("u8"), genes.astype("u4")
        file["gem_group"] = rng.integers(1, samples + 1, 20_000).astype("u2")
        file["count"] = rng.integers(1, 9, 20_000).astype("u4")
        file["barcodes"] = np.array([f"AC{number:06d}" for number in range(300)], "S16")
        file["features/name"] = np.array(["CD3D", "LYZ", *(f"GENE{number}" for number in range(48))], "S")
        if called:
            file["barcode_info/pass_filter"] = np.c_[np.arange(0, 300, 2), np.zeros((150, 2))].astype("u8")
    counts = np.zeros((300, 50))
    np.add.at(counts, (barcodes, genes), 1)
    return counts[::2]


def test_molecules_are_counted_in_the_called_cells(tmp_path):
    """A molecule is one, however often it was read; other barcodes are empty droplets."""
    path = tmp_path / "molecule_info.h5"
    counts = _molecules(path)
    with read_cells(path) as cells:
        read = np.vstack([tile.values.toarray() for tile in cells.matrices["X"].tiles()])
        assert list(cells.obs.index[:2]) == ["AC000000-1", "AC000002-1"]
    np.testing.assert_array_equal(read, counts)


@pytest.mark.parametrize(
    ("how", "why"), [({"samples": 2}, "2 samples"), ({"called": False}, "which barcodes are cells")]
)
def test_molecules_without_cells_of_one_sample_are_refused(tmp_path, how, why):
    _molecules(tmp_path / "molecule_info.h5", **how)
    with pytest.raises(InputError, match=why):
        read_cells(tmp_path / "molecule_info.h5")


def test_spaces_behind_separators_belong_to_nothing(tmp_path: Path) -> None:
    """Genes called " CD3D" were known to nobody, and the table was turned round in silence."""
    counts = small_cells(60).X.toarray().astype(int)
    genes = ["CD3D", "LYZ", "NKG7", *(f"GENE{number}" for number in range(57))]
    text = pd.DataFrame(counts, [f"AAAC{number}-1" for number in range(60)], genes).to_csv().replace(",", ", ")
    (tmp_path / "cells.csv").write_text(text)
    with read_cells(tmp_path / "cells.csv") as cells:
        assert list(cells.var["X"].index) == genes and cells.matrices["X"].shape == (60, 60)


def test_a_field_without_end_is_no_table(tmp_path: Path) -> None:
    """It was said to be damaged, and to be written again with anndata."""
    (tmp_path / "cells.csv").write_text("a," + "x" * 200_000 + "\n1,2\n" * 30)
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_cells(tmp_path / "cells.csv")


@pytest.mark.parametrize(
    ("column", "levels", "control"),
    [
        ("genotype", ("WT", "STAT1-/-", "JAK2-/-"), "WT"),
        ("edit", ("AAVS1", "STAT1_KO", "JAK2_KO"), "AAVS1"),
        ("ORF", ("mCherry", "GATA1 OE", "KLF1 OE"), "mCherry"),
        ("infected", ("mock", "SARS-CoV-2", "IAV"), "mock"),
        ("TF", ("TFORF3549-GFP", "TFORF3550-STAT1", "TFORF1-JAK2"), "TFORF3549-GFP"),
        ("gene_symbol", ("STAT1", "non-targeting", "JAK2"), "non-targeting"),
        ("GenePair", ("NT_NT", "NT_STAT1", "JAK2_STAT1"), "NT_NT"),
        ("vector", ("Empty", "STAT1", "JAK2"), "Empty"),
        ("sample", ("DMSO", "JQ1"), "DMSO"),
        ("treated", ("untreated", "LPS"), "untreated"),
        ("stim", ("None", "LPS", "IFNG"), "None"),
        ("subset", ("naive", "STAT1", "JAK2"), None),
        ("disease", ("Control", "COVID-19"), None),
        ("group", ("WT", "APP"), None),
        ("batch", ("A", "B", "con"), None),
        ("genotype", ("E3/E3", "E3/E4", "E4/E4"), None),
        ("infected", ("yes", "no"), None),
        ("target_entrez", ("control", "6772", "3717"), None),
    ],
)
def test_columns_with_other_names_hold_perturbations(
    column: str, levels: tuple[str, ...], control: str | None, written: Callable
) -> None:
    """Edits, genotypes and columns of any name with guides or DMSO went unnoticed; Entrez ids were read as drugs."""
    cells = small_cells()
    cells.var_names = ["STAT1", "JAK2", "GATA1", "KLF1", *cells.var_names[4:]]
    cells.obs[column] = np.resize(np.array(levels, dtype=object), cells.n_obs)
    found = diagnose(written(cells))
    assert (found.perturbation, found.control) == ((column, control) if control else (None, None))
