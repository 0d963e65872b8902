"""Every page on a phone and a laptop: nothing ends beyond the window unless it scrolls in a box of its own."""

from __future__ import annotations

import pytest

from tests.browser.conftest import PAGES, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VIEWS = (*PAGES, "learn?learn_view=Background", "tokenize?tokenize_view=Step+by+step", "tokens?tokens_view=One+token")

_TOO_WIDE = """() => {
  const main = document.querySelector("[data-testid=stMain]"), found = [];
  const scrolls = one => /(auto|scroll|hidden|clip)/.test(getComputedStyle(one).overflowX);
  for (const one of main.querySelectorAll("*")) {
    const box = one.getBoundingClientRect();
    if (box.right <= innerWidth + 1 || !box.width || one.closest(".js-plotly-plot, .gd-unseen")) continue;
    let around = one.parentElement;
    while (around !== main && !scrolls(around)) around = around.parentElement;
    if (around === main) found.push(`${one.tagName} ${one.dataset.testid ?? one.className} ends at ${box.right}`);
  }
  if (document.scrollingElement.scrollWidth > innerWidth + 1) found.push("the page scrolls sideways");
  return found.slice(0, 5);
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(server, open_browser, width):
    """On a phone, tables of Models and Train ran out of the window, where nothing could bring them back."""
    page = open_browser(server.url, width=width)
    found = []
    for name in VIEWS:
        visit(page, f"{server.url}/{name}")
        found += [f"{name}: {one}" for one in page.evaluate(_TOO_WIDE)]
    assert not found, "\n".join(found)
