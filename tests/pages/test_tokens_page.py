"""The Tokens page: without a model, on a model of every strategy in each of its views, and its address."""

from __future__ import annotations

from typing import Any

import pytest

from genediff.ui.kit import figures
from tests.pages.conftest import SPACES, ready, texts, wait_for_background

VIEWS = ("All tokens", "One token", "Cells by tokens", "Validation")


def test_without_a_model_it_says_what_to_do(no_data, open_page) -> None:
    assert "No model yet" in texts(open_page("tokens"))


@pytest.mark.parametrize(("strategy", "space"), SPACES, ids=[f"{a}-{b}" for a, b in SPACES])
def test_every_view_says_what_applies_to_every_strategy(planted, open_page, strategy: str, space: str) -> None:
    said = {}
    for view in VIEWS:
        app = ready(open_page("tokens", {"view": view, "model": f"{strategy}-{space}"}))
        assert app.selectbox(key="inspected_model").value == f"{strategy}-{space}"
        said[view] = texts(app)
        if view != "Validation":
            assert app.get("plotly_chart"), view
    words = {
        "latent": "latent tokens", "grn_latent": "latent tokens", "pathway": "tokens are gene sets",
        "latent_pathway": "tokens are gene sets", "rank": "tokens are ranks", "grn": "tokens are genes",
        "mlp": "whole cell is one vector",
    }  # fmt: skip
    assert words[strategy] in said["All tokens"]
    assert ("gene space" in said["All tokens"]) == (space == "gene")
    assert ("Variance explained by each part of the hybrid" in said["All tokens"]) == (strategy == "latent_pathway")
    assert ("Learned links between tokens" in said["All tokens"]) == (strategy == "grn_latent")
    assert ("Genes at rank" in said["One token"]) == (strategy == "rank")
    assert "no gene set is proposed" in said["One token"] or strategy != "mlp"
    assert (
        "random mixtures" in said["Validation"]
        or strategy in ("rank", "grn", "mlp")
        or ("No direction of any token is enriched" in said["Validation"])
        or "Enrichment is weak" in said["Validation"]
    )


def test_the_address_restores_token_view_and_colours(planted, open_page) -> None:
    address = {"view": "One token", "model": "latent-latent", "token": "z2"}
    app = ready(open_page("tokens", address))
    assert app.selectbox(key="select-token").value == "z2"
    app.selectbox(key="select-token").select("z3").run()
    kept = app.query_params["token"]
    assert kept in ("z3", ["z3"])
    cells = {"view": "Cells by tokens", "model": "latent-latent", "cells_colour": "Token: z1", "cells_axes": "3-D"}
    app = ready(open_page("tokens", cells))
    assert "Drag to turn" in texts(app)
    unknown = open_page("tokens", {"view": "One token", "model": "latent-latent", "token": "nobody"})
    assert "There is no token “nobody” here" in texts(ready(unknown))


def test_a_lasso_says_which_tokens_set_cells_apart(planted, open_page, monkeypatch) -> None:
    """What the browser would tell of a lasso over the right half; a real one is drawn in tests/browser."""
    half = {"x": [0.0, 1e3, 1e3, 0.0], "y": [-1e3, -1e3, 1e3, 1e3]}
    draw = figures.show_figure

    def drawn(*args: Any, **options: Any) -> dict[str, Any]:
        draw(*args, **options)
        return {"points": [], "box": [], "lasso": [half]}

    monkeypatch.setattr(figures, "show_figure", drawn)
    app = ready(open_page("tokens", {"view": "Cells by tokens", "model": "latent-latent"}))
    said = texts(app)
    assert "cells selected" in said and "Tokens that differ most from all other cells" in said
    table = next(frame.value for frame in app.dataframe if "auc" in frame.value)
    assert ((table["auc"] > 0.5) == (table["difference"] > 0)).iloc[0]
    assert app.text_input(key="cells-save-name")


def test_two_models_of_the_same_cells_are_compared_token_by_token(planted, open_page) -> None:
    app = ready(open_page("tokens", {"view": "Validation", "model": "latent-latent", "other": "grn_latent-latent"}))
    assert "have a counterpart" in texts(app) and "trained with the same seed" in texts(app)


def test_cells_that_the_model_cannot_read_are_refused_in_words(planted, open_page, monkeypatch) -> None:
    from genediff.core.errors import InputError
    from genediff.inspection.tokens import activations as measuring

    def refuse(*_: object) -> None:
        raise InputError("The model and these cells share no gene.")

    monkeypatch.setattr(measuring, "read_cells", refuse)
    monkeypatch.setattr("genediff.ui.kit.inspection_cache.folder", lambda *_: planted.root / "cache" / "elsewhere")
    app = open_page("tokens", {"model": "latent-latent"})
    wait_for_background()
    app.run()
    assert [one.value for one in app.error] == ["The model and these cells share no gene."]
    assert "Start again" in [button.label for button in app.button]


def test_tokens_that_share_a_gene_set_are_counted_as_redundant() -> None:
    """ "Say the same as another: 0" stood beside five of eight tokens with the same gene set."""
    import pandas as pd

    from genediff.ui.tokens.token_table import same_name

    names = pd.DataFrame(
        {"up": ["A", "A", None, "B", "C"], "down": [None, "B", None, None, "C"]}, index=[f"z{i}" for i in range(5)]
    )
    assert same_name(names) == 3  # z0 and z1 by A, z3 and z1 by B; both directions of z4 are one token


def test_a_token_of_generated_cells_is_moved_beside_a_control(planted, open_page) -> None:
    address = {"model": "latent-latent", "tokens_view": "Steer"}
    app = ready(open_page("tokens", address))
    assert "Move the slider" in texts(app) and len(app.get("plotly_chart")) == 0  # these cells have no map
    app.select_slider(key="steer_amount").set_value(2.0).run()
    assert not app.exception and "the control token, moved as far" in texts(app)
    gene = ready(open_page("tokens", {"model": "grn-gene", "tokens_view": "Steer"}))
    assert "Only models in latent space" in texts(gene)
