"""In a real browser: terms of art are explained under the pointer, and by keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_term_is_explained_under_the_pointer_and_links_to_its_page(server, open_browser):
    page = open_browser(f"{server.url}/compare")
    term = "tokenization"
    page.wait_for_function("CSS.highlights.get('gd-term')?.size > 0")
    card = page.locator(".gd-card")
    for _ in range(60):  # while the page is still being drawn the term moves away from the pointer
        box = page.evaluate(
            "term => { const one = [...CSS.highlights.get('gd-term')].find(r => r.toString().toLowerCase() === term);"
            " const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }",
            term,
        )
        page.mouse.move(*box)
        page.wait_for_timeout(1000)
        if card.is_visible():
            break
        page.mouse.move(1, 1)
    card.get_by_text("How an expression profile is encoded as tokens.").wait_for()
    link = card.get_by_role("link", name="Read more")
    expect(link).to_have_attribute("href", re.compile("read=strategy-latent"))
    page.keyboard.press("Escape")
    card.wait_for(state="hidden")


def test_keys_reach_the_terms_of_every_page(server, open_browser):
    page = open_browser(f"{server.url}/models")
    button = page.get_by_role("button", name="Glossary")
    button.focus()
    page.keyboard.press("Enter")
    listed = page.get_by_role("region", name="Glossary")
    listed.get_by_text("Gaussian noise (t = 0)").wait_for()
    assert listed.locator("dt").count() > 30


def test_the_pages_that_terms_link_to_are_there(server, open_browser):
    page = open_browser(f"{server.url}/learn?learn_view=Background&read=flow")
    page.get_by_role("heading", name="From noise to cells").wait_for()
    page.locator(".katex").first.wait_for()
    expect(page.locator("[data-testid=stMain]")).not_to_contain_text("include")
