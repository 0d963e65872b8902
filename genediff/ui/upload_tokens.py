"""Who may send files: pages of this server, each with a token of its own that no other site can know."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time

IDLE_SECONDS = 12 * 3600.0
"""A token that is not used for so long is forgotten."""
MOST = 10_000


class Tokens:
    """The tokens that were given out, kept as hashes in memory; a restarted server knows none, and pages ask anew."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Return a new token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget()
            self._used[_hash(token)] = time.monotonic()
        return token

    def knows(self, token: str | None) -> bool:
        """Say whether a token was given out and is still in use; it is then used now."""
        with self._lock:
            self._forget()
            known = token is not None and _hash(token) in self._used
            if known:
                assert token is not None
                self._used[_hash(token)] = time.monotonic()
            return known

    def _forget(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        kept = sorted(((when, one) for one, when in self._used.items() if when >= oldest), reverse=True)[:MOST]
        self._used = {one: when for when, one in kept}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


TOKENS = Tokens()
"""Those of this server."""
