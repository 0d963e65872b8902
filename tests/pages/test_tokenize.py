"""The Tokenize page: without data, with data, with a model, and its address."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.io
import pytest

from genediff.inspection.one_cell.dataset_context import cell_of
from genediff.inspection.one_cell.decision import ROOT, Advice
from genediff.tokenizers import TOKENIZERS
from genediff.ui.tokenize import tokenize_cards, tokenize_data
from tests.pages.conftest import texts


def test_without_data_it_says_what_to_do(no_data, open_page):
    assert "No data set yet" in texts(open_page("tokenize"))


def test_one_cell_is_shown_through_every_strategy_and_the_address_names_it(workspace, open_page):
    app = open_page("tokenize")
    said = texts(app)
    for kind in TOKENIZERS.values():
        assert f"### {kind.title}" in said
    assert said.count("**Keeps**") == len(TOKENIZERS) and said.count("pairs attend per layer") == len(TOKENIZERS) - 1
    assert "No model of this data set has Latent tokens yet" in said
    first = app.query_params["cell"]
    next(b for b in app.button if b.label == "Any cell").click().run()
    assert not app.exception
    assert app.query_params["cell"] != first
    again = open_page("tokenize", {"cell": first[0] if isinstance(first, list) else first})
    assert again.selectbox(key="cell_name").value == (first[0] if isinstance(first, list) else first)


def test_the_ring_around_the_chosen_cell_lies_above_the_dots(workspace, open_page):
    """It was SVG over WebGL dots, which a browser draws below them: no ring was seen, here and on Pathways."""
    chart = open_page("tokenize").get("plotly_chart")[0]
    traces = plotly.io.from_json(chart.proto.spec, skip_invalid=True).data
    place = next(i for i, trace in enumerate(traces) if trace.name == "this cell")
    dots = [i for i, trace in enumerate(traces) if trace.x is not None and len(trace.x) > 1]
    assert place > max(dots)
    assert {traces[i].type for i in dots} == {traces[place].type}


def test_a_typical_cell_and_an_unknown_one(workspace, open_page):
    app = open_page("tokenize", {"cell": "nobody"})
    assert "There is no cell “nobody”" in app.warning[0].value
    before = app.query_params["cell"]
    app.selectbox(key="typical").select("B").run()
    assert app.query_params["cell"] != before
    assert "**B**" in texts(app)


def test_a_trained_model_shows_its_tokens_and_its_round_trip(model_id, open_page):
    said = texts(open_page("tokenize"))
    assert "Tokens of “A tiny model”" in said
    assert "round trip r = " in said
    assert "No model of this data set has Latent tokens" not in said


def test_all_tokenizations_stand_in_one_table_with_opinions_called_so(workspace, open_page):
    app = open_page("tokenize", {"view": "All tokenizations"})
    summary = next(one.proto.body for one in app.get("html") if "transfer (opinion)" in one.proto.body)
    table = next(frame.value for frame in app.dataframe if "vocabulary" in frame.value)
    titles = [kind.title for kind in TOKENIZERS.values()]
    assert list(table["strategy"]) == titles
    assert all(f"<td>{escape(one)}</td>" in summary for one in titles)
    mlp = table.set_index("strategy").loc[TOKENIZERS["mlp"].title]
    assert mlp["tokens"] == 1 and mlp["attention"] == 0


@pytest.mark.parametrize("turns", [(0, 0, 0, 1), (0, 1, 1), (1, 1)], ids=["hybrid", "network", "rank"])
def test_the_guide_asks_and_ends_in_a_link_to_train(workspace, open_page, turns):
    node, address = ROOT, {"view": "Decision guide"}
    for turn in turns:
        answer = list(node.answers)[turn]
        address[f"q-{node.id}"] = answer
        node = node.answers[answer]
    assert isinstance(node, Advice)
    app = open_page("tokenize", address)
    assert TOKENIZERS[node.strategy].title in texts(app)
    assert len(app.subheader) == 1
    shorter = dict(list(address.items())[:-1])
    assert not open_page("tokenize", shorter).subheader


def test_one_cell_is_followed_step_by_step_and_answers_at_once(model_id, open_page):
    app = open_page("tokenize", {"tokenize_view": "Step by step"})
    assert "x_g" in "".join(one.value for one in app.latex) and "Pearson" in texts(app)
    steps = next(one for one in app.segmented_control if one.label == "Step")
    for step in ("Tokens", "Noise", "Attention", "Denoising", "Genes"):
        steps.set_value(step).run()
        assert not app.exception and app.latex
        steps = next(one for one in app.segmented_control if one.label == "Step")
    before = texts(app)
    next(one for one in app.slider if one.label == "Tokens kept").set_value(0).run()
    assert "from 0 tokens" in texts(app) and texts(app) != before


def test_step_by_step_says_what_it_needs(workspace, open_page):
    assert "none was trained on these cells yet" in texts(open_page("tokenize", {"tokenize_view": "Step by step"}))


def test_ranks_show_expression_as_every_page_does(workspace):
    """Bars of the Rank card were normalised by the chosen genes, those of Data by all: 1.1 higher under one title."""
    dataset = workspace.open_dataset("pbmc3k")
    context = tokenize_data.context(dataset)
    cell = cell_of(dataset, context, dataset.obs.index[0])
    shown = tokenize_cards.ranked(("LYZ", "FTL"), context.genes, cell)
    expected = [dataset.gene_values(gene)[0] for gene in ("LYZ", "FTL")]
    np.testing.assert_allclose(shown["log_normalised"], expected, rtol=1e-5)
