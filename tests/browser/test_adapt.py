"""A biologist teaches the shipped model cells of their own, in a real browser."""

from __future__ import annotations

import json
import re

import pytest

from genediff.data import ImportConfig, import_cells
from genediff.models.adapter_info import ADAPTER_FILE
from genediff.workspace import Workspace

from .conftest import real_cells

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 420_000  # ms: training and judging on two busy cores


def test_a_model_is_adapted_and_its_gain_is_said(own_server, open_browser, tmp_path):
    choices = ImportConfig.parse({"name": "300 blood cells", "label": "cell_type", "umap": False})
    cells = import_cells(real_cells(tmp_path / "mine.h5ad"), choices, Workspace(own_server.home).datasets).info.id
    # Without training from scratch beside it, which tests/runs/test_adapt.py has: this one is about the browser.
    asked = "way=Adapt+a+model+%28LoRA%29&adapt-steps=20&adapt-tokenizer_steps=20&adapt-compare=false"
    page = open_browser(f"{own_server.url}/train?dataset={cells}&{asked}", height=1400)
    page.get_by_text("genes were found in the new data by name", exact=False).wait_for(timeout=LONG)
    rank = page.get_by_label("Rank", exact=True)
    rank.fill("3")
    rank.press("Enter")
    page.wait_for_url(re.compile("adapt-rank=3"))
    page.get_by_role("button", name="Start adapting").click()
    page.get_by_text("Benefit of adaptation").first.wait_for(timeout=LONG)

    workspace = Workspace(own_server.home)
    model = next(info for info in workspace.list_models() if info.adapter is not None)
    assert model.adapter.rank == 3
    assert json.loads((model.folder / ADAPTER_FILE).read_text())["rank"] == 3
