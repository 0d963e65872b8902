"""The server: the pages of app.py, and the routes for large files. ``python -m genediff.ui.server.server_setup``.

``streamlit run app.py`` serves the same pages without these routes; they then say how to get large files across.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.middleware import Middleware

from genediff.cli.sign_in_file import read_sign_in
from genediff.core.installation import APP
from genediff.core.users import Limits
from genediff.ui.kit import explain, session_user
from genediff.ui.kit.session_user import Users
from genediff.ui.server import upload_routes, upload_widget
from genediff.ui.server.allowed_hosts import AllowedHosts
from genediff.ui.server.browser_cookie import BrowserCookie

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT = APP / "app.py"


def run(
    options: Mapping[str, Any],
    *,
    hosts: Sequence[str] = (),
    sign_in: str | None = None,
    is_class: bool = False,
    limits: Mapping[str, Any] | None = None,
) -> None:
    """Serve until stopped; pages offer from now on what needs the routes.

    Parameters
    ----------
    options
        Options of Streamlit's.
    hosts
        Names that this server answers to beside localhost, the machine's own and addresses.
    sign_in
        The file that says how people sign in; then each has a workspace of their own.
    is_class
        Whether each browser has a workspace of its own, and there is a teacher.
    limits
        What one user may take up, by the names of `Limits`.
    """
    sys.argv = [str(SCRIPT)]  # Streamlit reads .streamlit/ beside it
    upload_widget.has_routes(upload_routes.UPLOADS, upload_routes.CELLS)
    middleware, secrets_ = [Middleware(AllowedHosts, names=hosts)], None
    if sign_in is not None:
        found = read_sign_in(Path(sign_in))
        users = Users("sign-in", Limits(**limits or {}), allowed=found.allow, providers=found.providers)
        session_user.serve(users)
        secrets_ = {"auth": found.auth}
    elif is_class:
        code = "-".join(secrets.token_hex(2) for _ in range(2))
        session_user.serve(Users("browser", Limits(**limits or {}, cluster=False), code=code))
        middleware.append(Middleware(BrowserCookie))
        print(f"The teacher's page is /learn?teacher=1 and opens with the code {code}", flush=True)
    app = st.App(SCRIPT, routes=upload_routes.routes(), middleware=middleware, secrets=secrets_,
                 on_script_error=explain.show_expected_error)  # fmt: skip
    # Streamlit's own list knows of websockets alone; ours stands before everything.
    app.run(config={"server.allowedHosts": ["*"], **options})


if __name__ == "__main__":
    run(**{"options": {}, **(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})})
