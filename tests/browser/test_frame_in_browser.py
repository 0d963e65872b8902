"""In a real browser: the menu, the back button, and /home."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import go

pytestmark = pytest.mark.browser


def test_one_press_leaves_a_page_and_the_one_before_comes_back_as_it_was_left(server, open_browser):
    """Leaving Perturb took three presses, and Data came back without its view.

    Each part that a page wrote into its address was an entry of the browser's history, and all pages called their view
    ``view``: the one went along to the next page, and was taken out of the entry of the page that was left.
    """
    page = open_browser(f"{server.url}/data?dataset=pbmc3k&view=Quality")
    page.get_by_text("By class").first.wait_for()
    go(page, "perturb")
    page.get_by_text("Many at once").first.click()
    page.wait_for_url(re.compile("perturb_view=Many"))
    go(page, "tokenize")
    assert "view=" not in page.url
    page.go_back()
    page.wait_for_url(re.compile(r"/perturb\?.*perturb_view=Many"))
    page.locator("[role=radio][aria-checked=true]", has_text="Many at once").wait_for()
    page.go_back()
    page.wait_for_url(re.compile(r"/data\?.*data_view=Quality"))
    page.locator("[role=radio][aria-checked=true]", has_text="Quality").first.wait_for()


def test_home_has_an_address_of_its_own(server, open_browser):
    """`/home` said "Page not found": the first page is served at "/" alone."""
    open_browser(server.url)  # a cold server forgives it
    page = open_browser(f"{server.url}/home")
    page.get_by_text("Your workspace").wait_for()
    expect(page.get_by_text("Page not found")).to_have_count(0)


@pytest.mark.parametrize("width", [1440, 390])
def test_the_menu_has_groups(server, open_browser, width):
    page = open_browser(server.url, width=width)
    if width < 768:
        page.get_by_test_id("stExpandSidebarButton").click()
        for title in ("Home", "Data", "Tokenize", "Generate", "Inspect", "Predict", "Compare"):
            page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).wait_for()
        return
    menu = page.get_by_test_id("stTopNav")
    places = {name: menu.get_by_text(name, exact=True).first.bounding_box()["x"] for name in
              ("Home", "Data", "Model", "Explore", "Predict", "Compare")}  # fmt: skip
    assert list(places.values()) == sorted(places.values())
    menu.get_by_text("Explore", exact=True).click()
    page.get_by_role("menuitem", name="Inspect").or_(page.get_by_role("link", name="Inspect")).first.click()
    page.wait_for_url(re.compile("/tokens"))


def test_a_table_is_sorted_with_the_keyboard(server, open_browser):
    """The grid is a drawing, and no key reaches its headings."""
    page = open_browser(f"{server.url}/compare")
    page.locator("[data-testid=stDataFrame] table").first.wait_for(state="attached")
    page.get_by_role("combobox", name="Sort by").first.focus()
    page.keyboard.type("AUC (genes) → 0.5, descending")
    page.keyboard.press("Enter")
    expect(page.locator("[data-testid=stDataFrame] table tbody tr").first).to_contain_text("Permuted genes")
