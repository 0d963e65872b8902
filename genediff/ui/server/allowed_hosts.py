"""Which names this server answers to.

A browser lets the pages of a site talk to that site's name alone. So another site that points its own name at this
machine (DNS rebinding) could read and steer the app from a reader's browser, also where it listens on localhost only.
Its requests carry that name, and are refused here, before any page, file or websocket is reached.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send


def own_names() -> set[str]:
    """Return localhost and the names of this machine."""
    named = {"localhost", socket.gethostname().lower()}
    with contextlib.suppress(OSError):
        named.add(socket.getfqdn().lower())
    return named


def is_allowed(host: str, names: Iterable[str]) -> bool:
    """Say whether the server answers to a Host header.

    Parameters
    ----------
    host
        As it was sent: a name or an address, and perhaps a port. Addresses pass: no name stands behind them that could
        be pointed elsewhere.
    names
        Those that pass, in small letters; ``*.example.org`` stands for all below example.org.
    """
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not name or parts.netloc != host or "@" in host:
        return False
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    name = name.rstrip(".")
    return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in names)


class AllowedHosts:
    """ASGI middleware that refuses requests and websockets with another Host than those that `is_allowed` passes.

    Parameters
    ----------
    names
        Further names that pass, beside localhost, the machine's own and addresses.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = own_names() | {name.strip().lower().rstrip(".") for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] in ("http", "websocket"):
            sent = Headers(scope=scope).getlist("host")
            if len(sent) != 1 or not is_allowed(sent[0], self._names):
                refusal = PlainTextResponse(
                    "This server does not answer to the name in this address. Whoever runs it can allow it: "
                    "genediff app --host NAME\n",
                    status_code=403,
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
