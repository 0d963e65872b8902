"""Titles, labels and cards of others are text: no link, no image, and no request that leaves the machine."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from genediff.core.installation import ASSETS
from tests.browser.conftest import PAGES, visit

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVIL = "![x](https://evil.example/pixel.png) [y](https://evil.example/) <img src=https://evil.example/i.png>"


@pytest.fixture
def hostile(own_server):
    """A data set and a model of the demo under hostile names, as an import or an upload would bring them."""
    dataset = own_server.home / "datasets" / "hostile"
    shutil.copytree(ASSETS / "datasets" / "pbmc3k", dataset)
    _rewrite(dataset / "dataset.json", id="hostile", name=EVIL, notes=[EVIL], source=EVIL)
    model = own_server.home / "models" / "hostile-model"
    shutil.copytree(ASSETS / "models" / "pbmc3k-quick", model)
    _rewrite(model / "model.json", id="hostile-model", title=EVIL, dataset_name=EVIL, dataset_id="hostile")
    (model / "card.md").write_text(f"# {EVIL}\n\n{EVIL}\n", encoding="utf-8")
    return "dataset=hostile&model=hostile-model"


def test_no_page_asks_another_host_or_links_to_it(own_server, hostile, open_browser):
    """An imported model's title was Markdown: an image in it made every reader's browser ask another host.

    `open_browser` fails at its end where a request has left for another host.
    """
    page = open_browser(own_server.url)
    linked = []
    addresses = [*(f"{name}?{hostile}" for name in PAGES), f"data?{hostile}&data_view=About",
                 f"data?dataset={EVIL}", f"train?run={EVIL}", f"generate?job={EVIL}"]  # fmt: skip
    for address in addresses:
        visit(page, f"{own_server.url}/{address}")
        for tag in ("a[href*='evil.example']", "img[src*='evil.example']"):
            linked += [f"{address}: {tag}"] * page.locator(tag).count()
    for card in page.get_by_role("tab", name="Model card").all():
        card.click()
    assert not linked, "\n".join(linked)


def _rewrite(path: Path, **changes: object) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**stored, **changes}), encoding="utf-8")
