"""The small button that hands out all it takes to make a view again, and a methods paragraph ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st

from genediff.training import reproduction
from genediff.ui.kit.downloads import download

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.models.model_info import ModelInfo


def bundle_button(
    view: str,
    *,
    model: ModelInfo | None = None,
    dataset: DatasetInfo | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    command: str = "",
    sentence: str = "",
    key: str = "",
) -> None:
    """Draw "Reproduce": a methods paragraph, the commands, and a zip with the configuration, hashes and versions.

    Parameters
    ----------
    view
        What is seen, such as "Pathways: two groups"; it starts with the page's name.
    model, dataset
        What it is made from.
    settings
        Plain values that the reader chose, beyond those in the address.
    seed
        None where nothing is drawn at random.
    command
        The ``genediff`` command that makes the same, where there is one.
    sentence
        How it was made, as a methods section would say it.
    key
        Tells several buttons of a page apart.
    """
    page = view.partition(":")[0].strip().lower()
    query: dict[str, list[str]] = {name: st.query_params.get_all(name) for name in st.query_params}
    shown = reproduction.View(
        view, dataset, model, settings or {}, seed, f"{page}?{urlencode(query, doseq=True)}", command, sentence
    )
    with st.popover("Reproduce", icon=":material/replay:", type="tertiary", help="Methods, commands, settings"):
        st.caption("For your methods section")
        st.code(reproduction.methods(shown), language=None, wrap_lines=True)
        st.caption("On the command line")
        st.code("\n".join(reproduction.commands(shown)[1:]), language="bash", wrap_lines=True)
        download(
            "Everything (zip)",
            lambda: reproduction.bundle(shown),
            f"{_stem(view)}.zip",
            key=f"bundle-{key}{_stem(view)}",
        )
        st.caption("Configuration, seed, hashes of data and weights, versions, commands, methods.")


def _stem(view: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in view.lower()).split())
