"""In a real browser: a lasso on the map of Pathways, the test of its cells, a pathway from the volcano, a name kept."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_a_lasso_is_tested_against_all_other_cells(server, open_browser):
    page = open_browser(f"{server.url}/pathways?view=Two+groups&model=pbmc3k-quick")
    page.get_by_text("Furthest apart").wait_for()
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
    page.get_by_text("cells in the drawn region").wait_for()
    assert "region=" in page.url
    page.get_by_text("higher in drawn region").first.wait_for()
    page.get_by_label("Name this selection").fill("left half")
    page.get_by_role("button", name="Save selection").click()
    page.get_by_text("are saved as").wait_for()
    page.reload()  # the address brings the region back
    page.get_by_text("cells in the drawn region").wait_for()
    page.get_by_role("button", name="Clear the region").click()
    page.get_by_label("First group").wait_for()
    assert "region=" not in page.url
