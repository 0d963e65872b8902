"""A newcomer trains pathway tokens on Hallmark in a real browser, and looks at Tokenize and Compare with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genediff.data import ImportConfig, import_cells
from genediff.workspace import Workspace

from .conftest import real_cells

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 420_000  # ms: training and judging on two busy cores


def test_pathway_tokens_from_training_to_tokenize_and_compare(server, open_browser, tmp_path):
    choices = ImportConfig.parse({"name": "600 blood cells", "label": "cell_type", "umap": False})
    cells = import_cells(real_cells(tmp_path / "mine.h5ad"), choices, Workspace(server.home)).info.id
    page = open_browser(f"{server.url}/train?dataset={cells}&strategy=pathway", height=1400)
    page.get_by_text("What it knows of biology beforehand").wait_for()
    page.get_by_text("of 2,000 genes are in it", exact=False).first.wait_for(timeout=LONG)
    _shorten(page)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("The model is in the library").first.wait_for(timeout=LONG)

    model = next(info for info in Workspace(server.home).list_models() if not info.shipped)
    assert model.strategy == "pathway"
    assert model.run.model.gene_sets == "hallmark"

    tokenize = open_browser(f"{server.url}/tokenize?dataset={cells}", height=1400)
    tokenize.get_by_role("heading", name="Pathway tokens").first.wait_for(timeout=LONG)
    tokenize.get_by_text("HALLMARK", exact=False).first.wait_for(timeout=LONG)

    compare = open_browser(f"{server.url}/compare?dataset={cells}", height=1400)
    compare.get_by_text("Pathway tokens", exact=False).first.wait_for(timeout=LONG)


def _shorten(page: Page) -> None:
    page.get_by_text("Every other option").click()
    page.get_by_role("tab", name="Length of training").click()
    for label, steps in (("Autoencoder steps", 30), ("Flow steps", 30)):
        page.get_by_label(label, exact=True).fill(str(steps))
        page.get_by_label(label, exact=True).press("Enter")
        page.wait_for_timeout(1500)
