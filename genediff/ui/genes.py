"""Search for genes by name, with completion, over every gene of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Sequence


def gene_search(
    genes: Sequence[str], *, key: str, label: str = "Gene", placeholder: str = "Type a name, such as CD3E"
) -> str | None:
    """Offer one gene; the choice stands in the address under `key`.

    Parameters
    ----------
    genes
        Names to choose from, tens of thousands at most.
    key
        Name of the widget and of its part of the address.
    """
    return st.selectbox(
        label, list(genes), index=None, key=key, placeholder=placeholder, filter_mode="contains", bind="query-params"
    )


def genes_search(
    genes: Sequence[str],
    *,
    key: str,
    label: str = "Genes",
    placeholder: str = "Type names, such as CD3E, LYZ",
    most: int = 6,
) -> list[str]:
    """Offer several genes; the choice stands in the address under `key`.

    Parameters
    ----------
    genes
        Names to choose from, tens of thousands at most.
    key
        Name of the widget and of its part of the address.
    most
        How many may be chosen at once.
    """
    return st.multiselect(
        label,
        list(genes),
        key=key,
        placeholder=placeholder,
        max_selections=most,
        filter_mode="contains",
        bind="query-params",
    )
