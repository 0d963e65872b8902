"""How long does a reader wait? First draw and a change of colour or selection on every page, with 100,000 cells.

    python -m benchmarks.pages_speed [--cells 100000] [--workspace KEPT]

The cells are draws from the shipped blood cells (each a Poisson draw around a mixture of two real cells of one type),
imported like any file. Models of three strategies are trained on them for a few steps: what they say is not the point
here. A real server and a real Chromium; every page is opened once to fill the caches, then again in a fresh browser,
and then one choice is changed. Seconds end when the app has stopped running and its charts are drawn. Writes
``benchmarks/pages_speed.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genediff.data import ImportConfig, import_cells
from genediff.presets import preset_run
from genediff.training.run import Training
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

PAGE = Path(__file__).with_suffix(".md")
ROOT = Path(__file__).resolve().parents[1]
STRATEGIES = ("latent", "pathway", "grn")
FIRST, CHANGE = 3.0, 1.0  # seconds that are aimed at
HEAD = """# Pages: how long a reader waits with {cells:,} cells

Written by `python -m benchmarks.pages_speed`: the median of {repeats} visits, in a real browser in front of a real
server on two shared CPU cores, caches filled by a visit before. Aims: first draw {first:g} s, a change {change:g} s. MB
are what the server sent for the first draw (websocket and files), WebGL the number of charts that need it.

| page | first draw (s) | change | seconds | MB | WebGL charts |
|---|---|---|---|---|---|
"""
QUIET = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const busy = !app || app.getAttribute('data-test-script-state') !== 'notRunning'
    || document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]');
  const charts = [...document.querySelectorAll('.js-plotly-plot')];
  return !busy && charts.every(one => one._fullLayout && one.querySelector('.main-svg'));
}"""


@dataclass(frozen=True)
class Visit:
    """A page, the strategy whose model it is shown, and one choice that a reader changes on it."""

    name: str
    strategy: str
    change: str
    do: Callable[[Page], None]
    path: str = ""


def choose(label: str, option: str) -> Callable[[Page], None]:
    """Return what chooses an option of a select box."""

    def do(page: Page) -> None:
        page.get_by_role("combobox", name=label).first.click()
        page.get_by_role("option", name=option).first.click()

    return do


def press(name: str) -> Callable[[Page], None]:
    """Return what presses a segment or a button."""
    return lambda page: page.get_by_text(name, exact=True).first.click()


VISITS = (
    Visit("data", "latent", "colour by library size", choose("Colour by", "Counts per cell (chosen genes)")),
    Visit("tokens", "latent", "another view", press("One token")),
    Visit("pathways", "pathway", "another view", press("Two groups")),
    Visit("regulation", "grn", "", lambda page: None),
)


def draw_cells(n: int, workspace: Workspace, path: Path) -> None:
    """Write cells drawn from the shipped ones, block by block in memory."""
    import anndata
    from scipy import sparse

    source = workspace.open_dataset(DEMO_DATASET)
    label = str(source.info.label)
    counts, types = source.counts(), source.obs[label].astype(str).to_numpy()
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(types), size=n)
    members = {one: np.flatnonzero(types == one) for one in np.unique(types)}
    partner = np.array([rng.choice(members[one]) for one in types[chosen]])
    blocks = []
    for start in range(0, n, 5000):
        here = slice(start, start + 5000)
        mean = (counts[chosen[here]] + counts[partner[here]]).toarray() / 2
        blocks.append(sparse.csr_matrix(rng.poisson(mean).astype(np.float32)))
    cells = anndata.AnnData(sparse.vstack(blocks).tocsr())
    cells.obs_names = [f"cell_{i}" for i in range(n)]
    cells.var_names = list(source.genes)
    cells.obs["cell_type"] = types[chosen]
    cells.obs["cell_type"] = cells.obs["cell_type"].astype("category")
    cells.write_h5ad(path)


def prepare(n: int, workspace: Workspace) -> tuple[str, dict[str, str]]:
    """Return the data set's id and a model per strategy, made where they are missing."""
    title = f"{n:,} drawn blood cells"
    found = [info.id for info in workspace.list_datasets() if info.name == title]
    if not found:
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "cells.h5ad"
            draw_cells(n, workspace, file)
            choices = ImportConfig.parse({"name": title, "label": "cell_type"})
            begun = time.perf_counter()
            found = [import_cells(file, choices, workspace).info.id]
            print(f"imported in {time.perf_counter() - begun:.0f} s", flush=True)
    dataset = workspace.open_dataset(found[0])
    models = {}
    for strategy in STRATEGIES:
        model_id = f"speed-{strategy}-{found[0]}"
        if not (workspace.models / model_id).is_dir():
            run = preset_run("quick", dataset.info, strategy=strategy, title=f"{strategy}, a few steps")
            short = {"steps": 20, "tokenizer_steps": 60, "validate_every": 1000}
            run = run.model_copy(update={"train": run.train.model_copy(update=short)})
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / "run"
                for _ in Training(run, dataset, folder=folder, model_id=model_id, library=workspace.library()).run():
                    pass
                shutil.copytree(folder / "model", workspace.models / model_id)
        models[strategy] = model_id
    return found[0], models


def serve(workspace: Workspace) -> tuple[subprocess.Popen[bytes], str]:
    """Start the app; return its process and its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GENEDIFF_HOME": str(workspace.root), "GENEDIFF_WARM_UP": "0"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    address = f"http://localhost:{port}"
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return process, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def settled(page: Page, *, patience: float = 600) -> float:
    """Wait until the page has been quiet for .4 s; return when it became quiet (`time.perf_counter`)."""
    end, since = time.perf_counter() + patience, None
    while time.perf_counter() < end:
        if page.evaluate(QUIET):
            since = since or time.perf_counter()
            if time.perf_counter() - since > 0.4:
                return since
        else:
            since = None
        page.wait_for_timeout(30)
    raise SystemExit(f"{page.url} did not come to rest")


def visit(browser, address: str) -> tuple[Page, float, float]:
    """Open an address in a fresh browser; return the page, seconds to its first draw, and MB that came."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(120_000)
    page, came = context.new_page(), [0]

    def count(frame) -> None:
        came[0] += len(frame)

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.on("response", lambda answer: came.__setitem__(0, came[0] + int(answer.headers.get("content-length", 0))))
    begun = time.perf_counter()
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    return page, settled(page) - begun, came[0] / 1e6


def measure(address: str, dataset: str, models: dict[str, str], repeats: int) -> list[str]:
    """Return a row for every page."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, NAMES

    rows = []
    with sync_playwright() as playwright:
        path = next((found for name in NAMES if (found := shutil.which(name))), playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for one in VISITS:
            where = f"{address}/{one.name}?dataset={dataset}&model={models[one.strategy]}{one.path}"
            first, second, size, charts = [], [], 0.0, 0
            for turn in range(repeats + 1):  # the first visit fills the caches
                page, seconds, size = visit(browser, where)
                charts = page.locator(".gl-canvas-focus").count()
                changed = 0.0
                if one.change:
                    begun = time.perf_counter()
                    one.do(page)
                    changed = settled(page) - begun
                if turn:
                    first.append(seconds)
                    second.append(changed)
                elif one.change:
                    page.screenshot(path=str(Path(tempfile.gettempdir()) / f"pages-speed-{one.name}.png"))
                page.context.close()
            rows.append(
                f"| {one.name} ({one.strategy}) | {np.median(first):.1f} | {one.change or '–'} | "
                f"{np.median(second):.1f} | {size:.1f} | {charts} |"
            )
            print(rows[-1], flush=True)
        browser.close()
    return rows


def main() -> None:
    """Prepare, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path.home() / ".cache" / "genediff-pages-speed")
    args = parser.parse_args()
    workspace = Workspace(args.workspace)
    dataset, models = prepare(args.cells, workspace)
    process, address = serve(workspace)
    try:
        rows = measure(address, dataset, models, args.repeats)
    finally:
        process.terminate()
        process.wait(timeout=20)
    text = HEAD.format(cells=args.cells, repeats=args.repeats, first=FIRST, change=CHANGE) + "\n".join(rows) + "\n"
    print(text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
