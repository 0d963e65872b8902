"""A class on one server: 25 browsers open pages at the same moment; what each waits, and what memory the server takes.

    python -m benchmarks.class_mode [--sessions 25]

Each session is a browser's own conversation with the server: the page over HTTP with its cookie, then the websocket
that pages are drawn over. Only drawing on a screen is left out. In a step all sessions ask at the same time:

    home       Home
    map        the shipped cells on their map
    tokenize   one cell under several tokenizations
    inspect    the tokens of the shipped model over all cells, measured by the first who asks
    generate   200 cells of one's own, each with another seed, from the shipped quick model
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from genediff.models.generate_request import GenerateRequest
from genediff.models.model_info import ModelInfo
from genediff.ui.generate.generate_job import mark_of
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600.0
N_CELLS = 200


class Session:
    """One browser."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: websockets.ClientConnection | None = None
        self._cookie = ""
        self._refreshed: dict[str, float] = {}  # seconds between two looks, by the id of the part of the page

    async def open(self) -> None:
        """Take the page, and with it the cookie of this browser."""
        asked = urllib.request.Request(f"http://localhost:{self._port}/", headers={"Accept": "text/html"})
        answer = await asyncio.to_thread(urllib.request.urlopen, asked, timeout=PATIENCE)
        self._cookie = "; ".join(f"{k}={v.value}" for k, v in SimpleCookie(answer.headers["Set-Cookie"]).items())
        headers = {"Cookie": self._cookie, "Origin": f"http://localhost:{self._port}"}
        address = f"ws://localhost:{self._port}/_stcore/stream"
        self._line = await websockets.connect(
            address, additional_headers=headers, subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE
        )

    async def draw(self, page: str, *, fragment: str = "", **query: str) -> str:
        """Ask for a page, or one part of it, and return the texts that came, once the server is through with it."""
        assert self._line is not None
        asked = BackMsg()
        asked.rerun_script.query_string = urlencode(query)
        asked.rerun_script.page_name = page
        asked.rerun_script.fragment_id = fragment
        asked.rerun_script.is_auto_rerun = bool(fragment)
        await self._line.send(asked.SerializeToString())
        if not fragment:
            self._refreshed.clear()
        parts: list[str] = []
        async with asyncio.timeout(PATIENCE):
            async for content in self._line:
                message = ForwardMsg()
                message.ParseFromString(content)
                kind = message.WhichOneof("type")
                if kind == "new_session" and not message.metadata.run.fragment_ids:
                    self._refreshed.clear()  # the whole page is drawn anew
                elif kind == "delta":
                    parts.append(str(message.delta))
                elif kind == "auto_rerun":
                    self._refreshed[message.auto_rerun.fragment_id] = message.auto_rerun.interval
                elif kind == "script_finished":
                    if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                        continue
                    return "\n".join(parts)
        raise RuntimeError("the server closed the line")

    async def draw_until(self, done: re.Pattern[str], page: str, **query: str) -> str:
        """Ask for a page, and for the parts of it that refresh themselves, until it shows what is waited for."""
        end = time.monotonic() + PATIENCE
        shown = await self.draw(page, **query)
        while not done.search(shown):
            if time.monotonic() > end:
                raise TimeoutError(f"{page} did not show {done.pattern}: {shown[-2000:]}")
            fragment, interval = next(iter(self._refreshed.items()), ("", 1.0))
            await asyncio.sleep(interval)
            shown = await self.draw(page, fragment=fragment, **query)
        return shown


def server(home: Path, log: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GENEDIFF_HOME": str(home), "GENEDIFF_WARM_UP": "0"}
    command = [sys.executable, "-m", "genediff", "app", "--class", "--port", str(port), "--no-browser"]
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5).close()
            return process, port
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(log.read_text())


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the memory of the server and its helpers, in GB."""
    own = psutil.Process(process.pid)
    return sum(one.memory_info().rss for one in (own, *own.children(recursive=True))) / 1e9


def asked_for(seed: int) -> dict[str, str]:
    """Return the address of a generation, which starts it as the button does."""
    sample = ModelInfo.read(Workspace().model_folder(DEMO_MODEL)).config.sample
    request = GenerateRequest(DEMO_MODEL, N_CELLS, {}, sample.guidance, sample.sampler, sample.n_steps, seed)
    return {"n": str(N_CELLS), "seed": str(seed), "made": mark_of(request)}


async def measure(port: int, n: int, process: subprocess.Popen[bytes]) -> dict[str, dict[str, float]]:
    sessions = [Session(port) for _ in range(n)]
    here = {"dataset": DEMO_DATASET, "model": DEMO_MODEL}
    found: dict[str, dict[str, float]] = {"started": {"memory (GB)": memory(process)}}

    steps = {
        "open": lambda one, number: one.open(),
        "home": lambda one, number: one.draw_until(re.compile("GeneDiff Explorer"), ""),
        "map": lambda one, number: one.draw_until(re.compile("plotly_chart"), "data", **here),
        "tokenize": lambda one, number: one.draw_until(re.compile("plotly_chart"), "tokenize", **here),
        "inspect": lambda one, number: one.draw_until(re.compile("plotly_chart|arrow_data_frame"), "tokens", **here),
        "generate": lambda one, number: one.draw_until(
            re.compile(f"{N_CELLS} generated cells"), "generate", **here, **asked_for(number)
        ),
    }
    for name, step in steps.items():

        async def timed(one: Session, number: int, step=step) -> float:
            begun = time.monotonic()
            await step(one, number)
            return time.monotonic() - begun

        waits = await asyncio.gather(*(timed(one, number) for number, one in enumerate(sessions)))
        found[name] = {
            "median wait (s)": round(median(waits), 2), "longest wait (s)": round(max(waits), 2),
            "memory (GB)": round(memory(process), 2),
        }  # fmt: skip
        print(f"{name:10}", found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=25)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        process, port = server(folder / "home", folder / "log")
        try:
            found = asyncio.run(measure(port, asked.sessions, process))
            own = [one for one in (folder / "home" / "users").iterdir() if one.name.startswith("browser-")]
            assert len(own) == asked.sessions, f"{len(own)} workspaces for {asked.sessions} browsers"
            log = (folder / "log").read_text()
            assert "Traceback" not in log, log
        finally:
            process.terminate()
            process.wait()
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
