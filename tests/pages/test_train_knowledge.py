"""The Train page for strategies that are built on gene sets or a network."""

from __future__ import annotations

import io
import re
import time

import pytest

from genediff.runs import list_runs
from genediff.tokenizers import TOKENIZERS
from genediff.tokenizers.pathway import PathwayConfig
from genediff.training.presets import PRESETS
from genediff.ui.knowledge import knowledge_view
from genediff.ui.run_views import estimate_view
from tests.pages.conftest import texts as raw_texts

PATHWAY = {"strategy": "pathway", "preset": "quick"}
needs_network = [name for name, kind in TOKENIZERS.items() if "network" in kind.needs]


def texts(app):
    """Return what a page says as a reader sees it, without the marks that keep Markdown from reading names."""
    return raw_texts(app).replace("\\", "")


def button(app, label):
    return next(b for b in app.button if b.label == label)


def estimated(app):
    """Wait for the measurement in the background; return the number of parameters as the page writes it."""
    for _ in range(120):
        if app.metric or app.error:
            break
        time.sleep(0.5)
        app.run()
    assert not app.error, app.error[0].value
    return app.metric[0].value


def test_a_pathway_run_shows_what_its_sets_cover_and_is_estimated_and_started_on_them(workspace, open_page):
    app = open_page("train", PATHWAY | {"quick-pathway-train-tokenizer_steps": "100000"})
    said = texts(app)
    smallest = PathwayConfig().smallest
    assert re.search(rf"Hallmark: [\d,]+ of 2,000 genes .* of 50 sets have at least {smallest} of them", said)
    assert not app.warning
    assert estimated(app) not in ("", estimate_view._count(0))
    button(app, "Start training").click().run()
    (run,) = list_runs(workspace)
    run.cancel(wait=300)
    model = run.config["model"]
    assert (model["tokenizer"], model["gene_sets"], model["network"], model["shuffled"]) == (
        "pathway", "hallmark", None, False)  # fmt: skip


def test_the_address_chooses_modules_and_the_control(workspace, open_page):
    app = open_page("train", PATHWAY | {"gene_sets": "nmf", "modules": "12", "shuffled": "true"})
    assert "12 modules of co-expressed genes" in texts(app)
    button(app, "Start training").click().run()
    (run,) = list_runs(workspace)
    run.cancel(wait=300)
    assert run.config["model"]["gene_sets"] == "nmf:12" and run.config["model"]["shuffled"] is True


@pytest.mark.skipif(not needs_network, reason="no strategy that needs a network")
def test_a_network_can_be_known_inferred_or_both(workspace, open_page):
    address = {"strategy": needs_network[0], "preset": "quick"}
    app = open_page("train", address)
    assert "have no regulator" in texts(app)
    app = open_page("train", address | {"network": "trrust", "refined": "true", "edges": "700"})
    assert "700 strongest associations" in texts(app)
    button(app, "Start training").click().run()
    (run,) = list_runs(workspace)
    run.cancel(wait=300)
    assert run.config["model"]["network"] == "trrust+inferred:700"


def test_presets_that_are_for_latent_tokens_are_offered_for_those_only(workspace, open_page):
    own = [preset.title for preset in PRESETS.values() if preset.strategies == ("latent",)]
    assert all(title in texts(open_page("train")) for title in own)
    app = open_page("train", PATHWAY)
    assert not any(f"**{title}**" in texts(app) for title in own)


def test_sets_that_hardly_fit_are_said_with_what_to_do(workspace, open_page):
    few = {f"quick-pathway-tokens-{name}": value for name, value in {"smallest": "150"}.items()}
    app = open_page("train", PATHWAY | few)
    assert "covers few genes of these cells" in app.warning[0].value
    assert "NMF modules" in app.warning[0].value


def test_a_gmt_file_of_ones_own_is_read_told_and_chosen(workspace, open_page):
    dataset = workspace.open_dataset("pbmc3k")
    lines = [f"MINE_{k}\tabout\t" + "\t".join(dataset.genes[20 * k : 20 * k + 20]) for k in range(8)]
    app = open_page("train", PATHWAY)
    app.file_uploader(key="gmt_upload").upload("mine.gmt", "\n".join(lines).encode()).run()
    assert "8 sets" in texts(app)
    app.text_input(key="gmt_title").set_value("Typed just before")  # the button must not take the title as last drawn
    button(app, "Add these gene sets").click().run()
    assert app.query_params["gene_sets"] == "typed-just-before"
    button(app, "Delete").click().run()
    app.file_uploader(key="gmt_upload").upload("mine.gmt", "\n".join(lines).encode()).run()
    app.text_input(key="gmt_title").set_value("mine").run()
    button(app, "Add these gene sets").click().run()
    assert app.query_params["gene_sets"] == "mine"
    assert "mine: 160 of 2,000 genes are in it; 8 of 8 sets" in texts(app)

    button(app, "Delete").click().run()
    assert "gene_sets" not in app.query_params or app.query_params["gene_sets"] == "hallmark"
    assert "“mine” was deleted" in texts(app)
    button(app, "Undo").click().run()
    assert app.query_params["gene_sets"] == "mine"
    assert "8 of 8 sets" in texts(app)


@pytest.mark.skipif(not needs_network, reason="no strategy that needs a network")
def test_a_table_whose_columns_nobody_knows_is_read_as_the_reader_says(workspace, open_page):
    genes = workspace.open_dataset("pbmc3k").genes
    table = io.StringIO()
    table.write("alpha,beta,gamma,delta\n")
    for i in range(150):
        table.write(f"{genes[i % 7]},{genes[100 + i]},x,{i + 1}\n")
    app = open_page("train", {"strategy": needs_network[0]})
    app.file_uploader(key="network_upload").upload("odd.csv", table.getvalue().encode()).run()
    assert "150 edges" not in texts(app)
    next(c for c in app.checkbox if c.label.startswith("The first line")).check().run()
    said = texts(app)
    assert "150 edges" in said and "you said which columns to read" in said
    button(app, "Add this network").click().run()
    assert app.query_params["network"] == "odd"


@pytest.mark.parametrize(("kept", "uncovered", "poor"), [(50, 900, False), (1, 290, True), (40, 1900, True)])
def test_a_bad_match_is_known_by_few_sets_or_few_genes(kept, uncovered, poor):
    from genediff.knowledge import Coverage

    found = Coverage("t", n_genes=2000, n_present=1100, n_uncovered=uncovered, n_named=4000, n_sets=50, n_kept=kept,
                     smallest=5)  # fmt: skip
    assert knowledge_view.too_few_sets(found) is poor


@pytest.mark.parametrize(("kept", "without", "poor"), [(1100, 1600, False), (278, 1865, True), (0, 2000, True)])
def test_a_network_of_next_to_no_gene_is_known(kept, without, poor):
    from genediff.knowledge import NetworkCoverage

    found = NetworkCoverage("t", n_genes=2000, n_present=600, n_edges=9000, n_kept=kept, n_regulators=40,
                            n_without=without, n_unmapped=10)  # fmt: skip
    assert knowledge_view.too_few_edges(found) is poor
