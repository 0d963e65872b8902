"""The two walks that a newcomer takes, in a real browser, on real cells, with nothing made up on the way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import pytest
from playwright.sync_api import expect

from .conftest import go, real_cells, shorten

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
LONG = 420_000  # ms: training, judging and UMAP's compilation on two busy cores
SHIPPED = sorted((ROOT / "assets" / "models").glob("*/model.json"))


@pytest.mark.skipif(not SHIPPED, reason="no model ships with this checkout")
@pytest.mark.slow
def test_from_home_to_generated_cells_with_the_shipped_model(cold_server, open_browser):
    page = open_browser(cold_server.url)
    page.get_by_role("button", name="Try it on 2,700 blood cells").click()
    page.get_by_role("heading", name="Generate", level=1).wait_for()
    _generate(page, n=100)


@pytest.mark.slow
def test_from_a_file_of_ones_own_to_generated_cells(cold_server, open_browser, tmp_path):
    page = open_browser(cold_server.url)
    page.get_by_role("link", name="Start with your own cells").click()
    page.locator("input[type=file]").set_input_files(real_cells(tmp_path / "mine.h5ad"))
    page.get_by_role("heading", name="Columns", exact=True).wait_for()
    page.get_by_role("button", name="Import these cells").click()
    page.get_by_text("are ready as 'mine'").wait_for(timeout=LONG)

    go(page, "train")
    page.get_by_text("Model size").wait_for()
    shorten(page, 30)
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="Cancel").wait_for()
    assert "run=" in page.url
    page.reload()  # the run goes on, and the address brings it back
    page.get_by_text("The model is in the library").first.wait_for(timeout=LONG)
    page.locator("[data-testid=stEChartsChart] canvas, canvas").first.wait_for()

    page.get_by_role("link", name="Generate cells").click()
    page.get_by_role("heading", name="Generate", level=1).wait_for()
    _generate(page, n=60)


def _generate(page: Page, *, n: int) -> None:
    """Generate cells and wait for the map, the verdict and the figures behind it."""
    page.get_by_label("Cells", exact=True).fill(str(n))
    page.get_by_label("Cells", exact=True).press("Enter")
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text(f"{n} generated cells", exact=True).wait_for(timeout=LONG)
    page.get_by_text("Highlight held-out test cells").wait_for(timeout=LONG)
    page.get_by_role("tab", name="Least accurate genes").wait_for(timeout=LONG)
    verdict = page.locator("[data-testid=stAlert]").first.inner_text()
    assert "classifier separates real from generated cells" in verdict
    expect(page.locator(".js-plotly-plot")).to_have_count(2)  # the map and the dots
    page.wait_for_timeout(3000)  # the page draws itself once more when the verdict is there, and would miss the click
    with page.expect_download() as file:
        page.get_by_role("button", name="Cells (h5ad)").click()
    cells = anndata.read_h5ad(file.value.path())
    assert cells.n_obs == n
    assert cells.uns["genediff"]["generated"]
