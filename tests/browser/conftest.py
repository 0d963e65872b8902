"""A real server on a free port, and a real Chromium in front of it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.debian_packages import chromium as installed_chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "tests" / "screenshots"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader",
)  # fmt: skip
PAGES = tuple(sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
PATIENCE = 300_000  # ms: a busy machine is no reason to fail


@dataclass(frozen=True)
class Server:
    """A running app: where it answers, and where its workspace lies."""

    url: str
    home: Path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium: the system's, or Playwright's own; without one the test skips and says so, in CI it fails."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        path = installed_chromium() or playwright.chromium.executable_path
        if not path or not os.path.exists(path):
            message = "no Chromium: install Debian's `chromium`, or run `python -m playwright install chromium`"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on a free port with what ships, for all tests that add no data, models or runs."""
    yield from _serve(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on a free port with an empty workspace of its own, for the tests of one file."""
    yield from _serve(tmp_path_factory.mktemp("server"))


@pytest.fixture
def cold_server(tmp_path: Path) -> Iterator[Server]:
    """A server that nobody has visited yet."""
    yield from _serve(tmp_path)


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as `python -m genediff app` serves it: with the routes for large files."""
    yield from _serve(tmp_path_factory.mktemp("server"), with_routes=True)


@pytest.fixture
def serve_script(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Serve a small app of a test's own, given as text."""
    with ExitStack() as running:

        def start(text: str) -> Server:
            script = tmp_path / "script.py"
            script.write_text(text, encoding="utf-8")
            return running.enter_context(contextmanager(_serve)(tmp_path, script=str(script)))

        yield start


def _serve(
    folder: Path, *, with_routes: bool = False, script: str = "app.py", options: Sequence[str] = (), port: int = 0
) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("localhost", port))
        port = free.getsockname()[1]
    home = folder / "home"
    roots = [str(folder), str(ROOT.parent / "shared" / "data")]
    environment = {
        **os.environ,
        "GENEDIFF_HOME": str(home),
        "GENEDIFF_ROOTS": os.pathsep.join(roots),
        "GENEDIFF_WARM_UP": "0",
    }
    log = folder / "server.log"
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    if with_routes:
        usual = ["--port", str(port), "--no-browser", "--host", "named.example"]
        command = [sys.executable, "-m", "genediff", "app", *usual, *options]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://localhost:{port}/_stcore/health", process, log)
        yield Server(f"http://localhost:{port}", home)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@pytest.fixture
def open_browser(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Open a page in a fresh session. What it asks of other hosts, and errors on the page, fail the test at its end.

    A screenshot of every page is left in tests/screenshots when the test ends.
    """
    pages: list[Page] = []
    outside: list[str] = []

    def open_(address: str, *, width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("request", lambda asked: None if _is_own(asked.url) else outside.append(asked.url))
        pages.append(page)
        page.goto(address)
        page.get_by_role("heading", level=1).first.wait_for()
        return page

    yield open_
    SCREENSHOTS.mkdir(exist_ok=True)
    troubles = []
    for number, page in enumerate(pages):
        page.screenshot(path=SCREENSHOTS / f"{request.node.name}-{number}.png")
        troubles += page.locator("[data-testid=stException]").all_inner_texts()
        page.context.close()
    assert not troubles, troubles
    assert not outside, f"asked other hosts: {outside}"


def _is_own(url: str) -> bool:
    return url.startswith(("http://localhost:", "ws://localhost:", "data:", "blob:"))


def visit(page: Page, address: str) -> None:
    """Open an address in a page and wait until all of it is drawn."""
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    page.locator("[data-test-script-state=notRunning]").first.wait_for()
    page.wait_for_timeout(1500)


def shorten(page: Page, steps: int) -> None:
    """Ask on Train for that many steps of both stages, and see each in the address before going on.

    A number typed while the page redraws is lost: once a test trained 2,000 steps instead of 30 and ran out of time.
    """
    from playwright.sync_api import TimeoutError as NotInTime

    page.get_by_text("All options").click()
    page.get_by_role("tab", name="Length of training").click()
    for label, name in (("Autoencoder steps", "tokenizer_steps"), ("Flow steps", "steps")):
        for attempt in range(5):
            box = page.get_by_label(label, exact=True)
            box.fill(str(steps))
            box.press("Enter")
            try:
                page.wait_for_url(re.compile(rf"-{name}={steps}(&|$)"), timeout=10_000)
                break
            except NotInTime:
                if attempt == 4:
                    raise


def taken(page: Page, button: str, folder: Path) -> Path:
    """Press a download button when the page has come to rest, and return the file.

    A page is drawn once more when work in the background ends, and a file that is being made just then is lost.
    """
    from playwright.sync_api import Error

    for attempt in range(4):
        page.locator("[data-test-script-state=notRunning]").first.wait_for()
        try:
            with page.expect_download() as download:
                page.get_by_role("button", name=button).click()
            path = folder / download.value.suggested_filename
            download.value.save_as(path)
            return path
        except Error:
            if attempt == 3:
                raise
    raise AssertionError


def real_cells(path: Path) -> Path:
    """Write 300 of the shipped blood cells, with their labels and 500 genes, as a file of one's own."""
    import anndata
    import numpy as np

    from genediff.workspace import DEMO_DATASET, Workspace

    dataset = Workspace(path.parent / "home").open_dataset(DEMO_DATASET)
    counts = dataset.counts()[:300]
    genes = np.sort(np.asarray(counts.sum(0)).ravel().argsort()[-500:])
    obs = dataset.obs[[str(dataset.info.label)]].iloc[:300]
    cells = anndata.AnnData(counts[:, genes], obs=obs.rename(columns={str(dataset.info.label): "cell_type"}))
    cells.var_names = [dataset.genes[gene] for gene in genes]
    cells.write_h5ad(path)
    return path


def go(page: Page, name: str) -> None:
    """Follow the menu to a page, opening its group where it is in one."""
    link = page.locator(f"a[href*='/{name}']")
    for group in page.get_by_test_id("stTopNavSection").all():
        if link.count():
            break
        group.click()
        page.wait_for_timeout(300)
    link.first.click()
    page.wait_for_url(re.compile(f"/{name}"))
    page.locator("[data-test-script-state=notRunning]").first.wait_for()
    page.wait_for_timeout(500)
