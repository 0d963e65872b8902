"""A newcomer trains pathway tokens on Hallmark in a real browser, and looks at Tokenize and Compare with them."""

from __future__ import annotations

import re

import pytest

from genediff.data import ImportConfig, import_cells
from genediff.workspace import Workspace

from .conftest import real_cells, shorten

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMED = re.compile("Interferon gamma response|Oxidative phosphorylation|Myc targets")
LONG = 420_000  # ms: training and judging on two busy cores


def test_pathway_tokens_from_training_to_tokenize_and_compare(own_server, open_browser, tmp_path):
    choices = ImportConfig.parse({"name": "300 blood cells", "label": "cell_type", "umap": False})
    cells = import_cells(real_cells(tmp_path / "mine.h5ad"), choices, Workspace(own_server.home).datasets).info.id
    page = open_browser(f"{own_server.url}/train?dataset={cells}&strategy=pathway", height=1400)
    page.get_by_text("Prior knowledge", exact=True).wait_for()
    page.get_by_text("genes are in it", exact=False).first.wait_for(timeout=LONG)
    shorten(page, 30)
    page.get_by_role("button", name="Start training").click()
    page.get_by_text("The model is in the library").first.wait_for(timeout=LONG)

    model = next(info for info in Workspace(own_server.home).list_models() if not info.shipped)
    assert model.strategy == "pathway"
    assert model.config.model.gene_sets == "hallmark"

    tokenize = open_browser(f"{own_server.url}/tokenize?dataset={cells}", height=1400)
    tokenize.get_by_role("heading", name="Pathway tokens").first.wait_for(timeout=LONG)
    tokenize.get_by_text("Tokens of a trained model").first.wait_for(timeout=LONG)
    tokenize.get_by_text(NAMED).first.wait_for(timeout=LONG)

    compare = open_browser(f"{own_server.url}/compare?dataset={cells}", height=1400)
    # The shipped comparison comes first; the table is a canvas, so its verdicts are what a reader's eye can find.
    compare.get_by_role("heading", name="What each tokenization claims, and whether it holds").wait_for(timeout=LONG)
    compare.locator("strong", has_text="Pathway tokens").first.wait_for(timeout=LONG)
    compare.get_by_role("button", name="New comparison").click()
    compare.get_by_role("heading", name="A new comparison").wait_for(timeout=LONG)
    compare.get_by_text("Pathway tokens", exact=False).first.wait_for(timeout=LONG)
