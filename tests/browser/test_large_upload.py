"""In a real browser: a file goes up in chunks, the line is cut, the page is reloaded, and the doctor opens on it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
from playwright.sync_api import expect

from .conftest import SCREENSHOTS, real_cells

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser
CHUNK = 4 << 20


def large_cells(path: Path) -> Path:
    """Write real cells and a layer of noise that no compression shrinks: six chunks."""
    cells = anndata.read_h5ad(real_cells(path))
    noise = np.random.default_rng(0).random((cells.n_obs, -(-4 * CHUNK // (8 * cells.n_obs)) + 900))
    cells.obsm["noise"] = noise
    cells.write_h5ad(path)
    assert 4 * CHUNK < path.stat().st_size < 7 * CHUNK
    return path


def said(page: Page, words: str) -> None:
    """Wait for what the uploader says of itself."""
    page.locator(".detail").filter(has_text=words).wait_for()


def test_cut_off_and_reloaded_an_upload_goes_on_and_the_doctor_opens(app_server, open_browser, tmp_path):
    file = large_cells(tmp_path / "mine.h5ad")
    page = open_browser(f"{app_server.url}/data?add=1")
    places: list[int] = []
    page.on(
        "requestfinished",
        lambda asked: places.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None,
    )
    cut_at = {2 * CHUNK}

    def cut(route: Route) -> None:
        if int(route.request.headers.get("upload-offset", -1)) in cut_at:
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.route("**/api/uploads/*", cut)
    page.locator("input[type=file]").set_input_files(file)
    said(page, "The connection is lost. 8.4 MB are safe")
    page.context.set_offline(True)
    page.screenshot(path=SCREENSHOTS / "upload-cut-off.png")
    cut_at.clear()
    cut_at.add(3 * CHUNK)
    page.context.set_offline(False)  # it goes on by itself
    said(page, "The connection is lost. 12.6 MB are safe")
    page.reload()
    cut_at.clear()
    page.get_by_text("are here. Choose the same file again to go on.").wait_for()
    expect(page.locator(".waiting")).to_contain_text(re.compile("^mine.h5ad: "))
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("heading", name="Columns", exact=True).wait_for()
    assert "file=mine.h5ad" in page.url
    assert places == list(range(0, file.stat().st_size, CHUNK))  # nothing was sent twice
    arrived = app_server.home / "uploads" / "mine.h5ad"
    assert hashlib.sha256(arrived.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    page.get_by_role("button", name="Choose another file").click()
    page.get_by_text("or drop it here").wait_for()
    expect(page.get_by_text("Choose the same file again")).to_have_count(0)


def test_pause_cancel_and_what_cannot_be_sent(app_server, open_browser, tmp_path):
    file = large_cells(tmp_path / "other.h5ad")

    def begun() -> set[Path]:
        return set((app_server.home / "uploads" / ".incoming").glob("*/data"))

    before = begun()
    page = open_browser(f"{app_server.url}/data?add=1", dark=True)
    held = []
    page.route(
        "**/api/uploads/*", lambda route: held.append(route) if route.request.method == "PATCH" else route.continue_()
    )
    page.locator("input[type=file]").set_input_files({"name": "notes.docx", "mimeType": "", "buffer": b"x"})
    page.get_by_role("alert").filter(has_text="notes.docx is of no format that is read here").wait_for()
    page.locator("input[type=file]").set_input_files({"name": "empty.h5ad", "mimeType": "", "buffer": b""})
    page.get_by_role("alert").filter(has_text="0 bytes").wait_for()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Pause").click()
    said(page, "Paused at 0 bytes")
    assert len(begun() - before) == 1
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("or drop it here").wait_for()
    page.wait_for_timeout(1000)
    assert begun() == before
    assert not list((app_server.home / "uploads").glob("other*"))


def test_without_its_own_sha256_a_browser_gets_the_same_sums(app_server, open_browser):
    """On a plain http address browsers hide theirs; ours must agree with Python's, whatever the length."""
    page = open_browser(f"{app_server.url}/data?add=1")
    page.locator("input[type=file]").wait_for(state="attached")
    for length in (0, 1, 55, 56, 63, 64, 65, 1000, 100_003):
        content = bytes(i * 7 % 251 for i in range(length))
        found = page.evaluate(
            "n => window.genediffUpload.constructor.plain(Uint8Array.from({length: n}, (_, i) => (i * 7) % 251))",
            length,
        )
        assert found == hashlib.sha256(content).hexdigest(), length


def test_a_file_on_the_server_is_found_by_walking_to_it(app_server, open_browser, tmp_path):
    folder = app_server.home.parent / "cells" / "of-a-project"
    folder.mkdir(parents=True, exist_ok=True)
    real_cells(folder / "there.h5ad")
    (folder / "notes.md").write_text("no cells")
    page = open_browser(f"{app_server.url}/data?add=1")
    page.get_by_role("button", name="cells", exact=False).filter(has_text="cells").first.click()
    page.get_by_role("button", name="of-a-project").click()
    page.get_by_role("button", name="there.h5ad").wait_for()
    expect(page.get_by_text("notes.md")).to_have_count(0)
    page.reload()  # the address knows the folder
    page.get_by_role("button", name="there.h5ad").click()
    page.get_by_role("heading", name="Columns", exact=True).wait_for()
