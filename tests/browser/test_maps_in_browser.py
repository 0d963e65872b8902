"""In a real browser: maps stand where they can be seen, let the page scroll, and keep what was selected on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
ALL = "region=-99,-99;99,-99;99,99;-99,99"


def test_the_map_of_generate_begins_above_the_fold(server, open_browser):
    """At 1440 x 900 it began at 565 pixels, below a form as wide as the page."""
    page = open_browser(f"{server.url}/generate")
    plot = page.locator(".js-plotly-plot").first
    plot.wait_for()
    box = plot.bounding_box()
    assert box["y"] < 300 and box["y"] + box["height"] < 900


def test_a_wheel_over_a_map_scrolls_the_page(server, open_browser):
    """A wheel zoomed the map instead, and the page could not be left downwards."""
    page = open_browser(f"{server.url}/data?dataset=pbmc3k", height=600)
    box = _plot(page)
    before = page.evaluate(_TOP)
    page.mouse.move(box["x"] + box["width"] / 2, min(box["y"] + 100, 500))
    page.mouse.wheel(0, 400)
    page.wait_for_timeout(800)
    assert page.evaluate(_TOP) > before + 100


@pytest.mark.slow
def test_the_toolbar_of_a_plot_lies_above_its_titles(server, open_browser):
    page = open_browser(f"{server.url}/data?dataset=pbmc3k&genes=CD3E&genes=LYZ")
    _plot(page)
    bar = page.locator(".modebar").first.bounding_box()
    for title in page.locator(".js-plotly-plot .annotation-text").all():
        assert title.bounding_box()["y"] >= bar["y"] + bar["height"] - 1


def test_a_selection_stays_when_the_colouring_changes_and_goes_to_gene_panels(server, open_browser):
    """A lasso stayed on its own plot: another colouring lost it, and panels of genes took none."""
    page = open_browser(f"{server.url}/data?dataset=pbmc3k&{ALL}")
    page.get_by_text("2,638 cells selected").wait_for()
    page = open_browser(f"{server.url}/data?dataset=pbmc3k&{ALL}&genes=CD3E&genes=LYZ")
    page.get_by_text("2,638 cells selected").wait_for()
    page.get_by_role("button", name="Clear region").click()
    page.get_by_text("Select cells").wait_for()


_TOP = "document.querySelector('[data-testid=stMain]').scrollTop"


def _plot(page: Page) -> dict[str, float]:
    page.locator(".js-plotly-plot .nsewdrag").first.wait_for()
    page.wait_for_timeout(1500)  # the first frame of WebGL
    return page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
