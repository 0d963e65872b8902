"""In a real browser: the paths of the shipped model of gene tokens, and what a model of another kind says."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
LONG = 300_000  # ms: paths in shuffled networks, on two busy cores


def test_the_shipped_model_shows_its_paths_and_doubts_them(server, open_browser):
    page = open_browser(f"{server.url}/regulation?model=pbmc3k-grn&view=Paths")  # edges were tested for the demo
    page.get_by_text("Paths drawn: supported, then strongest").wait_for(timeout=LONG)
    page.get_by_text("At every edge of the network the regulator is given").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()


def test_a_model_of_another_strategy_leads_to_train(server, open_browser):
    page = open_browser(f"{server.url}/regulation?model=pbmc3k-quick")
    page.get_by_text("This model has no paths between genes").wait_for()
    page.get_by_text("How regulation works here").click()
    page.get_by_text("What this cannot show.").wait_for()
    page.get_by_text("Train GRN tokens").click()
    page.get_by_role("heading", name="Train", exact=True).wait_for()
    assert "strategy=grn" in page.url
    page.get_by_text("GRN tokens").first.wait_for()
