"""Open a page in the user's browser as soon as the server answers: ``python -m genediff.cli.browser PORT URL``.

Streamlit can do this itself, but then also shows every visitor an advertisement meant for programmers.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import webbrowser

PATIENCE_SECONDS = 60


def open_when_up(port: int, url: str) -> None:
    """Start a process of its own that waits for the port and opens the address, where there is a browser."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return
    subprocess.Popen(
        [sys.executable, "-m", "genediff.cli.browser", str(port), url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def answers(port: int, *, patience: float = PATIENCE_SECONDS) -> bool:
    """Wait until something listens on a port of this machine; return whether it came to that."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return True
        time.sleep(0.2)
    return False


if __name__ == "__main__" and answers(int(sys.argv[1])):
    webbrowser.open(sys.argv[2])
