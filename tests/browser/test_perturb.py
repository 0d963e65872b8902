"""In a real browser: a pair that was never measured, its confidence panel, and its cells taken away as a file."""

from __future__ import annotations

import shutil

import anndata
import pandas as pd
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.models.response_config import ResponseConfig
from genediff.perturbation.model.train_response import train_response
from genediff.workspace import Workspace

from .conftest import ROOT, taken

pytestmark = pytest.mark.browser
SHARED = ROOT.parent / "shared" / "data" / "h5ad"
LONG = 120_000  # ms: held-out pairs are predicted first, on two busy cores


@pytest.mark.slow
def test_from_the_demo_to_a_pair_that_was_never_measured_and_its_cells(server, open_browser, tmp_path):
    page = open_browser(f"{server.url}/perturb")
    page.get_by_text("Where a model is needed").wait_for(timeout=LONG)
    page.get_by_role("button", name="never measured together").click()
    page.get_by_text("How far this can be trusted").wait_for(timeout=LONG)
    panel = page.get_by_text("Kind of prediction:")
    panel.wait_for()
    page.get_by_text("pairs never measured together in training").first.wait_for()
    page.get_by_text("Replicate experiment").first.wait_for(state="attached")
    assert "gene=" in page.url and "with=" in page.url  # the address brings it back
    page.locator(".js-plotly-plot").first.wait_for(timeout=LONG)
    page.get_by_text("Arrows lead from the middle of the control cells").wait_for(timeout=LONG)
    page.get_by_text("Other measures, each against its best baseline").wait_for(timeout=LONG)
    path = taken(page, "Predicted cells (h5ad)", tmp_path)
    cells = anndata.read_h5ad(path)
    predicted = cells[cells.obs["predicted"]]
    assert predicted.n_obs >= 100 and "+" in predicted.obs["perturbation"].iloc[0]
    assert cells.uns["genediff"]["dataset_hash"]
    again = open_browser(page.url)
    again.get_by_text("How far this can be trusted").wait_for(timeout=LONG)


@pytest.fixture
def papalexi(own_server) -> str:
    """Measured knock-outs of THP-1 cells, in the server's workspace."""
    path = SHARED / "papalexi_thp1_crisprko_299genes_counts_sceptre.h5ad"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here: it is too large to ship")
    choices = {"perturbation": "perturbation", "control": "control", "umap": False}
    return import_cells(path, ImportConfig.parse(choices), Workspace(own_server.home).datasets).info.id


@pytest.mark.slow
def test_from_a_real_screen_to_a_gene_with_an_effect_and_how_far_its_prediction_can_be_trusted(
    papalexi, own_server, open_browser, tmp_path
):
    """STAT1 was proposed for its name only, and a prediction of a tenth of its effect wore a green tick."""
    page = open_browser(f"{own_server.url}/perturb?dataset={papalexi}&by=best")
    page.get_by_text("Where a model is needed").wait_for(timeout=LONG)
    page.get_by_text("perturbations changed expression").wait_for(timeout=LONG)
    page.get_by_role("button", name="STAT1 (with an effect").click()
    page.get_by_text("STAT1 itself").wait_for(timeout=LONG)
    verdict = page.locator("[data-testid=stAlert]").filter(has_text="STAT1 itself").inner_text()
    assert "times the predicted ones" in verdict and "E-test p = 0.0" in verdict
    page.get_by_text("Replicate experiment").or_(page.locator("[data-testid=stDataFrame]")).first.wait_for()
    cells = anndata.read_h5ad(taken(page, "Predicted cells (h5ad)", tmp_path))
    stat1 = cells[:, "STAT1"].layers["log_normalised"].toarray().ravel()
    predicted = cells.obs["predicted"].to_numpy()
    assert stat1[predicted].mean() < 0.9 * stat1[~predicted].mean(), "the knocked-out gene drops"


@pytest.fixture
def without_ifngr2(papalexi, own_server) -> str:
    """A model of these knock-outs that has never seen IFNGR2 perturbed, with the priors that ship."""
    place = Workspace(own_server.home)
    task = {"scheme": "unseen_single", "hold_out": ("IFNGR2",)}
    config = ResponseConfig(name="Without IFNGR2", dataset_id=papalexi, task=task, members=2)
    train_response(config, place.open_dataset(papalexi), folder=own_server.home / "trained", model_id="without-ifngr2",
                   library=place.library(), base=None, device="cpu")  # fmt: skip
    place.responses.mkdir(parents=True, exist_ok=True)
    shutil.copytree(own_server.home / "trained" / "model", place.responses / "without-ifngr2")
    return "without-ifngr2"


@pytest.mark.slow
def test_from_a_real_screen_to_an_unseen_gene_why_it_is_predicted_so_and_its_cells(
    papalexi, without_ifngr2, own_server, open_browser, tmp_path
):
    page = open_browser(f"{own_server.url}/perturb?dataset={papalexi}&by={without_ifngr2}")
    page.get_by_text("perturbations changed expression").wait_for(timeout=LONG)  # which did anything
    page.get_by_role("button", name="IFNGR2 (with an effect, held out)").click()
    page.get_by_text("How far this can be trusted").wait_for(timeout=LONG)
    page.get_by_text("IFNGR2: never perturbed alone in training").first.wait_for(timeout=LONG)
    why = page.get_by_text("IFNGR2 is similar to").first
    why.wait_for(timeout=LONG)
    assert "weight" in why.inner_text() and "shares" in why.inner_text(), "the source and what genes share"
    page.get_by_text("measured changes as a multiple of predicted ones").wait_for(timeout=LONG)  # trust, in numbers
    cells = anndata.read_h5ad(taken(page, "Predicted cells (h5ad)", tmp_path))
    lowered = cells[:, "STAT1"].layers["log_normalised"].toarray().ravel()
    predicted = cells.obs["predicted"].to_numpy()
    assert lowered[predicted].mean() < lowered[~predicted].mean(), "no interferon receptor, less STAT1"


@pytest.fixture
def kang(own_server) -> str:
    """Blood cells with and without interferon, in the server's workspace."""
    path = SHARED / "kang_ifnb_counts_2000cells_harmony.h5ad"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here: its licence does not let it ship")
    choices = {"perturbation": "condition", "control": "ctrl", "label": "cell_type_pred", "umap": False}
    return import_cells(path, ImportConfig.parse(choices), Workspace(own_server.home).datasets).info.id


@pytest.mark.slow
def test_interferon_in_b_cells_that_were_left_out_raises_isg15_and_ifit1_as_measured(
    kang, own_server, open_browser, tmp_path
):
    page = open_browser(f"{own_server.url}/perturb?dataset={kang}&by=best&group=cell_type_pred: B cells")
    page.get_by_text("How far this can be trusted").wait_for(timeout=LONG)
    table = pd.read_csv(taken(page, "Changes of all genes (CSV)", tmp_path)).set_index("gene")
    for gene in ("ISG15", "IFIT1"):
        assert table.loc[gene, "predicted"] == pytest.approx(table.loc[gene, "measured"], rel=0.35), gene


def test_blood_cells_without_perturbations_say_so(server, open_browser):
    page = open_browser(f"{server.url}/perturb?dataset=pbmc3k", width=1280, height=720, dark=True)
    page.get_by_text("has no perturbed cells").wait_for()
