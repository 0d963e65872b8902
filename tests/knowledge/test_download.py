"""Downloads: offline they fail at once, a hanging server is left alone, and what was fetched is kept."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from genediff.core.errors import InputError
from genediff.knowledge import Library, make_gene_sets
from genediff.knowledge import download as downloads
from tests.slowdown import slowdown


@pytest.fixture
def library(tmp_path) -> Library:
    return Library(tmp_path / "own", tmp_path / "none")


def test_offline_it_says_so_at_once(library, monkeypatch):
    """A name that cannot exist stands for a machine without a connection (RFC 6761)."""
    monkeypatch.setitem(downloads.HOSTS, "enrichr", "no-such-host.invalid")
    start = time.monotonic()
    with pytest.raises(InputError, match="cannot be reached.*upload a GMT file") as problem:
        downloads.download_gene_sets(library, "KEGG_2021_Human")
    assert time.monotonic() - start < 6 * slowdown()
    assert "\n" not in str(problem.value)
    assert library.list() == []


def test_a_server_that_does_not_take_calls_is_not_waited_for(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda where, timeout: connect(("127.0.0.1", port), timeout))
    with pytest.raises(InputError, match="cannot be reached"):
        downloads.require_connection("anywhere")


def test_a_call_that_hangs_is_ended():
    start = time.monotonic()
    with pytest.raises(InputError, match="within 1 seconds"):
        downloads._fetch(["enrichr", "x", "Human"], 1.0, program="import time; time.sleep(60)")
    assert time.monotonic() - start < 20 * slowdown()


def test_a_call_that_fails_says_why():
    with pytest.raises(InputError, match="ValueError: no such library"):
        downloads._fetch(["enrichr", "x", "Human"], 30.0, program="raise ValueError('no such library')")


def test_what_was_fetched_is_given_back():
    program = "import json, sys; json.dump({'A': ['X', 'Y']}, open(sys.argv[-1], 'w'))"
    assert downloads._fetch(["enrichr", "x", "Human"], 30.0, program=program) == {"A": ["X", "Y"]}


def test_what_is_kept_is_not_fetched_again(library, monkeypatch):
    monkeypatch.setitem(downloads.HOSTS, "enrichr", "no-such-host.invalid")
    kept = library.add_gene_sets(make_gene_sets("KEGG_2021_Human (enrichr Human)", {"A": ["X"]}))
    assert downloads.download_gene_sets(library, "KEGG_2021_Human") == kept


def test_unknown_providers_are_said(library):
    with pytest.raises(InputError, match="msigdb, enrichr"):
        downloads.download_gene_sets(library, "x", provider="other")  # type: ignore[arg-type]


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(monkeypatch):
    over = threading.Event()

    def look_up(where: object, timeout: float) -> socket.socket:
        over.wait(30)
        raise OSError("not found")

    monkeypatch.setattr(socket, "create_connection", look_up)
    start = time.monotonic()
    with pytest.raises(InputError, match="cannot be reached"):
        downloads.require_connection("anywhere", timeout=0.5)
    assert time.monotonic() - start < 10 * slowdown()
    over.set()  # a thread that outlives its test fails whichever test runs then
