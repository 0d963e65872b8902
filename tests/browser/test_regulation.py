"""In a real browser: a model without a network leads to training one that has it."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_a_model_of_another_strategy_leads_to_train(server, open_browser):
    page = open_browser(f"{server.url}/regulation?model=pbmc3k-quick")
    page.get_by_text("This model has no paths between genes").wait_for()
    page.get_by_text("How regulation works here").click()
    page.get_by_text("What this cannot show.").wait_for()
    page.get_by_text("Train GRN tokens").click()
    page.get_by_role("heading", name="Train", exact=True).wait_for()
    assert "strategy=grn" in page.url
    page.get_by_text("GRN tokens").first.wait_for()
