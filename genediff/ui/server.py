"""The server with all it can do: the pages of app.py, and the routes for large files. ``python -m genediff.ui.server``.

``streamlit run app.py`` serves the same pages without these routes; they then say how to get large files across.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.ui import upload_routes, upload_widget

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).resolve().parents[2] / "app.py"


def run(options: Mapping[str, Any]) -> None:
    """Serve until stopped, with these options of Streamlit's; pages offer from now on what needs the routes."""
    sys.argv = [str(SCRIPT)]  # Streamlit reads .streamlit/ beside it
    upload_widget.has_routes(upload_routes.UPLOADS, upload_routes.CELLS)
    st.App(SCRIPT, routes=upload_routes.routes()).run(config=options)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
