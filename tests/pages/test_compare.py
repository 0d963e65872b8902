"""The Compare page: empty, asking, filling, finished, and a link into each of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from genediff.comparison.comparison_plan import make_plan
from genediff.comparison.comparison_results import FILE as TABLE_FILE
from genediff.comparison.comparison_store import list_comparisons, write
from genediff.comparison.config import ComparisonConfig, Entry, token_sweep
from genediff.comparison.experiments import shipped_experiments
from genediff.core.json_files import write_json
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.runs import list_runs
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import DEMO_DATASET
from tests.pages.conftest import texts

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.workspace import Workspace


def planted(workspace: Workspace, name: str, entries: tuple[Entry, ...], *, folder: Path | None = None) -> str:
    """Write a finished comparison of three seeds: the first row is best, the last worst; the floor beats all."""
    info = DatasetInfo.read(workspace.dataset_folder(DEMO_DATASET))
    plan = make_plan(
        ComparisonConfig(dataset_id=DEMO_DATASET, name=name, entries=entries, seeds=(0, 1, 2), steps=9), info
    )
    place = folder or workspace.comparisons / name
    write(plan, place, series_id=None, dataset_name=info.name, machine="two cores")
    results = [
        {
            "place": i,
            "seed": seed,
            "model_id": f"m{i}{seed}",
            "values": {
                "c2st_pcs": 0.6 + 0.05 * i + 0.01 * seed,
                "c2st_genes": 0.7 + 0.05 * i + 0.01 * seed,
                "recall": 0.8 - 0.1 * i + 0.01 * seed,
                "reconstruction_r": 0.4 - 0.05 * i + 0.001 * seed,
                "n_parameters": 1e6,
            },
        }
        for i in range(len(entries))
        for seed in (0, 1, 2)
    ]
    floor = {"name": "floor", "values": {"c2st_pcs": 0.52, "recall": 0.93}, "spread": {"c2st_pcs": 0.01}}
    write_json(place / TABLE_FILE, {"format_version": 1, "results": results, "references": [floor]})
    return place.name


TWO = (Entry(strategy="latent"), Entry(strategy="mlp"))


def test_without_data_it_says_what_to_do(no_data, open_page):
    app = open_page("compare")
    assert "No data set yet" in texts(app)
    assert not [b for b in app.button if b.key == "cmp_start"]


def test_with_data_it_asks_times_the_rows_and_offers_the_start(workspace, open_page):
    wanted = {"cmp_strategies": TOKENIZERS["mlp"].title, "cmp_budget": "Steps each", "cmp_steps": "60"}
    app = open_page("compare", wanted)
    assert "A new comparison" in texts(app)
    deadline = time.monotonic() + 600
    while not [b for b in app.button if b.key == "cmp_start"] and time.monotonic() < deadline:
        assert not app.error, texts(app)
        time.sleep(0.5)
        app.run()
    assert {metric.label for metric in app.metric} == {"Models to train", "Longest training", "All of it"}
    assert [m.value for m in app.metric if m.label == "Models to train"] == ["1 × 3"]

    # What is typed just before the button counts: the start was a callback with the form as last drawn.
    app.number_input(key="cmp_seeds").set_value(2)
    next(b for b in app.button if b.key == "cmp_start").click().run()
    (series,) = list_runs(workspace)
    assert series.cancel(wait=300).has_ended
    found = list_comparisons(workspace)[0]
    assert app.query_params["comparison"] == found.id
    assert found.config.seeds == (0, 1) and found.config.steps == 60


def test_nothing_chosen_is_said(workspace, open_page):
    app = open_page("compare")
    app.button_group(key="cmp_strategies").set_value([]).run()
    assert "Choose at least one row" in texts(app)


def test_a_finished_comparison_opens_from_a_cold_link_with_its_verdicts(workspace, open_page):
    planted(workspace, "older", TWO)
    wanted = planted(workspace, "wanted", TWO)
    app = open_page("compare", {"comparison": wanted})
    said = texts(app)
    assert "wanted" in [one.value for one in app.subheader]
    assert "better than the MLP in AUC (PCs) (+0.05)" in said
    assert "two cores" in said and "9 steps each" in said
    table = app.dataframe[0].value
    assert list(table["row"]) == ["Latent tokens", "No tokens (MLP)", "Real vs. real"]
    assert "Parameters ↓" not in table  # the same for all
    assert table["Recall ↑"].tolist() == pytest.approx([0.81, 0.71, 0.93])
    assert len(app.get("plotly_chart")) == 1
    assert app.query_params["comparison"] == wanted


def test_the_address_chooses_what_the_table_shows(workspace, open_page):
    planted(workspace, "one", TWO)
    app = open_page("compare", {"cmp_show": "Improvement over the MLP", "cmp_columns": "Cells"})
    table = app.dataframe[0].value
    assert list(table["row"]) == ["Latent tokens"]
    assert table["Recall"].iloc[0] == pytest.approx(0.1)
    assert "Reconstruction r" not in table
    every = open_page("compare", {"cmp_hide": "false", "cmp_columns": "Cost"})
    assert "Parameters ↓" in every.dataframe[0].value


def test_a_sweep_draws_its_curve(workspace, open_page):
    planted(workspace, "sweep", (*token_sweep("latent", (2, 4, 8)), Entry(strategy="mlp")))
    app = open_page("compare")
    assert "How many tokens are enough?" in [one.value for one in app.subheader]
    assert len(app.get("plotly_chart")) == 2


def test_an_unknown_comparison_is_named_and_another_is_shown(workspace, open_page):
    planted(workspace, "mine", TWO)
    app = open_page("compare", {"comparison": "20000101-dead"})
    assert "There is no comparison '20000101-dead'" in app.error[0].value
    assert "mine" in [one.value for one in app.subheader]


def test_what_ships_is_shown_first_and_cannot_be_deleted(workspace, open_page, tmp_path):
    planted(workspace, "shipped", TWO, folder=tmp_path / "cells-only" / "comparisons" / "pbmc3k")
    app = open_page("compare")
    assert "shipped" in texts(app) and "two cores" in texts(app)
    assert not [b for b in app.button if (b.key or "").startswith("delete-comparison")]
    app.button(key="cmp_new").click().run()
    assert "A new comparison" in texts(app) and app.query_params["comparison"] == "new"


def test_a_deleted_comparison_comes_back(workspace, open_page):
    planted(workspace, "mine", TWO)
    app = open_page("compare")
    app.button(key="delete-comparison-mine").click().run()
    assert "was deleted" in texts(app) and not list_comparisons(workspace)
    app.button(key="undo-comparison").click().run()
    assert [one.id for one in list_comparisons(workspace)] == ["mine"]
    assert "mine" in [one.value for one in app.subheader]


@pytest.mark.parametrize("written", ["ids", "words"])
def test_the_form_reads_ids_and_words_from_the_address(workspace, open_page, written):
    ids = {"cmp_what": "strategies", "cmp_strategies": ["mlp", "rank"], "cmp_spaces": ["latent"],
           "cmp_budget": "steps", "cmp_preset": "standard", "cmp_objective": "variance_preserving:noise"}  # fmt: skip
    words = {"cmp_what": "Strategies", "cmp_strategies": [TOKENIZERS[one].title for one in ("mlp", "rank")],
             "cmp_spaces": ["Latent"], "cmp_budget": "Steps each", "cmp_preset": "Standard",
             "cmp_objective": "DDPM, noise"}  # fmt: skip
    app = open_page("compare", {"comparison": "new", **(ids if written == "ids" else words)})
    assert not app.warning and not app.exception
    assert app.selectbox(key="cmp_preset").value == "standard"
    assert app.selectbox(key="cmp_objective").value == "variance_preserving:noise"
    assert app.button_group(key="cmp_strategies").value == ["mlp", "rank"]
    assert app.button_group(key="cmp_spaces").value == ["latent"]
    assert app.number_input(key="cmp_steps").value == 3500
    app.selectbox(key="cmp_preset").set_value("quick").run()
    assert app.selectbox(key="cmp_preset").value == "quick"


def test_a_choice_that_is_not_there_is_told(workspace, open_page):
    app = open_page("compare", {"comparison": "new", "cmp_strategies": ["mlp", "words"]})
    assert "There is no strategy “words” here" in app.warning[0].value


def test_claims_are_shown_where_they_were_measured(open_page):
    app = open_page("compare", {"compare_view": "What is it good for?"})
    text = texts(app)
    for one in shipped_experiments().experiments:
        assert one.question in text and one.answers()[0].split(":")[0].split("(")[0] in text.replace("\\", "")
    assert "Not measured yet" in text and len(app.get("plotly_chart")) == len(shipped_experiments().experiments)
