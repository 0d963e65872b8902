"""A notebook session, line by line as the README promises it: small cells, few steps, no workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import genediff as gd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N_GENES = 160
FEW = {"steps": 25, "tokenizer_steps": 25, "batch_size": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def adata() -> anndata.AnnData:
    """240 shipped blood cells of three types; in two thirds STAT1 or JAK2 is knocked out, and genes fall to 40%."""
    shipped = gd.open_dataset("pbmc3k").to_anndata()
    kinds = shipped.obs["cell_type_derived"].astype(str).to_numpy()
    rows = np.concatenate([np.flatnonzero(kinds == kind)[:80] for kind in ("B", "CD14 Mono", "CD4 T")])
    members = {gene for genes in gd.Workspace().library().gene_sets("hallmark").sets.values() for gene in genes}
    edges = gd.Workspace().library().network("collectri").edges
    known = members & {*edges["source"], *edges["target"]}
    usual = np.asarray(shipped.X.sum(axis=0)).ravel().argsort()[::-1]
    genes = [shipped.var_names[i] for i in usual if shipped.var_names[i] in known][: N_GENES - 2]
    cells = shipped[rows][:, genes].copy()
    draw = np.random.default_rng(0)
    done = np.array(["control", "STAT1", "JAK2"])[np.arange(len(rows)) % 3]
    counts = np.concatenate([cells.X.toarray(), draw.poisson(2.0, (len(rows), 2))], axis=1)
    for name, part in (("STAT1", slice(0, 30)), ("JAK2", slice(20, 50))):
        counts[done == name, part] = draw.binomial(counts[done == name, part].astype(int), 0.4)
    obs = pd.DataFrame({"cell_type": kinds[rows], "perturbation": done}, index=[f"c{i}" for i in range(len(rows))])
    var = pd.DataFrame(index=[*genes, "STAT1", "JAK2"])
    return anndata.AnnData(sp.csr_matrix(counts.astype(np.float32)), obs=obs, var=var)


@pytest.fixture(scope="module")
def cells(adata: anndata.AnnData) -> gd.Cells:
    return gd.read_h5ad(adata, label="cell_type")


@pytest.fixture(scope="module")
def model(cells: gd.Cells) -> gd.GeneDiff:
    made = gd.GeneDiff(gd.tokenizers.Pathway(gene_sets="hallmark"), preset="quick", **FEW)
    assert "not fitted" in repr(made)
    losses = [step.loss for step in made.fit(cells) if step.loss is not None]
    assert len(losses) == 50
    assert np.mean(losses[20:25]) < np.mean(losses[:5])
    return made


@pytest.fixture(scope="module")
def out(model: gd.GeneDiff) -> anndata.AnnData:
    return model.generate(60, label="B")


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No workspace comes into being unless one is wanted."""
    monkeypatch.setenv("GENEDIFF_HOME", str(tmp_path / "home"))
    yield
    assert not (tmp_path / "home").exists()


def test_cells_are_read_with_a_report(cells: gd.Cells, adata: anndata.AnnData) -> None:
    assert len(cells) == adata.n_obs
    assert set(cells.genes) <= set(adata.var_names)
    assert cells.report is not None and cells.report.counts == "X"
    assert "Counts" in str(cells.report)
    assert (cells.dataset.info.perturbation, cells.dataset.info.control) == ("perturbation", "control")
    back = cells.to_anndata()
    assert abs(back.X - adata[back.obs_names, back.var_names].X).sum() == 0


def test_every_object_has_a_short_repr(cells: gd.Cells, model: gd.GeneDiff, out: anndata.AnnData) -> None:
    shown = [repr(thing) for thing in (cells, cells.report, model, model.tokenization, gd.Workspace())]
    assert all(len(text) < 200 and "\n" not in text for text in shown), shown
    assert "240 cells" in shown[0] and "hallmark" in shown[2]


def test_cells_are_generated_of_a_label(model: gd.GeneDiff, out: anndata.AnnData) -> None:
    assert out.n_obs == 60
    assert set(out.obs["cell_type"]) == {"B"}
    assert tuple(out.var_names) == model.genes
    assert (out.X.data == np.round(out.X.data)).all()
    mixed = model.generate(60, seed=3)
    assert set(mixed.obs["cell_type"]) == {"B", "CD14 Mono", "CD4 T"}


def test_generated_cells_are_judged_in_a_small_table(cells: gd.Cells, model: gd.GeneDiff, out: anndata.AnnData) -> None:
    table = gd.evaluate(model.generate(120), cells, seeds=(0,))
    assert {"Generated", "Real vs. real"} <= set(table.columns)
    with pytest.raises(gd.InputError, match="holds 16 B test cells"):
        gd.evaluate(out, cells, seeds=(0,))
    assert len(table) <= 24 and len(table.columns) <= 6
    assert np.isfinite(table["Generated"]).any()
    assert table.attrs["verdict"].endswith(".")


def test_generated_cells_are_drawn_on_the_umap(cells: gd.Cells, out: anndata.AnnData) -> None:
    for color in (None, "cell_type", cells.genes[0]):
        figure = gd.pl.umap(out, cells, color=color)
        assert sum(len(trace.x) for trace in figure.data if trace.x is not None) >= len(cells) + 60
    # The last is of a gene: real and generated cells on one scale. Real ones were normalised by all genes of the file.
    shown = np.concatenate([one for trace in figure.data if isinstance(one := trace.marker.color, np.ndarray)])
    one_scale = cells.dataset.gene_values(cells.genes[0], as_models=True)
    assert np.isin(np.round(one_scale, 3), np.round(shown, 3)).all()
    with pytest.raises(gd.InputError, match="no column and no gene 'colour'"):
        gd.pl.umap(out, cells, color="colour")


def test_pathways_are_compared_between_groups(cells: gd.Cells, model: gd.GeneDiff) -> None:
    table = gd.tl.pathways(model, cells)
    assert list(table.columns) == ["B", "CD14 Mono", "CD4 T"]
    assert set(table.index) == set(model.network.knowledge.gene_sets.sets) & set(model.network.tokenizer.layout.names)
    spread = table.std(axis=1).to_numpy()
    assert (np.diff(spread) <= 1e-9).all() and spread[0] > 0


@pytest.mark.usefixtures("short_start")
def test_the_regulators_of_a_gene_are_ranked(cells: gd.Cells) -> None:
    made = gd.GeneDiff(gd.tokenizers.GRN(network="collectri"), **FEW)
    for _ in made.fit(cells):
        pass
    gene = made.network.knowledge.network.edges["target"].value_counts().index[0]
    table = gd.tl.regulators(made, gene)
    assert table["effect"].is_monotonic_decreasing and table["effect"].iloc[0] > 0
    direct = set(table.index[table["direct"]])
    edges = made.network.knowledge.network.edges
    assert direct == set(edges.loc[edges["target"] == gene, "source"]) - {gene}
    assert gd.tl.regulators(made, gene, cells)["effect"].iloc[0] > 0


def test_a_pair_that_nobody_measured_is_predicted(cells: gd.Cells) -> None:
    found = gd.perturb.predict(cells, "STAT1+JAK2")
    labels = found.obs["target_gene"].astype(str)
    assert set(labels) == {"non-targeting", "JAK2+STAT1"} or set(labels) == {"non-targeting", "STAT1+JAK2"}
    both, control = (np.asarray(found[rows.to_numpy()].X.mean(axis=0)).ravel() for rows in (
        labels != "non-targeting", labels == "non-targeting"))  # fmt: skip
    halved = [found.var_names.get_loc(gene) for gene in cells.genes if gene in found.var_names]
    assert (both - control)[halved].min() < -0.2


def test_a_model_is_kept_and_read_again(model: gd.GeneDiff, out: anndata.AnnData, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    again = gd.GeneDiff.load(folder, device="cpu")
    assert repr(again.tokenization).startswith("pathway(gene_sets='hallmark'")
    assert abs(again.generate(60, label="B").X - out.X).sum() == 0
    with pytest.raises(gd.InputError, match="give a folder that is new or empty"):
        model.save(folder)


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda cells, model: gd.read_h5ad("nowhere.h5ad"), "nowhere.h5ad"),
        (lambda cells, model: gd.read_h5ad(3), "not from a int"),
        (lambda cells, model: gd.GeneDiff("pathway"), "chosen as genediff.tokenizers.Latent"),
        (lambda cells, model: gd.GeneDiff().generate(3), "not fitted"),
        (lambda cells, model: gd.tokenizers.Rank(gene_sets="hallmark"), "no option 'gene_sets'"),
        (lambda cells, model: next(gd.GeneDiff(preset="slow").fit(cells)), "slow"),
        (lambda cells, model: next(gd.GeneDiff(options={"train.emma": 1}).fit(cells)), "no option 'train.emma'"),
        (lambda cells, model: next(gd.GeneDiff(gd.tokenizers.Pathway(gene_sets="x")).fit(cells)), "'x'"),
        (lambda cells, model: model.generate(3, label="platelet"), "knows no label 'platelet'; it knows cell_type: B"),
        (lambda cells, model: gd.tl.regulators(model, "STAT1"), "gene tokens|network"),
        (lambda cells, model: gd.tl.pathways(model, cells, groupby="sex"), "sex"),
        (lambda cells, model: gd.perturb.predict(cells, "STAT1", model="magic"), "no such baseline"),
    ],
)
def test_an_error_is_one_sentence(cells: gd.Cells, model: gd.GeneDiff, act, sentence: str) -> None:
    with pytest.raises(gd.InputError, match=sentence) as caught:
        act(cells, model)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_unknown_tokenizations_are_said() -> None:
    with pytest.raises(AttributeError, match="strategies are Latent, Pathway"):
        gd.tokenizers.Pathwy  # noqa: B018
