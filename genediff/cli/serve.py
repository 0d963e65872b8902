"""The command that opens the app."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import typer

from genediff.cli.browser import open_when_up
from genediff.errors import InputError

FOLDER = Path(__file__).resolve().parents[2]
USUAL_PORT = 8501


def app(
    port: int | None = typer.Option(None, min=1, max=65535, help="Port to listen on; a free one unless given."),
    address: str = typer.Option("localhost", help="Address to listen on; 0.0.0.0 lets other machines in."),
    browser: bool = typer.Option(True, help="Open the page in a browser, where there is one."),
) -> None:
    """Open the app in the browser. It listens on this machine only, unless told otherwise."""
    if not (FOLDER / "app.py").is_file():
        raise InputError(f"The app's pages are not in {FOLDER}; run this from a checkout of GeneDiff Explorer.")
    if port is not None and not _is_free(address, port):
        raise InputError(f"Port {port} is taken on {address}; choose another, or leave --port away.")
    chosen = port or (USUAL_PORT if _is_free(address, USUAL_PORT) else _any_port(address))
    url = f"http://{'localhost' if address == '0.0.0.0' else address}:{chosen}{_first_page()}"
    typer.echo(f"GeneDiff Explorer: {url}")
    if browser:
        open_when_up(chosen, url)
    os.chdir(FOLDER)  # Streamlit reads .streamlit/ of the working folder
    options = {
        "server.port": chosen,
        "server.address": address,
        "server.headless": True,  # the page is opened here, without Streamlit's notes to programmers
        "logger.hideWelcomeMessage": True,
        "server.showEmailPrompt": False,
    }
    sys.stdout.flush()
    # The server takes this process's place, so that Ctrl-C and signals reach it.
    os.execv(sys.executable, [sys.executable, "-m", "genediff.ui.server", json.dumps(options)])


def _first_page() -> str:
    """Return where a newcomer begins: on the demo; who has data of their own begins at home."""
    from genediff.workspace import DEMO_DATASET, Workspace

    workspace = Workspace()
    own = any(not info.shipped for info in workspace.list_datasets())
    model = next((m.id for m in workspace.list_models() if m.shipped and m.dataset_id == DEMO_DATASET), None)
    return "" if own or model is None else f"/generate?dataset={DEMO_DATASET}&model={model}"


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _any_port(address: str) -> int:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as problem:
            raise InputError(f"This machine cannot listen on {address} ({problem.strerror}).") from None
        port: int = probe.getsockname()[1]
        return port
