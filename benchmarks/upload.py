"""Memory of the server while a large file comes through a real browser: ``python -m benchmarks.upload``.

The app runs as users start it; Chromium sends an h5ad of 2 GB; half-way the connection is cut, and it goes on. Memory
is the server process's resident size, looked at four times a second from before the file is chosen until the doctor's
report on it stands on the page. Prints a table and keeps it in ``benchmarks/upload.md``. Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import h5py
import numpy as np
import psutil

from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
BLOCK = 1 << 24
PATIENCE = 3_600_000  # ms


def write_file(path: Path, size: int) -> Path:
    """Write real cells, and beside them noise that fills the file up to its size."""
    dataset = Workspace(path.parent / "elsewhere").open_dataset(DEMO_DATASET)
    label = str(dataset.info.label)
    cells = anndata.AnnData(dataset.counts(), obs=dataset.obs[[label]].rename(columns={label: "cell_type"}))
    cells.var_names = list(dataset.genes)
    cells.write_h5ad(path)
    missing = size - path.stat().st_size
    width = -(-missing // (4 * cells.n_obs))
    with h5py.File(path, "a") as file:
        noise = file["obsm"].create_dataset("noise", (cells.n_obs, width), np.float32)
        noise.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        rng = np.random.default_rng(0)
        step = max(1, BLOCK // width)
        for start in range(0, cells.n_obs, step):
            end = min(start + step, cells.n_obs)
            noise[start:end] = rng.random((end - start, width), dtype=np.float32)
    return path


class Watch:
    """The memory of a process, looked at by a thread."""

    def __init__(self, pid: int) -> None:
        self.process, self.peak = psutil.Process(pid), 0
        self.before = self.now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def now(self) -> int:
        """Return the resident bytes."""
        return int(self.process.memory_info().rss)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.25):
            self.peak = max(self.peak, self.now())


def send(page: Page, file: Path, watch: Watch) -> dict[str, float | str]:
    """Send the file, cut the connection half-way, and wait for the doctor; returns what was seen."""
    sent: list[int] = []
    page.on(
        "requestfinished",
        lambda asked: sent.append(int(asked.headers["upload-offset"])) if asked.method == "PATCH" else None,
    )
    begun = time.monotonic()
    page.locator("input[type=file]").set_input_files(file)
    progress = page.locator("progress")
    while not sent or max(sent) < file.stat().st_size / 2:
        page.wait_for_timeout(200)
    page.context.set_offline(True)
    page.locator(".detail").filter(has_text="The connection is lost").wait_for()
    at = float(progress.evaluate("bar => bar.value"))
    page.wait_for_timeout(3000)
    page.context.set_offline(False)
    page.get_by_text("What the columns mean").wait_for()
    uploaded_peak = watch.peak
    seconds = time.monotonic() - begun
    return {"seconds": seconds, "cut": at, "twice": len(sent) - len(set(sent)), "peak": uploaded_peak}


def measure(size: int, scratch: Path) -> list[str]:
    from playwright.sync_api import sync_playwright

    file = write_file(scratch / "large.h5ad", size)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    home = scratch / "home"
    environment = {**os.environ, "GENEDIFF_HOME": str(home), "GENEDIFF_WARM_UP": "0"}
    command = [sys.executable, "-m", "genediff", "app", "--port", str(port), "--no-browser"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://localhost:{port}/_stcore/health")
        with sync_playwright() as playwright:
            system = shutil.which("chromium") or playwright.chromium.executable_path
            browser = playwright.chromium.launch(executable_path=system, args=list(FLAGS))
            context = browser.new_context()
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(f"http://localhost:{port}/data?add=1")
            page.locator("input[type=file]").wait_for(state="attached")
            page.wait_for_timeout(2000)
            watch = Watch(server.pid)
            found = send(page, file, watch)
            watch.stop()
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=30)
    (arrived,) = (home / "uploads").glob("*.h5ad")
    same = _hash(arrived) == _hash(file)
    n, peak = file.stat().st_size, float(found["peak"])
    return [
        f"| file | {n / 1e9:.2f} GB |",
        f"| memory of the server before | {watch.before / 1e6:,.0f} MB |",
        f"| highest until the doctor's report stands | {peak / 1e6:,.0f} MB |",
        f"| **growth** | **{(peak - watch.before) / 1e6:,.0f} MB** |",
        f"| connection cut at | {float(found['cut']):.0%}, for 3 seconds |",
        f"| chunks sent twice | {found['twice']} |",
        f"| time, with the cut and the report | {float(found['seconds']):,.0f} s "
        f"({n / 1e6 / float(found['seconds']):,.0f} MB/s) |",
        f"| the file that arrived is the same (SHA-256) | {'yes' if same else 'NO'} |",
    ]


def _wait(address: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"nothing answers at {address}")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gb", type=float, default=2.0)
    parser.add_argument("--write", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(int(chosen.gb * 1e9), Path(scratch))
    text = "\n".join(
        [
            "# Memory of a large upload",
            "",
            "A file through Chromium to the app on the same machine, which other work may have shared, by "
            "`python -m benchmarks.upload`.",
            "",
            "| | |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )
    print(text)
    chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
