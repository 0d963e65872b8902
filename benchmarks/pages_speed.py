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

from benchmarks.pages_speed_cases import LONGEST, SCREEN, VISITS
from benchmarks.pages_speed_cells import prepare
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Page

    from benchmarks.pages_speed_cases import Change, Visit

PAGE = Path(__file__).with_suffix(".md")
ROOT = Path(__file__).resolve().parents[1]
FIRST, CHANGE = 3.0, 1.0  # seconds that are aimed at
FIRST_DRAW = "first draw"
PATIENCE = 60_000  # ms, for what should take a second
HEAD = """# Pages: how long a reader waits with {cells:,} cells

Written by `python -m benchmarks.pages_speed`: the median of {repeats} visits, each in a fresh browser in front of a
real server on two CPU cores (load {load:.1f}, their own included, when a page was last measured; the others keep their
rows); a visit before fills the caches. Aims: first draw {first:g} s, a change {change:g} s. Regulation is asked with 19
shuffled networks and 64 cells, which shortens what is computed before the clock runs and nothing after.

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
  last: 0,  // when the pointer or key was let go
  down: 0,  // when the pointer was pressed
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
    const parts = ['stSkeleton', 'stSpinner', 'stProgress'].map(part => `[data-testid=${part}]`);
    if (document.querySelector([...parts, '[data-stale=true]'].join())) return true;
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
  // When the page, run and changed from `before`, has been at rest for .4 s: when that began. -1 when it never is.
  async quiet(before, patience, local) {
    gd.ran = local;
    let since = 0, sign = '';
    const end = performance.now() + patience;
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
document.addEventListener('mousedown', () => { gd.down = performance.now(); }, true);
new MutationObserver(() => {
  const app = document.querySelector('[data-testid=stApp]');
  if (app && app.getAttribute('data-test-script-state') === 'running') gd.ran = true;
}).observe(document, {subtree: true, attributes: true, childList: true, attributeFilter: ['data-test-script-state']});
"""


@dataclass(frozen=True)
class Wait:
    """Seconds that a reader waited, where they went, and what came over the wire."""

    seconds: float
    server: float
    browser: float
    cpu_server: float
    cpu_browser: float
    megabytes: float


def serve(workspace: Workspace, app: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the app that lies in a folder; return its process and its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GENEDIFF_HOME": str(workspace.root), "GENEDIFF_WARM_UP": "0"}
    command = [sys.executable, "-m", "genediff", "app", "--port", str(port), "--no-browser"]
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


def visit(browser: Browser, address: str, server: int, *, patience: int) -> tuple[Page, Watch, Wait]:
    """Open an address in a fresh browser; return the page, what watches it, and what its first draw took."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(SCRIPT)
    page = context.new_page()
    watch = Watch(page, server)
    watch.start()
    page.goto(address)
    page.get_by_role("heading", level=1).first.wait_for()
    ended = page.evaluate(f"gd.quiet('', {patience}, false)")
    if ended < 0:
        raise RuntimeError("the page did not come to rest")
    return page, watch, watch.stop(0.0, ended)


def change(page: Page, watch: Watch, one: Change, *, patience: int) -> Wait:
    """Make a change; return what it took."""
    one.ready(page)
    page.wait_for_timeout(500)
    local = str(one.local).lower()
    page.evaluate(f"() => {{ window.waited = gd.quiet(gd.sign(), {patience}, {local}); }}")
    watch.start()
    one.act(page)
    ended = page.evaluate("waited")
    if ended < 0:
        raise RuntimeError("nothing changed that can be seen")
    return watch.stop(page.evaluate("gd.down" if one.local else "gd.last"), ended)


@dataclass
class Account:
    """What was measured on one page: waits by what was done, and why some could not be measured."""

    title: str
    waits: dict[str, list[Wait]]
    charts: dict[str, int]
    failed: dict[str, str]

    def rows(self) -> list[str]:
        """Return a line of the table for everything that was done."""
        lines = []
        for name in [*self.waits, *(one for one in self.failed if one not in self.waits)]:
            if name in self.failed:
                lines.append(f"| {self.title} | {name} | not measured: {self.failed[name]} |" + " – |" * 6)
            elif self.waits[name]:
                middle = np.median([astuple(wait) for wait in self.waits[name]], axis=0)
                figures = " | ".join(f"{number:.2f}" for number in middle)
                lines.append(f"| {self.title} | {name} | {figures} | {self.charts[name]} |")
        return lines


def measure(
    address: str, server: int, datasets: dict[str, str], models: dict[str, str], repeats: int, only: Sequence[str]
) -> Iterator[str]:
    """Yield a row for every page and change, page by page."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS
    from tests.debian_packages import chromium

    with sync_playwright() as playwright:
        path = chromium() or playwright.chromium.executable_path

        def launch() -> Browser:
            return playwright.chromium.launch(executable_path=path, args=list(FLAGS))

        for one in VISITS:
            if only and one.name not in only:
                continue
            if one.strategy == SCREEN:
                title, asked = one.name, f"dataset={datasets['screen']}"
            else:
                title = f"{one.name} ({one.strategy})"
                asked = f"dataset={datasets['plain']}&model={models[one.strategy]}"
            account = Account(title, {}, {}, {})
            measure_page(one, account, f"{address}/{one.name}?{asked}{one.path}", server, launch, repeats)
            for row in account.rows():
                print(row, flush=True)
                yield row


def measure_page(
    one: Visit, account: Account, where: str, server: int, launch: Callable[[], Browser], repeats: int
) -> None:
    """Visit a page again and again, and write into the account what it took; the first visit fills the caches."""
    for turn in range(repeats + 1):
        browser = launch()  # one of its own: nothing is in its caches
        try:
            where = _turn(one, account, where, server, browser, first=not turn)
        finally:
            browser.close()
        if FIRST_DRAW in account.failed:
            return


def _turn(one: Visit, account: Account, where: str, server: int, browser: Browser, *, first: bool) -> str:
    """Visit a page once and make its changes; return its address, which a preparation may lead to."""
    from playwright.sync_api import Error

    patience = LONGEST if first else PATIENCE
    try:
        if one.prepare is not None and first:
            page, _, _ = visit(browser, where, server, patience=patience)
            one.prepare(page)
            page.wait_for_timeout(2000)
            where = page.url
            page.context.close()
        page, watch, wait = visit(browser, where, server, patience=patience)
    except (Error, RuntimeError) as error:
        account.failed[FIRST_DRAW] = _reason(error)
        return where
    _note(account, FIRST_DRAW, wait, page, first=first)
    for step in one.changes:
        if step.name in account.failed:
            continue
        try:
            wait = change(page, watch, step, patience=patience)
        except (Error, RuntimeError) as error:  # the other changes and pages are measured all the same
            account.failed[step.name] = _reason(error)
            _picture(page, f"{one.name}-{step.name}-failed")
            continue
        _note(account, step.name, wait, page, first=first)
        if first:
            _picture(page, f"{one.name}-{step.name}")
    return where


def _note(account: Account, name: str, wait: Wait, page: Page, *, first: bool) -> None:
    account.charts[name] = page.locator(".gl-canvas-focus").count()
    of_name = account.waits.setdefault(name, [])
    if not first:
        of_name.append(wait)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).replace("|", "/")[:120] or type(error).__name__


def _picture(page: Page, name: str) -> None:
    stem = "".join(letter if letter.isalnum() else "-" for letter in name)
    with contextlib.suppress(Exception):
        page.screenshot(path=str(Path(tempfile.gettempdir()) / f"pages-speed-{stem}.png"))


def rows_by_page(lines: Sequence[str]) -> dict[str, list[str]]:
    """Return the rows of a table by the title of their page."""
    found: dict[str, list[str]] = {}
    for line in lines:
        title = line.split("|")[1].strip() if line.startswith("| ") else ""
        if title and title != "page":
            found.setdefault(title, []).append(line)
    return found


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
    wanted = {one.strategy for one in VISITS if not args.only or one.name in args.only}
    datasets, models = prepare(args.cells, workspace, wanted)
    process, address = serve(workspace, args.app)
    kept = rows_by_page(args.keep.read_text(encoding="utf-8").splitlines() if args.keep.exists() else [])
    rows: list[str] = []
    load = [os.getloadavg()[0]]
    try:
        for row in measure(address, process.pid, datasets, models, args.repeats, args.only):
            rows.append(row)
            load.append(os.getloadavg()[0])
            head = HEAD.format(cells=args.cells, repeats=args.repeats, first=FIRST, change=CHANGE, load=np.mean(load))
            pages = {**kept, **rows_by_page(rows)}  # what is there, should it be stopped
            names = [one.name for one in VISITS]
            ordered = sorted(pages, key=lambda title: names.index(title.split()[0]))
            lines = [line for title in ordered for line in pages[title]]
            args.keep.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    finally:
        process.terminate()
        process.wait(timeout=20)
    print(args.keep.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
