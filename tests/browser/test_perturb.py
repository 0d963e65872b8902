"""In a real browser: a pair that was never measured, its confidence panel, and its cells taken away as a file."""

from __future__ import annotations

import anndata
import pytest

from .conftest import taken

pytestmark = pytest.mark.browser
LONG = 120_000  # ms: held-out pairs are predicted first, on two busy cores


def test_from_the_demo_to_a_pair_that_was_never_measured_and_its_cells(server, open_browser, tmp_path):
    page = open_browser(f"{server.url}/perturb")
    page.get_by_text("Choose a gene, or two").wait_for(timeout=LONG)
    page.get_by_role("button", name="never measured together").click()
    page.get_by_text("How far this can be trusted").wait_for(timeout=LONG)
    panel = page.get_by_text("Kind of prediction:")
    panel.wait_for()
    page.get_by_text("pairs that training never saw together").first.wait_for()
    page.get_by_text("split-half ceiling").first.wait_for(state="attached")
    assert "gene=" in page.url and "with=" in page.url  # the address brings it back
    page.locator(".js-plotly-plot").first.wait_for(timeout=LONG)
    page.get_by_text("Arrows lead from the middle of the control cells").wait_for(timeout=LONG)
    page.get_by_text("By other measures, each beside its best baseline").wait_for(timeout=LONG)
    path = taken(page, "Predicted cells (h5ad)", tmp_path)
    cells = anndata.read_h5ad(path)
    predicted = cells[cells.obs["predicted"]]
    assert predicted.n_obs >= 100 and "+" in predicted.obs["perturbation"].iloc[0]
    assert cells.uns["genediff"]["dataset_hash"]
    again = open_browser(page.url)
    again.get_by_text("How far this can be trusted").wait_for(timeout=LONG)


def test_blood_cells_without_perturbations_say_so(server, open_browser):
    page = open_browser(f"{server.url}/perturb?dataset=pbmc3k", width=1280, height=720, dark=True)
    page.get_by_text("has no perturbed cells").wait_for()
