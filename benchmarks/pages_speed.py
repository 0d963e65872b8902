"""How long does a reader wait? First draw and a change of colour or selection on every page, with 100,000 cells.

    python -m benchmarks.pages_speed [--cells 100000] [--workspace KEPT] [--only data tokens] [--app OTHER]

The cells are draws from the shipped blood cells (each a Poisson draw around a mixture of two real cells of one type),
imported like any file. Models of three strategies are trained on them for a few steps: what they say is not the point
here. A real server and a real Chromium; every page is opened once to fill the caches, then again in a fresh browser,
and then one choice after the other is changed. Writes ``benchmarks/pages_speed.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from genediff.data import ImportConfig, import_cells
from genediff.presets import preset_run
from genediff.training.run import Training
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from playwright.sync_api import Browser, Page

PAGE = Path(__file__).with_suffix(".md")
ROOT = Path(__file__).resolve().parents[1]
STRATEGIES = ("latent", "pathway", "grn")
FIRST, CHANGE = 3.0, 1.0  # seconds that are aimed at
HEAD = """# Pages: how long a reader waits with {cells:,} cells

Written by `python -m benchmarks.pages_speed`: the median of {repeats} visits, each in a fresh browser in front of a
real server on two CPU cores that other programs used too (load {load:.1f}); a visit before fills the caches. Aims:
first draw {first:g} s, a change {change:g} s.

A change begins when the pointer or key is let go, and ends when the new picture is decoded and two more frames are
painted. Server and wire: until the last message has come; browser: what is left until the picture. CPU seconds are
those of the server and of all of the browser's processes: on a busy machine they tell more than seconds do. MB are
what the server sent (at a first draw mostly the app itself), WebGL the number of charts that need it.

| page | what | seconds | server and wire | browser | CPU server | CPU browser | MB | WebGL charts |
|---|---|---|---|---|---|---|---|---|
"""
# Signs of life: what is on the page, and whether anything is still on its way.
SCRIPT = """
window.gd = {
  last: 0,
  ran: false,  // whether the app has begun to run since
  sign() {
    const charts = [...document.querySelectorAll('.js-plotly-plot')].map(one => {
      const images = (one.layout.images || []).map(i => i.source.length + i.source.slice(-400, -200));
      const traces = (one.data || []).map(t => [t.type, t.x && t.x.length, String((t.marker || {}).color).slice(0, 300),
        t.x && String(Array.from(t.x).slice(0, 5)), t.y && String(Array.from(t.y).slice(0, 5))]);
      const opacity = (one.data || []).map(t => t.marker && t.marker.opacity && String(t.marker.opacity).slice(0, 300));
      return [images, traces, opacity, (one.layout.shapes || []).length];
    });
    const main = document.querySelector('[data-testid=stMain]');
    return JSON.stringify(charts) + (main ? main.textContent : '');
  },
  busy() {
    const app = document.querySelector('[data-testid=stApp]');
    if (!app) return true;
    if (app.getAttribute('data-test-script-state') !== 'notRunning') return true;
    if (document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]')) return true;
    return [...document.querySelectorAll('.js-plotly-plot')].some(one => !one._fullLayout
      || !one.querySelector('.main-svg')
      || one.querySelectorAll('.layer-below image, .imagelayer image').length < (one.layout.images || []).length);
  },
  async painted() {
    for (const one of document.querySelectorAll('.js-plotly-plot image')) {
      const picture = new Image();
      picture.src = one.getAttribute('href') || one.getAttribute('xlink:href');
      await picture.decode().catch(() => {});
    }
    for (let i = 0; i < 2; i++) await new Promise(done => requestAnimationFrame(done));
    return performance.now();
  },
  async quiet(before) {  // when the page, run and changed from `before`, has been at rest for .4 s: when that began
    gd.ran = false;
    let since = 0, sign = '';
    const end = performance.now() + 300000;
    while (performance.now() < end) {
      const now = gd.busy() ? '' : gd.sign();
      if ((gd.ran || !before) && now && now !== before) {
        if (now !== sign || !since) { since = await gd.painted(); sign = now; }
        else if (performance.now() - since > 400) return since;
      } else since = 0;
      await new Promise(done => setTimeout(done, 25));
    }
    return -1;
  },
};
for (const kind of ['pointerup', 'mouseup', 'keydown'])
  document.addEventListener(kind, () => { gd.last = performance.now(); }, true);
new MutationObserver(() => {
  const app = document.querySelector('[data-testid=stApp]');
  if (app && app.getAttribute('data-test-script-state') === 'running') gd.ran = true;
}).observe(document, {subtree: true, attributes: true, childList: true, attributeFilter: ['data-test-script-state']});
"""


@dataclass(frozen=True)
class Change:
    """One choice that a reader changes: what is done before the clock runs, and what sets it off."""

    name: str
    ready: Callable[[Page], None]
    act: Callable[[Page], None]


@dataclass(frozen=True)
class Visit:
    """A page, the strategy whose model it is shown, and what a reader changes on it, one after the other."""

    name: str
    strategy: str
    changes: tuple[Change, ...]
    path: str = ""
    prepare: Callable[[Page], None] | None = None
    """Done once, before the caches are filled; the address that it leads to is then the page's."""


@dataclass(frozen=True)
class Wait:
    """Seconds that a reader waited, where they went, and what came over the wire."""

    seconds: float
    server: float
    browser: float
    cpu_server: float
    cpu_browser: float
    megabytes: float


def choose(name: str, label: str, option: str) -> Change:
    """Choose an option of a select box."""

    def ready(page: Page) -> None:
        box = page.get_by_role("combobox", name=label).first
        box.click()
        box.fill(option)
        page.get_by_role("option", name=option).first.wait_for()

    return Change(name, ready, lambda page: page.get_by_role("option", name=option).first.click())


def press(name: str, text: str) -> Change:
    """Press a segment or a button."""
    return Change(name, lambda page: None, lambda page: page.get_by_text(text, exact=True).first.click())


def lasso(name: str, *, shift: float = 0.0) -> Change:
    """Draw a lasso around the middle of the first chart."""

    def corners(page: Page) -> list[tuple[float, float]]:
        place = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
        assert place is not None
        x, y, w, h = place["x"], place["y"], place["width"], place["height"]
        shape = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.32))
        return [(x + (a + shift) * w, y + b * h) for a, b in shape]

    def ready(page: Page) -> None:
        page.locator(".js-plotly-plot .nsewdrag").first.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        first, *others = corners(page)
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=4)

    return Change(name, ready, lambda page: page.mouse.up())


def generate(page: Page) -> None:
    """Make a thousand cells, and wait until they are judged."""
    page.get_by_role("button", name="Generate", exact=True).first.click()
    page.get_by_text("generated cells", exact=False).first.wait_for(timeout=600_000)
    page.get_by_text("Look closer", exact=False).first.wait_for(timeout=900_000)


NUMBER, GENE = "Counts per cell (chosen genes)", "S100A9"
VISITS = (
    Visit(
        "data",
        "latent",
        (
            choose("colour by a number", "Colour by", NUMBER),
            choose("colour by another label", "Colour by", "Split"),
            choose("colour by a gene", "or by genes", GENE),
            lasso("lasso"),
            lasso("another lasso", shift=0.1),
            press("another view", "Quality"),
        ),
    ),
    Visit(
        "tokens",
        "latent",
        (
            press("another view: one token", "One token"),
            lasso("lasso"),
            choose("another token", "Token", "z1"),
            press("another view: cells", "Cells by tokens"),
            choose("colour by a number", "Colour by", NUMBER),
            choose("colour by a gene", "or by a gene", GENE),
        ),
    ),
    Visit(
        "pathways",
        "pathway",
        (
            choose("another pathway", "Pathway", "Hypoxia"),
            press("another view: two groups", "Two groups"),
            lasso("lasso"),
            press("another view: names", "Names put to the test"),
        ),
    ),
    Visit(
        "generate",
        "latent",
        (
            press("colour by source", "Source"),
            press("panels on top", "On top"),
            lasso("lasso"),
        ),
        prepare=generate,
    ),
    Visit("regulation", "grn", (press("another view", "Key regulators"),)),
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


def serve(workspace: Workspace, app: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the app that lies in a folder; return its process and its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GENEDIFF_HOME": str(workspace.root), "GENEDIFF_WARM_UP": "0"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=app, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    address = f"http://localhost:{port}"
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                return process, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the server did not start")


class Watch:
    """What the browser and the server spend, and what passes between them, on one page."""

    def __init__(self, page: Page, server: int) -> None:
        self.page, self.server = page, server
        self.sent: list[float] = []
        self.came: list[tuple[float, int]] = []
        self.files = 0
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.send("Performance.enable")
        wire.on("Network.webSocketFrameSent", lambda told: self.sent.append(told["timestamp"]))
        wire.on("Network.webSocketFrameReceived", self._came)
        wire.on("Network.loadingFinished", self._file)
        self.wire = wire

    def _came(self, told: dict[str, Any]) -> None:
        self.came.append((told["timestamp"], len(told["response"]["payloadData"]) * 3 // 4))

    def _file(self, told: dict[str, Any]) -> None:
        self.files += int(told["encodedDataLength"])

    def start(self) -> None:
        """Begin a new account."""
        self.sent.clear()
        self.came.clear()
        self.files = 0
        self.cpu = _cpu(self.server), _cpu_of_browser()

    def stop(self, began: float, ended: float) -> Wait:
        """Return the account, between two times of the page's own clock (ms)."""
        told = {one["name"]: one["value"] for one in self.wire.send("Performance.getMetrics")["metrics"]}
        zero = told["NavigationStart"]  # of the page's clock, on the clock of the wire
        last = max((time for time, _ in self.came if time - zero <= ended / 1000), default=zero + began / 1000)
        server = max(0.0, last - zero - began / 1000)
        seconds = (ended - began) / 1000
        spent = _cpu(self.server) - self.cpu[0], _cpu_of_browser() - self.cpu[1]
        size = (sum(size for _, size in self.came) + self.files) / 1e6
        return Wait(seconds, server, seconds - server, *spent, size)


def _cpu(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def _cpu_of_browser() -> float:
    total = 0.0
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "chrom" in one.name():
                total += _cpu(one.pid)
    return total


def visit(browser: Browser, address: str, server: int) -> tuple[Page, Watch, Wait]:
    """Open an address in a fresh browser; return the page, what watches it, and what its first draw took."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(180_000)
    context.add_init_script(SCRIPT)
    page = context.new_page()
    watch = Watch(page, server)
    watch.start()
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    ended = page.evaluate("gd.quiet('')")
    return page, watch, watch.stop(0.0, ended)


def change(page: Page, watch: Watch, one: Change) -> Wait:
    """Make a change; return what it took."""
    one.ready(page)
    page.wait_for_timeout(500)
    page.evaluate("() => { window.waited = gd.quiet(gd.sign()); }")
    watch.start()
    one.act(page)
    ended = page.evaluate("waited")
    if ended < 0:
        raise RuntimeError(f"“{one.name}” changed nothing that can be seen")
    return watch.stop(page.evaluate("gd.last"), ended)


def measure(
    address: str, server: int, dataset: str, models: dict[str, str], repeats: int, only: Sequence[str]
) -> list[str]:
    """Return a row for every page and change."""
    from playwright.sync_api import Error, sync_playwright

    from tests.browser.conftest import FLAGS, NAMES

    rows: list[str] = []
    with sync_playwright() as playwright:
        path = next((at for name in NAMES if (at := shutil.which(name))), playwright.chromium.executable_path)

        def launch() -> Browser:
            return playwright.chromium.launch(executable_path=path, args=list(FLAGS))

        for one in VISITS:
            if only and one.name not in only:
                continue
            where = f"{address}/{one.name}?dataset={dataset}&model={models[one.strategy]}{one.path}"
            try:
                rows += measure_page(one, where, server, launch, repeats)
            except (Error, RuntimeError) as error:  # the other pages are measured all the same
                reason = " ".join(str(error).split())[:120]
                rows.append(f"| {one.name} ({one.strategy}) | not measured: {reason} | – | – | – | – | – | – | – |")
                print(rows[-1], flush=True)
    return rows


def measure_page(one: Visit, where: str, server: int, launch: Callable[[], Browser], repeats: int) -> list[str]:
    """Return the rows of one page."""
    found: dict[str, list[Wait]] = {}
    charts: dict[str, int] = {}
    for turn in range(repeats + 1):  # the first visit fills the caches
        browser = launch()  # one of its own: nothing is in its caches
        try:
            if one.prepare is not None and not turn:
                page, _, _ = visit(browser, where, server)
                one.prepare(page)
                page.wait_for_timeout(2000)
                where = page.url
                page.context.close()
            page, watch, first = visit(browser, where, server)
            waits = {"first draw": first}
            charts["first draw"] = page.locator(".gl-canvas-focus").count()
            for step in one.changes:
                waits[step.name] = change(page, watch, step)
                charts[step.name] = page.locator(".gl-canvas-focus").count()
                if not turn:
                    stem = f"pages-speed-{one.name}-{step.name}".replace(" ", "-").replace(":", "")
                    page.screenshot(path=str(Path(tempfile.gettempdir()) / f"{stem}.png"))
        finally:
            browser.close()
        for name, wait in waits.items():
            if turn:
                found.setdefault(name, []).append(wait)
    rows = []
    for name, measured in found.items():
        middle = np.median([astuple(wait) for wait in measured], axis=0)
        figures = " | ".join(f"{number:.2f}" for number in middle)
        rows.append(f"| {one.name} ({one.strategy}) | {name} | {figures} | {charts[name]} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Prepare, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path.home() / ".cache" / "genediff-pages-speed")
    parser.add_argument("--only", nargs="*", default=(), help="names of pages")
    parser.add_argument("--app", type=Path, default=ROOT, help="another checkout of the app, to compare with")
    parser.add_argument("--keep", type=Path, default=PAGE, help="where the table is written")
    args = parser.parse_args()
    workspace = Workspace(args.workspace)
    dataset, models = prepare(args.cells, workspace)
    process, address = serve(workspace, args.app)
    load = [os.getloadavg()[0]]
    try:
        rows = measure(address, process.pid, dataset, models, args.repeats, args.only)
    finally:
        process.terminate()
        process.wait(timeout=20)
    load.append(os.getloadavg()[0])
    head = HEAD.format(cells=args.cells, repeats=args.repeats, first=FIRST, change=CHANGE, load=np.mean(load))
    text = head + "\n".join(rows) + "\n"
    print(text)
    args.keep.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
