"""The command that opens the app."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path  # noqa: TC003  typer reads it at run time

import typer

from genediff.cli.browser import open_when_up
from genediff.cli.sign_in_file import read_sign_in
from genediff.core.errors import InputError
from genediff.core.installation import APP

USUAL_PORT = 8501
IN_A_CLASS: dict[str, float] = {"gigabytes": 2, "runs": 2, "minutes": 10}


def app(
    port: int | None = typer.Option(None, min=1, max=65535, help="Port to listen on; a free one unless given."),
    address: str = typer.Option("localhost", help="Address to listen on; 0.0.0.0 lets other machines in."),
    host: list[str] = typer.Option(
        [], "--host", help="A name that browsers may call this server by, such as that of a proxy (repeatable)."
    ),
    browser: bool = typer.Option(True, help="Open the page in a browser, where there is one."),
    sign_in: Path | None = typer.Option(
        None, help="A file that says how people sign in (OpenID Connect); each then has a workspace of their own."
    ),
    is_class: bool = typer.Option(
        False, "--class", help="For a lesson: each browser has a workspace of its own, and there is a teacher's page."
    ),
    user_gigabytes: float | None = typer.Option(
        None, min=0, help="Disk space of each user, with --sign-in or --class (2 in a class)."
    ),
    user_runs: int | None = typer.Option(
        None, min=1, help="Runs of each user that wait or go on at a time (2 in a class)."
    ),
    user_minutes: float | None = typer.Option(
        None, min=0.1, help="Time that a run of a user may take (10 in a class)."
    ),
) -> None:
    """Open the app in the browser. It listens on this machine only, unless another address is given."""
    given = {"gigabytes": user_gigabytes, "runs": user_runs, "minutes": user_minutes}
    if sign_in is not None and is_class:
        raise InputError("In a class nobody signs in: give --sign-in or --class, not both.")
    if sign_in is None and not is_class and any(value is not None for value in given.values()):
        raise InputError("Limits of users go with --sign-in or --class; without these all share one workspace.")
    if is_class:
        given = {name: IN_A_CLASS[name] if value is None else value for name, value in given.items()}
    if sign_in is not None:
        host = [*host, read_sign_in(sign_in).host]
        sign_in = sign_in.resolve()
    if port is not None and not _is_free(address, port):
        raise InputError(f"Port {port} is taken on {address}; choose another, or leave --port away.")
    chosen = port or (USUAL_PORT if _is_free(address, USUAL_PORT) else _any_port(address))
    url = f"http://{'localhost' if address == '0.0.0.0' else address}:{chosen}{_first_page()}"
    typer.echo(f"GeneDiff Explorer: {url}")
    if browser:
        open_when_up(chosen, url)
    os.chdir(APP)  # Streamlit reads .streamlit/ of the working folder
    options = {
        "server.port": chosen,
        "server.address": address,
        "server.headless": True,  # the page is opened here, without Streamlit's notes to programmers
        "logger.hideWelcomeMessage": True,
        "server.showEmailPrompt": False,
    }
    asked = {
        "options": options,
        "hosts": [address, *host],
        "sign_in": None if sign_in is None else str(sign_in),
        "is_class": is_class,
        "limits": given,
    }
    sys.stdout.flush()
    # The server takes this process's place, so that Ctrl-C and signals reach it.
    os.execv(sys.executable, [sys.executable, "-m", "genediff.ui.server.server_setup", json.dumps(asked)])


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
