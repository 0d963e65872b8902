"""Who may send files, and whereto: pages of this server, each with a token of its own that no other site can know."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CELLS, DATASETS = "/api/cells", "/api/datasets"
"""Routes whose files are asked for by a link, with a token in it."""
IDLE_SECONDS = 12 * 3600.0
"""A token that is not used for so long is forgotten."""
MOST = 10_000


class Tokens:
    """The tokens that were given out, kept as hashes in memory; a restarted server knows none, and pages ask anew."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[float, Path]] = {}
        self._lock = threading.Lock()

    def issue(self, root: Path) -> str:
        """Return a new token, good for the workspace at `root` alone."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget()
            self._used[_hash(token)] = time.monotonic(), root
        return token

    def root(self, token: str | None) -> Path | None:
        """Return the workspace that a token is good for; None of one that was not given out, or is no longer in use.

        The token is then used now.
        """
        with self._lock:
            self._forget()
            known = None if token is None else self._used.get(_hash(token))
            if token is None or known is None:
                return None
            self._used[_hash(token)] = time.monotonic(), known[1]
            return known[1]

    def _forget(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        kept = sorted((use for use in self._used.items() if use[1][0] >= oldest), key=lambda use: use[1][0])
        self._used = dict(kept[-MOST:])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


TOKENS = Tokens()
"""Those of this server."""
