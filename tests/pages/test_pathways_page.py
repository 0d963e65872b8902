"""The Pathways page: without a model, on a model of every strategy in each of its views, and its address."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from genediff.models.config import SPACE_NAMES
from genediff.tokenizers import TOKENIZERS
from genediff.ui.kit import region
from genediff.ui.pathways import group_comparison
from tests.pages.conftest import SPACES, ready, texts

VIEWS = ("At a glance", "Two groups", "Token-pathway agreement", "One cell")


def test_without_a_model_it_says_what_to_do(no_data, open_page) -> None:
    assert "No model yet" in texts(open_page("pathways"))


@pytest.mark.parametrize(("strategy", "space"), SPACES, ids=[f"{a}-{b}" for a, b in SPACES])
def test_every_view_says_what_applies_to_every_strategy(planted, open_page, strategy: str, space: str) -> None:
    sets = next(one.id for one in planted.library().list("gene_sets"))
    named = "gene_sets" in TOKENIZERS[strategy].needs
    said = {}
    for view in VIEWS:
        app = ready(open_page("pathways", {"view": view, "model": f"{strategy}-{space}", "gene_sets": sets}))
        assert app.selectbox(key="inspected_model").value == f"{strategy}-{space}"
        said[view] = texts(app)
    assert ("no token is a gene set" in said["At a glance"]) != named
    assert "pathways differ (FDR < 0.05)" in said["Two groups"]
    assert "not independent of each other" in said["Two groups"]
    if named:
        assert "Genes that move" in said["Token-pathway agreement"]
        assert "nats" in said["One cell"]
    elif space == "latent":
        assert "decoded pathways:" in said["Token-pathway agreement"]
        assert "none of this model's tokens is a pathway" in said["One cell"]
    else:
        assert "computed from the cells alone" in said["Token-pathway agreement"]
        assert SPACE_NAMES[space] in said["One cell"]


def test_two_groups_come_from_the_address(planted, open_page) -> None:
    address = {"model": "pathway-latent", "view": "Two groups", "first": "cell_type: type_1", "heldout": "true"}
    app = ready(open_page("pathways", address))
    assert app.selectbox(key="first").value == "cell_type: type_1"
    obs = planted.open_dataset(planted.list_datasets()[0].id).obs
    counts = obs.loc[obs["split"] == "test", "cell_type"].value_counts()
    assert f"**{counts['type_1']}** against **{counts['type_2']}** cells" in texts(app)
    app.selectbox(key="second").select("cell_type: type_1").run()
    assert "The second group has 0 cells" in texts(app)


def test_a_pathway_is_chosen_once_for_all_views(planted, open_page) -> None:
    from genediff.models.load_model import load_model

    sets = load_model(planted.model_folder("pathway-latent"), device="cpu").tokenizer.sets
    assert sets is not None
    name = list(sets.sets)[-1]
    for view in ("At a glance", "Token-pathway agreement"):
        app = ready(open_page("pathways", {"model": "pathway-latent", "view": view, "pathway": name}))
        assert app.selectbox(key="select-pathway").value == name
    unknown = ready(open_page("pathways", {"model": "pathway-latent", "pathway": "nobody"}))
    assert unknown.selectbox(key="select-pathway").value in sets.sets


@pytest.mark.parametrize("text", ["", "1,2;3,4", "a,b;c,d;e,f", "1;2;3", "nan,1;2,3;4,5"])
def test_a_region_that_cannot_be_read_is_none(monkeypatch, text: str) -> None:
    monkeypatch.setattr("streamlit.query_params", {"region": text})
    assert region.read("region") is None


def test_a_region_survives_the_address(monkeypatch) -> None:
    address: dict[str, str] = {}
    monkeypatch.setattr("streamlit.query_params", address)
    many = {"x": [float(i) for i in range(100)], "y": [float(i * i) for i in range(100)]}
    region.remember("region", {"lasso": [many], "box": []})
    corners = region.read("region")
    assert corners is not None and corners[0] == (0.0, 0.0) and 10 < len(corners) <= region.MOST_CORNERS
    region.remember("region", {"box": [{"x": [0, 2], "y": [0, 1]}]})

    inside = region.inside(region.read("region") or [], np.array([[1.0, 0.5], [3.0, 0.5], [1.0, 2.0]]))
    assert inside.tolist() == [True, False, False]
    region.forget("region")
    assert address == {}


def test_a_treated_group_stands_first_and_not_its_control():
    info = SimpleNamespace(
        label=None,
        conditions=(),
        batch=None,
        perturbation="condition",
        control="ctrl",
        folder="treated",
        content_hash="t",
    )
    told = pd.DataFrame({"condition": pd.Categorical(["ctrl"] * 6 + ["stim"] * 4)})
    assert group_comparison._default(SimpleNamespace(info=info, obs=told)) == "condition: stim"
