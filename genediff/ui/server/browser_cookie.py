"""By what the server of a class knows a browser again: a random cookie that came with its first page."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection

from genediff.ui.kit.session_user import COOKIE, TOKEN

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_SECONDS = 60 * 24 * 3600


class BrowserCookie:
    """ASGI middleware that gives a browser without one its cookie, together with the page that it asked for.

    No script of a page can read it, and whoever does not know it cannot become this browser.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the cookie to its answer where it lacks one."""
        asked = HTTPConnection(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if (
            asked is None
            or "text/html" not in asked.headers.get("accept", "")
            or TOKEN.fullmatch(asked.cookies.get(COOKIE, ""))
        ):
            await self._app(scope, receive, send)
            return
        secure = "; Secure" if scope["scheme"] == "https" else ""
        content = (
            f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax{secure}"
        )

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("Set-Cookie", content)
                headers["Cache-Control"] = "no-store"  # or another browser behind a cache would get the same
            await send(message)

        await self._app(scope, receive, answer)
