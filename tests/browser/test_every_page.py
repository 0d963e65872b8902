"""Every page, light and dark, on a phone and a laptop: axe-core finds nothing serious, and nothing is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PAGES, visit

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VIEWS = (*PAGES, "learn?learn_view=Background", "tokenize?tokenize_view=Step+by+step", "tokens?tokens_view=One+token")

_TOO_WIDE = """() => {
  const main = document.querySelector("[data-testid=stMain]"), found = [];
  const scrolls = one => /(auto|scroll|hidden|clip)/.test(getComputedStyle(one).overflowX);
  for (const one of main.querySelectorAll("*")) {
    const box = one.getBoundingClientRect();
    if (box.right <= innerWidth + 1 || !box.width || !one.checkVisibility()) continue;
    if (one.closest(".js-plotly-plot, .gd-unseen")) continue;
    let around = one.parentElement;
    while (around !== main && !scrolls(around)) around = around.parentElement;
    if (around === main) found.push(`${one.tagName} ${one.dataset.testid ?? one.className} ends at ${box.right}`);
  }
  if (document.scrollingElement.scrollWidth > innerWidth + 1) found.push("the page scrolls sideways");
  return found.slice(0, 5);
}"""


def test_no_page_has_a_serious_barrier_or_is_wider_than_the_window(server, open_browser):
    """White on the dark theme's blue-green had a contrast of 3.76:1, and pages went from h1 to h3.

    On a phone, tables of Models and Train ran out of the window, where nothing could bring them back. A page is drawn
    once, turned dark, and then made narrower, as a tablet is turned.
    """
    from axe_playwright_python.sync_playwright import Axe

    page, axe = open_browser(server.url), Axe()
    found = []
    for name in VIEWS:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light")
        visit(page, f"{server.url}/{name}")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(500)
            options = {"runOnly": ["color-contrast"]} if theme == "dark" else None  # nothing else differs
            for barrier in axe.run(page, options=options).response["violations"]:
                if barrier["impact"] in ("serious", "critical") or barrier["id"] == "heading-order":
                    found += [f"{name}, {theme}: {barrier['id']} at {one['target']}" for one in barrier["nodes"]]
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{name} at {width}: {one}" for one in _too_wide(page)]
    assert not found, "\n".join(found)


def _too_wide(page: Page) -> list[str]:
    """Return what ends beyond the window when the page has had time to become narrower."""
    for _ in range(10):
        page.wait_for_timeout(700)
        if not (found := page.evaluate(_TOO_WIDE)):
            return []
    return [str(one) for one in found]
