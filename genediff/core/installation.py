"""Where this installation keeps what is not Python code of the package, and where a user's things lie."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).resolve().parents[1]

PACKAGE_PARENT = PACKAGE.parent
"""What a new process needs on its path to import this very package."""

APP = PACKAGE_PARENT if (PACKAGE_PARENT / "app.py").is_file() else PACKAGE / "_app"
"""The folder of app.py, pages/ and .streamlit/: the top of a checkout, or the copy that a wheel carries."""

ASSETS = APP / "assets"
"""Demo cells, models, gene sets, networks and styles that ship."""

SHIPPED_KNOWLEDGE = ASSETS / "knowledge"


def home() -> Path:
    """Return where the workspace lies: $GENEDIFF_HOME, or the user's data directory."""
    named = os.environ.get("GENEDIFF_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("genediff"))
