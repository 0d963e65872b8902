"""Scripts that draw charts and tables are fetched with the page, not after its first message has come.

Streamlit's page names its first script alone, and a browser learns from the server's first message that it also needs
Plotly (5 MB): it was read and compiled while nothing else was left to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit
from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPTS = ("PlotlyChart.*.js", "DataFrame.*.js", "arrowFormatUtils.*.js")
WITHOUT_CHARTS = ("", "/home", "/learn")
_STATIC = Path(streamlit.__file__).parent / "static"


class Preload:
    """ASGI middleware that adds a ``Link`` header to pages with charts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        found = [path.relative_to(_STATIC) for name in SCRIPTS for path in (_STATIC / "static" / "js").glob(name)]
        self._links = ", ".join(f"<./{path.as_posix()}>; rel=modulepreload" for path in found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the header where a page is answered."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["link"] = self._links
            await send(message)

        with_charts = scope["type"] == "http" and scope["path"].rstrip("/") not in WITHOUT_CHARTS
        await self._app(scope, receive, sent if with_charts and self._links else send)
