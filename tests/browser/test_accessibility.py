"""Every page, light and dark: axe-core finds nothing serious, and headings do not skip a level."""

from __future__ import annotations

import pytest

from tests.browser.conftest import PAGES, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_serious_barrier(server, open_browser, dark):
    """White on the dark theme's blue-green had a contrast of 3.76:1, and pages went from h1 to h3."""
    from axe_playwright_python.sync_playwright import Axe

    page = open_browser(server.url, dark=dark)
    found = []
    for name in PAGES:
        visit(page, f"{server.url}/{name}")
        for barrier in Axe().run(page).response["violations"]:
            if barrier["impact"] in ("serious", "critical") or barrier["id"] == "heading-order":
                found += [f"{name}: {barrier['id']} at {one['target']}" for one in barrier["nodes"]]
    assert not found, "\n".join(found)
