"""The Perturb page: without data, without perturbations, with baselines alone, and with a trained model."""

from __future__ import annotations

import io
import re
import shutil
import threading
import time
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING

import anndata
import pytest

from genediff.core.installation import ASSETS
from genediff.data import ImportConfig, import_cells
from genediff.data.importing.perturbation_names import Perturbation
from genediff.data.simulation.simulate import perturbation_plan, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.models.response_config import ResponseConfig
from genediff.models.response_info import ResponseInfo
from genediff.perturbation.change_scores import ChangeScores
from genediff.perturbation.model.model_source import ModelSource
from genediff.perturbation.model.response_archive import export_response
from genediff.perturbation.model.train_response import train_response
from genediff.ui.kit import caching
from genediff.ui.perturb import prediction_trust, task_choice
from genediff.workspace import DEMO_RESPONSE, Workspace
from tests.pages.conftest import texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

MODEL = "pairs"


@pytest.fixture(scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with a small simulated screen and a model of its pairs; and the id of the screen."""
    folder = tmp_path_factory.mktemp("perturb")
    place = Workspace(folder / "home", assets=folder / "nothing-ships")
    truth = draw_truth(
        TruthConfig(n_genes=50, n_regulators=12, n_types=2, n_pathways=2, pathway_size=8, targets_per_pair=4), seed=3
    )
    cells = simulate(truth, n_cells=1200, perturbations=perturbation_plan(truth, n_singles=7, n_doubles=9), seed=1)
    cells.write_h5ad(folder / "screen.h5ad")
    choices = {"label": "cell_type", "perturbation": "perturbation", "control": "control", "n_genes": 50, "n_pcs": 6}
    dataset = import_cells(folder / "screen.h5ad", ImportConfig.parse({**choices, "umap": False}), place.datasets)
    task = {"scheme": "doubles", "context": "cell_type", "share": 0.3}
    config = ResponseConfig(
        name="Pairs", dataset_id=dataset.info.id, task=task, network="planted", members=2, priors=()
    )
    train_response(config, dataset, folder=folder / "trained", model_id=MODEL, library=place.library(), base=None,
                   device="cpu")  # fmt: skip
    place.responses.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder / "trained" / "model", place.responses / MODEL)
    return folder / "home", dataset.info.id


@pytest.fixture
def screen(_home, own_workspace, monkeypatch) -> Iterator[str]:
    """Work in that workspace; returns the id of the screen."""
    home, dataset_id = _home
    monkeypatch.setenv("GENEDIFF_HOME", str(home))
    bare = Workspace(home, assets=home / "nothing-ships")
    monkeypatch.setattr(caching, "workspace", lambda: bare)
    yield dataset_id
    for thread in threading.enumerate():
        if thread.name == "background":
            thread.join(timeout=600)


@pytest.fixture
def opened(screen, open_page):
    """Open the page at the screen and wait for what it computes."""

    def open_(**query: str) -> AppTest:
        return settled(open_page("perturb", {"dataset": screen, **query}))

    return open_


def settled(app: AppTest, seconds: float = 300) -> AppTest:
    """Run the page again until nothing is under way."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not app.exception, [one.message for one in app.exception]
        if not any(button.label == "Cancel" for button in app.button):
            return app
        time.sleep(0.3)
        app.run()
    raise AssertionError(f"the page never settled:\n{texts(app)}")


def test_without_data_it_says_how_to_get_some(no_data, open_page):
    app = open_page("perturb")
    assert "No perturbed cells yet" in texts(app)
    assert "genediff simulate" in app.code[0].value


def test_cells_without_a_perturbation_column_lead_to_the_import(own_workspace, tmp_path, monkeypatch, open_page):
    (tmp_path / "assets" / "datasets").mkdir(parents=True)
    (tmp_path / "assets" / "datasets" / "pbmc3k").symlink_to(ASSETS / "datasets" / "pbmc3k")
    bare = Workspace(own_workspace, assets=tmp_path / "assets")
    monkeypatch.setattr(caching, "workspace", lambda: bare)
    said = texts(open_page("perturb", {"dataset": "pbmc3k"}))
    assert "No perturbed cells yet" in said and "which level means untreated" in said


def test_before_a_gene_is_chosen_it_shows_the_screen_and_offers_perturbations_with_an_effect(opened):
    """It offered the first gene of the alphabet, which did nothing, was in training, and was none of the genes."""
    app = opened(by="best")
    labels = [button.label for button in app.button]
    assert any("pair with an effect" in label for label in labels)
    assert any(" (with an effect" in label for label in labels)
    said = texts(app)
    assert "Where a model is needed" in said and "changed expression" in said
    table = next(one.value for one in app.dataframe if "cells_needed" in one.value)
    assert table["fdr"].between(0, 1).all() and len(table) == 16 and table["state"].str.contains("baseline").any()
    never = next(button for button in app.button if "never measured together" in button.label)
    settled(never.click().run())
    assert app.query_params["gene"] and app.query_params["with"]
    assert "never measured together" in texts(app)


def panel_rows(app):
    """Return who is compared in "How far this can be trusted"."""
    bodies = [one.proto.body for one in app.get("html")]
    return re.findall("<tr><td>([^<]*)", next(one for one in bodies if "Replicate experiment" in one))


def test_a_baseline_predicts_a_pair_that_is_held_out(opened):
    app = opened(by="additive", gene="REG11", **{"with": "REG7"})
    said = texts(app)
    assert "held out here" in said and "pairs never measured together in training" in said
    assert "the baseline Additive reaches r =" in said and "REG11 itself" in said and "E-test p" in said
    assert len(app.get("plotly_chart")) == 2  # the map, the genes; what is folded away is drawn when it is opened
    app.session_state["cases-open"] = True
    settled(app.run())
    assert len(app.get("plotly_chart")) == 3
    rows = panel_rows(app)
    assert {"Replicate experiment", "Additive", "No change"} <= {row.removesuffix(" · best baseline") for row in rows}
    assert [row.endswith("best baseline") for row in rows].index(True) == 2, "below what noise allows is the best one"


def test_unknown_and_unseen_genes_are_named_at_once(opened, open_page, screen):
    app = open_page("perturb", {"dataset": screen, "by": "best", "gene": "NOTAGENE"})
    assert "No gene of these cells is known as" in texts(app)
    unseen = texts(opened(by="best", gene="GENE1"))
    assert "never perturbed in these data" in unseen
    assert "genes never perturbed in training" in unseen


@pytest.mark.parametrize("look", ["Pathways", "Route through the network", "Truth"])
def test_the_looks_of_a_model_open_from_a_cold_link(opened, look):
    app = opened(by=MODEL, gene="REG11", **{"with": "REG7"}, closer=look)
    said = texts(app)
    assert "held-out cases" in said and ("model" in said)
    assert "Spread over models" in said and "Kind of prediction" in said
    expected = {
        "Pathways": ("There are no gene sets",),
        "Route through the network": ("lie downstream of REG11 and REG7",),
        "Truth": ("between truth and prediction", "In this world REG11 and REG7"),
    }
    assert all(one in said for one in expected[look])


def test_where_the_model_loses_the_baseline_is_shown_first(opened, monkeypatch):
    """The verdict decides what stands first: here one that says that the model lost."""
    honest = ChangeScores.level
    for level, first in (("worse", "Baseline"), ("better", "Model")):
        monkeypatch.setattr(ChangeScores, "level", level)
        app = opened(by=MODEL, gene="REG11", **{"with": "REG7"})
        shown = next(one for one in app.segmented_control if one.label == "Cells shown are predicted by")
        assert shown.options[0].startswith(first)
        assert shown.value == ("baseline" if first == "Baseline" else "model")
    monkeypatch.setattr(ChangeScores, "level", honest)
    assert not prediction_trust.loses(None)


def test_the_verdict_and_the_panel_name_one_best_baseline_and_know_other_measures(opened):
    app = opened(by=MODEL)
    app.session_state["measures-open"] = True
    settled(next(one for one in app.button if "never measured together" in one.label).click().run())
    measures = next(one.value for one in app.dataframe if "worse on" in one.value)
    best = next(row for row in panel_rows(app) if row.endswith("best baseline")).removesuffix(" · best baseline")
    verdict = next(
        one.value for kind in (app.success, app.info, app.warning, app.error) for one in kind if "held-out" in one.value
    )
    assert best in verdict
    assert measures["measure"].str.contains("E-distance").any() and measures["measure"].str.contains("move").any()
    assert set(measures["verdict"]) <= {"better", "worse", "no difference", "too few"}
    assert measures["worse on"].str.endswith("%").all()
    # Three pairs are held out: nothing is called better or worse, and the verdict says why.
    assert set(measures["verdict"]) == {"too few"} and "too few to compare it" in verdict
    assert not measures["gain"].str.contains(r"\[").any()


def test_perturbations_are_ranked_by_a_desired_effect(opened):
    app = opened(view="Rank by desired effect", by=MODEL, desired="GENE1", among="Pairs of measured genes")
    table = app.dataframe[0].value
    assert len(table) == 21 and table["score"].is_monotonic_decreasing  # 7 genes were perturbed alone
    assert table["measured"].any() and not table["measured"].all()
    towards = opened(view="Rank by desired effect", by="additive", effect="Move cells towards a group",
                     among="What was measured", group="perturbation: control", goal="perturbation: REG11")  # fmt: skip
    assert towards.dataframe[0].value["perturbation"].iloc[0].split("+")[0] == "REG11"
    assert "Choose the desired effect" in texts(opened(view="Rank by desired effect", by="best"))


def test_many_scenarios_come_in_one_file(opened, tmp_path, monkeypatch):
    from genediff.ui.perturb import prediction_downloads

    kept = {}
    monkeypatch.setattr(
        "genediff.ui.perturb.many_predictions._hand_out", lambda question, made, source: kept.update(q=question, m=made)
    )
    app = opened(view="Many at once", by=MODEL, scenarios="REG11\nREG7+REG11\nREG11+REG7\nNOTAGENE")
    assert "NOTAGENE is not among the genes" in texts(app)
    path = tmp_path / "cells.h5ad"
    path.write_bytes(prediction_downloads.cells_file(kept["q"], kept["m"]))
    cells = anndata.read_h5ad(path)
    assert list(cells.obs["perturbation"].cat.categories) == ["REG11", "REG11+REG7", "control"]
    assert cells.uns["genediff"]["predictor"] == "the model “Pairs”"
    assert cells.obs.groupby("perturbation", observed=True)["predicted"].mean().to_dict() == {
        "REG11": 1.0, "REG11+REG7": 1.0, "control": 0.0}  # fmt: skip


def test_the_training_view_lists_the_model_and_offers_another(opened):
    app = opened(view="Train a model")
    said = texts(app)
    assert [one for one in app.expander if one.label == "Train on a cluster instead"]
    assert "Pairs" in said and "held-out cases of combinations of genes that were each measured alone: r =" in said
    assert any(button.label == "Start training" for button in app.button)
    next(button for button in app.button if button.label == "Predict with it").click().run()
    assert app.query_params["by"] == MODEL and app.session_state["perturb_view"] == "One perturbation"


def test_the_bundle_of_a_view_holds_question_and_predictor(opened):
    said = "\n".join(block.value for block in opened(by=MODEL, gene="REG11").code)
    assert "knock-out of REG11 was predicted by the model “Pairs”" in said
    assert "perturb?dataset=" in said and f"genediff predict {MODEL} -p REG11" in said


def test_the_models_page_lists_renames_deletes_and_brings_back(screen, open_page, tmp_path):
    app = open_page("models")
    listed = next(one.value for one in app.dataframe if "r, baseline" in one.value)
    assert listed["model"].tolist()[0] == "Pairs" and listed["cases"].min() >= 1
    assert listed["held out"].str.contains("combinations").all() and listed["network"][0] != "none"
    app.text_input(key=f"name-response-{MODEL}").set_value("Of pairs").run()
    app.button(key=f"save-response-{MODEL}").click().run()
    place = caching.workspace()
    assert [one.title for one in place.list_responses()] == ["Of pairs"] and not app.exception
    app.text_input(key=f"name-response-{MODEL}").set_value(" ").run()
    app.button(key=f"save-response-{MODEL}").click().run()
    assert "letters" in app.error[0].value
    app.button(key=f"delete-response-{MODEL}").click().run()
    assert place.list_responses() == [] and "was deleted" in texts(app)
    app.button(key="undo-response").click().run()
    assert [one.id for one in place.list_responses()] == [MODEL] and not app.exception
    packed = export_response(place.response_folder(MODEL))
    zipfile.ZipFile(io.BytesIO(packed)).extractall(tmp_path)
    assert ResponseInfo.read(tmp_path / MODEL).title == "Of pairs"
    place.rename_response(MODEL, "Pairs")


def test_the_words_for_a_condition_and_for_a_model_of_new_cell_types():
    done = Perturbation("stim", (), "condition", "treatment", ("stim",))
    assert task_choice.described(done) == "response to stim"
    assert task_choice.described(Perturbation.of_genes("STAT1", "JAK2")) == "knock-out of JAK2 and STAT1"
    config = SimpleNamespace(scheme="context", context="type", mode="knock_out")
    group = SimpleNamespace(context="B cells")
    task = SimpleNamespace(config=config, part=lambda part: [group] if part == "test" else [], seen_parts={"stim"},
                           measured=lambda p, part=None: range(9))  # fmt: skip
    source = ModelSource(SimpleNamespace(network="", config=SimpleNamespace(network=None)), None, None)
    assert "not in this one" in source.notes(task, done, "context")[0].text
    assert "not" not in source.notes(task, done, "cells")[0].text
    info = ResponseInfo.read(ASSETS / "responses" / DEMO_RESPONSE, shipped=True)
    told = " ".join(note.text for note in ModelSource(info, None, None).notes(task, done, "cells"))
    assert "no network is known to be right" in told  # the shipped model wins along the planted one
    assert "judged in B cells" in prediction_trust._judged_elsewhere(SimpleNamespace(task=task))
    config.scheme = "cells"
    assert prediction_trust._judged_elsewhere(SimpleNamespace(task=task)) == ""
