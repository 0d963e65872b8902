"""In a real browser: from the table to a token and where it is active, a lasso, and a name for those cells."""

from __future__ import annotations

import pytest

from genediff.plots.palettes import SELECTED

pytestmark = pytest.mark.browser
_IS_DRAWN = """name => [...document.querySelectorAll(".js-plotly-plot")].flatMap(plot => plot._fullData || [])
  .some(one => one.name === name)"""


@pytest.mark.slow
def test_a_lasso_on_a_token_names_cells_that_are_kept(server, open_browser):
    page = open_browser(f"{server.url}/tokens?model=pbmc3k-quick")
    page.get_by_text("Directions with an enriched gene set").wait_for()
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    page.wait_for_timeout(1000)  # the grid draws itself
    place = table.bounding_box()
    page.mouse.click(place["x"] + 17, place["y"] + 35 + 35 + 17)  # the box of the second row
    page.get_by_text("Best gene set").first.wait_for()
    assert "token=z1" in page.url
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    page.wait_for_timeout(1500)  # the first frame of WebGL
    box = plot.bounding_box()
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.03)]
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    page.get_by_text("cells selected").wait_for()
    page.get_by_text("Tokens that differ most from all other cells").wait_for()
    page.wait_for_function(_IS_DRAWN, arg=SELECTED)  # a group of its own in the plot of the groups beside the map
    page.get_by_label("Name this selection").fill("left half of a token")
    page.get_by_role("button", name="Save selection").click()
    page.get_by_text("are saved as").wait_for()
    page.get_by_text("Cells by tokens").click()
    page.get_by_text("Each dot is a cell in token space").wait_for()
    assert "token=z1" in page.url
