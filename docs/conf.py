"""Builds the documentation: what the code knows (strategies, presets, commands, terms) is written from the code."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
os.environ["PLOTLY_RENDERER"] = "notebook_connected"  # a figure of a notebook is HTML, which every builder can show
os.environ["PYTHONPATH"] = os.pathsep.join([str(DOCS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])

import generated  # noqa: E402  beside this file

import genediff  # noqa: E402  the one of this checkout

project = "GeneDiff Explorer"
author = copyright = "GeneDiff Explorer maintainers"
release = version = genediff.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
add_module_names = False

html_theme = "sphinx_book_theme"
html_title = "GeneDiff Explorer"
html_logo = "../assets/logo.svg"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True}
exclude_patterns = ["_build", "_generated"]

generated.write(DOCS / "_generated")
