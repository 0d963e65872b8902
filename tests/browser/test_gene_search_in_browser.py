"""In a real browser: a gene is found by the name that was typed in full, whatever longer names contain it."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser


TYPED = {"CD20": "MS4A1", "CD207": "CD207"}
"""CD207 is in too few cells to be in the list."""


def test_enter_takes_the_gene_whose_name_was_typed(server, open_browser):
    """CD20 and Enter gave CD207, CD8 gave CD84: the browser offers the names that contain what is typed, in order."""
    address = f"{server.url}/data?dataset=pbmc3k"
    page = open_browser(address)
    for typed, gene in TYPED.items():
        if page.url != address:
            page.goto(address)
        page.get_by_text("Select cells").wait_for()
        box = page.locator("[data-testid=stMultiSelect] input").first
        box.click()
        box.press_sequentially(typed, delay=40)
        page.wait_for_timeout(800)
        box.press("Enter")
        page.wait_for_url(re.compile(rf"genes={gene}(&|$)"))
        if typed != gene:
            page.get_by_text(f"{typed} is {gene}").wait_for()
