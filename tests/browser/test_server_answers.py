"""A page is a hundred small files: none of them waits until the browser has confirmed the one before."""

from __future__ import annotations

import contextlib
import http.client
import sys
import time
from urllib.parse import urlsplit

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not made for Windows")
def test_answers_are_not_held_back(app_server):
    """Sent in two pieces on a socket without TCP_NODELAY, each answer took 40 ms at the least, and a page .6 s more."""
    waited = []
    with contextlib.closing(http.client.HTTPConnection(urlsplit(app_server.url).netloc, timeout=60)) as line:
        for _ in range(40):
            began = time.perf_counter()
            line.request("GET", "/_stcore/health")
            assert line.getresponse().read() == b"ok"
            waited.append(time.perf_counter() - began)
    assert min(waited[5:]) < 0.03  # a system confirms the first few at once
