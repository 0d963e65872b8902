"""In a real browser: cold links, the demo in one click, the map and its lasso, a file sent and imported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from scipy import sparse

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser


def test_a_cold_server_opens_a_deep_link_with_its_frame(cold_server, open_browser):
    """Streamlit runs pages/data.py without app.py on a cold server: the menu would be the wrong one, the state lost."""
    page = open_browser(f"{cold_server.url}/data?dataset=pbmc3k&view=Quality")
    page.get_by_text("By class").wait_for()
    for name in ("Home", "Data", "Predict", "Compare"):
        page.get_by_role("link", name=name, exact=True).first.wait_for()
    expect(page.get_by_test_id("stTopNavSection")).to_have_count(2)  # Model and Explore
    expect(page.get_by_text("Page not found")).to_have_count(0)
    assert "dataset=pbmc3k" in page.url
    assert "data_view=Quality" in page.url


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_home_shows_the_idea_and_leads_to_the_demo(own_server, open_browser, dark):
    page = open_browser(own_server.url, width=1280, height=720, dark=dark)
    page.locator("img[alt*='encoded as tokens']").wait_for()
    page.get_by_role("button", name="Try it on 2,700 blood cells").click()
    page.wait_for_url(re.compile(r"/(data|generate)\?.*dataset=pbmc3k"))


def test_a_lasso_on_the_map_says_which_cells_lie_inside(own_server, open_browser):
    page = open_browser(f"{own_server.url}/data?dataset=pbmc3k")
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    page.get_by_text("Select cells").wait_for()
    page.wait_for_timeout(1500)  # the first frame of WebGL
    box = plot.bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.03)]
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    page.get_by_text("cells selected").wait_for()
    page.get_by_text("2,638 cells selected").first.wait_for()  # all of them: nothing lies outside the frame


def test_a_file_that_is_sent_is_reported_on_imported_and_shown(own_server, open_browser, tmp_path):
    page = open_browser(f"{own_server.url}/data?add=1", width=1280, height=720)
    page.locator("input[type=file]").set_input_files(_cells(tmp_path / "mine.h5ad"))
    page.get_by_role("heading", name="Columns", exact=True).wait_for()
    page.get_by_text("Leave out cells whose cell_type is").wait_for()  # the label is proposed
    page.get_by_text("Genes, split and thresholds").click()
    # Its map is asked for later. A click while the page redraws is lost, so see that it took.
    box = page.get_by_role("checkbox", name="Draw a UMAP")
    for _ in range(5):
        if box.is_checked():
            page.get_by_text("Draw a UMAP").click()
            page.wait_for_timeout(500)
    expect(box).not_to_be_checked()
    page.get_by_role("button", name="Import these cells").click()
    page.get_by_text("are ready as 'mine'").wait_for()
    page.reload()
    page.get_by_text("of these cells has not been computed yet").wait_for()
    assert "dataset=" in page.url
    page.get_by_role("button", name="Compute the UMAP").click()
    page.get_by_text("Computing the UMAP").wait_for()
    page.get_by_role("button", name="Cancel").click()  # compiling umap-learn would take a while
    page.get_by_role("button", name="Compute the UMAP").wait_for()
    # A new name is shown where the data set is chosen: the browser once held on to the old one.
    page.goto(f"{page.url}&view=About")
    page.get_by_role("button", name="Rename").click()
    box = page.get_by_label("Name", exact=True)
    box.fill("Renamed")
    box.press("Enter")
    page.get_by_role("button", name="Save name").click()
    page.locator("[data-testid=stSelectbox] input[value^=Renamed]").first.wait_for()


def _cells(path: Path) -> Path:
    draw = np.random.default_rng(0)
    kind = np.repeat(["one", "two"], 60)
    counts = draw.poisson(np.where(kind[:, None] == "one", 2.0, 0.5) * np.linspace(0.2, 3, 30), (120, 30))
    anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"cell_type": kind}, index=[f"c{i}" for i in range(120)]),
        var=pd.DataFrame(index=[f"G{i}" for i in range(30)]),
    ).write_h5ad(path)
    return path


def test_a_file_is_not_lost_after_add_a_data_set_on_the_page_itself(own_server, open_browser, tmp_path):
    """The link led to the page it stood on: the browser kept its address, and the file that was sent led to the map.

    4 of 4 files were lost so, and each left a copy among the uploads.
    """
    page = open_browser(f"{own_server.url}/data?dataset=pbmc3k", width=1280, height=720)
    page.get_by_text("Select cells").wait_for()
    page.get_by_text("Add a data set", exact=True).click()
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.wait_for_url(re.compile(r"[?&]add=1"))
    page.locator("input[type=file]").set_input_files(_cells(tmp_path / "kept.h5ad"))
    page.get_by_role("heading", name="Columns", exact=True).wait_for()
    assert "file=kept.h5ad" in page.url
