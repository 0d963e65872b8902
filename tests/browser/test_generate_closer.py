"""A lasso gets a name that other pages know, and the slider takes cells from noise and back without the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 420_000  # ms: UMAP's compilation on two busy cores
# Where the cells of the slider's first moving trace are now.
SHOWN = """() => {
    const plot = [...document.querySelectorAll('.js-plotly-plot')].find(one => one.layout && one.layout.sliders);
    const moving = plot._transitionData._frames[0].traces[0];
    return [plot.layout.sliders[0].active, plot.data[moving].x.slice(0, 5)];
}"""


def test_a_lasso_is_kept_by_name_and_chosen_elsewhere(own_server, open_browser):
    page = open_browser(f"{own_server.url}/data?dataset=pbmc3k")
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    page.get_by_text("Select cells").wait_for()
    page.wait_for_timeout(1500)  # the first frame of WebGL
    box = plot.bounding_box()
    corners = [(0.02, 0.6), (0.55, 0.6), (0.55, 0.98), (0.02, 0.98), (0.02, 0.61)]
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    page.get_by_text("cells selected").wait_for()
    page.get_by_label("Name this selection").fill("My B cells")
    page.get_by_label("Name this selection").press("Enter")
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Save selection").click()
    page.get_by_text("Named selections (1)").wait_for()
    stored = [json.loads(path.read_text()) for path in (own_server.home / "selections" / "pbmc3k").glob("*.json")]
    assert [one["name"] for one in stored] == ["My B cells"]
    assert sum(stop - start for start, stop in stored[0]["ranges"]) > 200


def test_the_slider_moves_map_tokens_and_heat_map_in_the_browser_alone(own_server, open_browser):
    page = open_browser(f"{own_server.url}/generate?n=60&n_steps=4&sampler=euler&closer=Denoising+trajectory")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text("Drag the slider").first.wait_for(timeout=LONG)
    page.wait_for_timeout(2000)
    place, there = page.evaluate(SHOWN)
    assert place == 5  # the counted cells are shown first: noise, four steps, counted
    _drag(page, to=0.0)
    place, noise = page.evaluate(SHOWN)
    assert place == 0 and noise != there
    _drag(page, to=1.0)
    place, again = page.evaluate(SHOWN)
    assert place == 5 and again == there


def _drag(page: Page, *, to: float) -> None:
    grip, rail = page.locator(".slider-grip-rect").first, page.locator(".slider-rail-touch-rect").first
    grip.scroll_into_view_if_needed()
    start, line = grip.bounding_box(), rail.bounding_box()
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(line["x"] + 2 + to * (line["width"] - 4), line["y"] + line["height"] / 2, steps=12)
    page.wait_for_timeout(400)
    page.mouse.up()
    page.wait_for_timeout(600)
