"""The Regulation page: with every strategy, with gene tokens in each view, and what it says where it cannot help."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import caching, layout
from genediff.ui.regulation import regulation_data, regulation_overview

from .conftest import SPACES, ready, texts

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

QUICK = {"model": "grn-gene", "view": "Paths", "shuffled": "5", "looked": "64"}


@pytest.fixture
def opened(planted, open_page):
    """Open the page with gene tokens, and wait for what it measures."""

    def open_(**query: str) -> AppTest:
        return ready(open_page("regulation", {**QUICK, **query}))

    return open_


def pair() -> tuple[str, str]:
    """Return a regulator and one of its targets that is a regulator of no gene."""
    network = caching.model("grn-gene").knowledge.network
    assert network is not None
    ends = network.edges[~network.edges["target"].isin(network.edges["source"])]
    return str(ends["source"].iloc[0]), str(ends["target"].iloc[0])


@pytest.mark.parametrize(("strategy", "space"), [(s, t) for s, t in SPACES if s != "grn" or t == "latent"])
def test_another_strategy_is_told_what_is_needed(planted, open_page, strategy: str, space: str) -> None:
    app = open_page("regulation", {"model": f"{strategy}-{space}"})
    assert not app.exception
    assert "GRN tokens in count or gene space" in texts(app)
    assert TOKENIZERS[strategy].title in texts(app)
    there = " ".join(button.label for button in app.button)
    assert "grn-gene" in there and "grn-counts" in there  # those that have what is needed


def test_without_a_model_the_page_leads_to_train(no_data, open_page) -> None:
    assert "No model yet" in texts(open_page("regulation"))


@pytest.mark.parametrize("model", ["grn-gene", "grn-counts"])
def test_the_first_view_says_how_many_regulators_have_an_effect(opened, model) -> None:
    """It was "None of the 29 paths": a null result whose power nobody knew."""
    app = opened(view="Overview", model=model)
    said = texts(app)
    assert "regulators have a target-specific effect in this model" in said and "on a shuffled network" in said
    assert "planted edges" in said  # the power of the test
    tables = " ".join(one.proto.body for one in app.get("html"))
    assert "linear regression on the same regulators (no model)" in tables  # whole, not cut off
    assert len(app.get("plotly_chart")) == 1  # ablations
    app.button(key="regulation-open-paths").click().run()  # once it wrote a name that no view had, and stayed
    assert app.session_state[layout.view_key("regulation")] == "Paths"


def test_edges_that_a_shuffled_network_has_too_are_no_evidence() -> None:
    """Twenty-one edges with effects of a thousandth were named where a shuffled network had thirty-one."""
    edges = pd.DataFrame({"source": ["A", "B"], "target": ["C", "D"], "q": [0.01, 0.2]})
    many, few = (
        SimpleNamespace(
            edges=edges,
            controls=pd.DataFrame({"what": ["on shuffled networks"], "specific": [0.0], "edges": [share]}),
            n_cells=100,
        )
        for share in (0.5, 0.0)
    )
    assert "no evidence" in regulation_overview.edges_in_words(many)
    assert "A → C" not in regulation_overview.edges_in_words(many)
    assert "(0 on a shuffled network): A → C." in regulation_overview.edges_in_words(few)


@pytest.mark.parametrize("model", ["grn-gene", "grn-counts"])
def test_a_target_is_asked_about_without_any_choice(opened, model) -> None:
    app = opened(model=model)
    assert app.slider(key="t").label.startswith("Molecules read" if model == "grn-counts" else "Time t")
    assert "edges of the network" in texts(app)  # what the whole network shows stands beside every answer
    assert len(app.get("plotly_chart")) == 1
    assert app.dataframe[0].value[["p", "flow_p"]].stack().between(0, 1).all()


def test_regulator_and_target_decide_which_paths_are_shown(opened) -> None:
    regulator, target = pair()
    into = opened(target=target).dataframe[0].value
    assert into["path"].str.endswith(target).all()
    both = opened(target=target, regulator=regulator).dataframe[0].value
    assert both["path"].str.startswith(regulator).all()
    assert both["path"].str.endswith(target).all()
    out = opened(regulator=regulator, shuffled="0").dataframe[0].value
    assert out["path"].str.startswith(regulator).all()
    assert out["flow_p"].isna().all() and out["p"].between(0, 1).all()


def test_key_regulators_of_a_gene_and_of_generated_cells(opened) -> None:
    _, target = pair()
    one = opened(view="Key regulators", target=target, groupkind="Generated cells")
    assert "regulators change the prediction of" in texts(one)
    every = opened(view="Key regulators", of="The whole population")
    assert "regulators are supported by their targets" in texts(every)
    assert every.dataframe[0].value["q"].between(0, 1).all()


def test_paths_of_two_types_are_compared(opened) -> None:
    _, target = pair()
    first = opened(view="Two cell types", target=target)
    assert "act differently" in texts(first)  # the two largest types stand there first
    same = opened(view="Two cell types", target=target, first="All cells", second="All cells")
    assert "the same cells" in texts(same)
    app = opened(view="Two cell types", target=target, first="cell_type: type_1", second="cell_type: type_2")
    assert "act differently" in texts(app)


def test_a_pair_without_a_path_is_said(planted, open_page) -> None:
    info = next(one for one in planted.list_models() if one.id == "grn-gene")
    known = regulation_data.genes(info, planted.open_dataset(info.dataset_id))
    network = caching.model("grn-gene").knowledge.network
    assert network is not None
    joined = set(zip(network.edges["source"], network.edges["target"], strict=True))
    far = next((a, b) for a in known.regulators for b in known.targets if a != b and (a, b) not in joined)
    app = open_page("regulation", {**QUICK, "regulator": far[0], "target": far[1], "steps": "1", "shuffled": "0"})
    for _ in range(8):
        if app.error:
            break
        app.run()
    assert f"no path of up to 1 edges leads from {far[0]} to {far[1]}" in texts(app)
