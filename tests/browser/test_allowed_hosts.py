"""A site that points its own name at this machine (DNS rebinding) reaches no page, file or websocket of the app."""

from __future__ import annotations

import base64
import os
import socket
from urllib.parse import urlsplit

import pytest

from genediff.ui.server.allowed_hosts import is_allowed

NAMES = ("localhost", "lab.example.org", "*.cells.example")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8501", "localhost.", "127.0.0.1:8501", "[::1]:8501", "192.0.2.7", "lab.example.org:443",
     "a.b.cells.example"],
)  # fmt: skip
def test_own_names_addresses_and_given_names_pass(host):
    assert is_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8501", "localhost@evil.example", "evil.example@localhost",
     "localhost/evil", "localhost:port", "", ":8501", "cells.example", "evilcells.example", "127.0.0.1.evil.example",
     "[::1", "localhost evil.example"],
)  # fmt: skip
def test_other_names_do_not(host):
    assert not is_allowed(host, NAMES)


def asked(url: str, path: str, *headers: str, method: str = "GET") -> str:
    """Send a request as written and return the first line of the answer."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as line:
        line.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]).encode())
        return line.makefile("rb").readline().decode().strip()


def opened(url: str, host: str, origin: str) -> str:
    """Ask for the page's websocket and return the first line of the answer: 101 where it is opened."""
    place = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}", f"Origin: {origin}", "Upgrade: websocket",
        "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
    ]  # fmt: skip
    with socket.create_connection((place.hostname, place.port), timeout=60) as line:
        line.sendall("\r\n".join(lines).encode())
        return line.makefile("rb").readline().decode().strip()


def test_a_running_server_refuses_every_request_under_another_name(app_server):
    port = urlsplit(app_server.url).port
    for path in ("/", "/data", "/_stcore/health", "/api/cells/x?token=y", "/static/none.js", "/media/none"):
        assert " 403" in asked(app_server.url, path, f"Host: evil.example:{port}"), path
        assert " 403" not in asked(app_server.url, path, f"Host: localhost:{port}"), path
    assert " 403" in asked(app_server.url, "/api/uploads", "Host: evil.example", "Content-Length: 0", method="POST")
    assert " 400" in asked(app_server.url, "/", "Host: localhost", "Host: evil.example")
    for host in ("localhost", "127.0.0.1", socket.gethostname(), "named.example"):
        assert " 200" in asked(app_server.url, "/_stcore/health", f"Host: {host}:{port}"), host


def test_a_websocket_of_another_name_is_refused_also_with_its_own_origin(app_server, server):
    for place in (app_server.url, server.url):  # `genediff app`, and plain `streamlit run`
        port = urlsplit(place).port
        assert " 403" in opened(place, f"evil.example:{port}", f"http://evil.example:{port}")
        assert " 101" in opened(place, f"localhost:{port}", f"http://localhost:{port}")
    assert " 101" in opened(app_server.url, "named.example", "http://named.example")
    assert " 403" in opened(app_server.url, "localhost", "http://evil.example")
