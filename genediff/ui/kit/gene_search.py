"""Search for genes by any name: symbol, Ensembl id or alias.

The browser offers the names that contain what is typed, in the order of the list, and Enter takes the first. Sorted by
length, the name that was typed in full is the first of them, so aliases that are part of a symbol are in the list too.

With a list of 37,000 names the browser stands still for three seconds upon Enter. So of very many genes those detected
in most cells are listed, and any other that is part of their names; the rest is found by its full name.
"""

from __future__ import annotations

import difflib
from contextlib import nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.core.one_at_a_time import one_at_a_time
from genediff.knowledge.gene_names import find_gene, hidden_names, parts_of
from genediff.ui.kit import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from streamlit.delta_generator import DeltaGenerator

LISTED = 8_000


def gene_search(
    genes: Sequence[str],
    *,
    key: str,
    label: str = "Gene",
    placeholder: str = "Symbol, Ensembl id or alias: CD3E",
    ids: Sequence[str] = (),
    detected: NDArray[Any] | None = None,
    below: DeltaGenerator | None = None,
) -> str | None:
    """Offer one gene; the choice stands in the address under `key`.

    Parameters
    ----------
    genes
        Names to choose from.
    key
        Name of the widget and of its part of the address.
    ids
        Ids of the genes, in their order, where the data set has them; others are looked up in the shipped table.
    detected
        In how many cells each gene was detected, (gene,): which are listed where there are more than 8,000.
    below
        Where questions about a name stand: a container below the row that the widget is in, so that they do not push
        its neighbours apart. Under the widget unless given.
    """

    def translate() -> None:
        typed = st.session_state[key]
        found = _meant(typed, genes, ids) if typed else ()
        st.session_state[_said(key)] = _translation(typed, found)
        if len(found) == 1:
            st.session_state[key] = found[0]

    chosen: str | None = st.selectbox(
        label,
        _names(tuple(genes), _listed(genes, detected)),
        index=None,
        key=key,
        placeholder=placeholder,
        filter_mode="contains",
        accept_new_options=True,
        on_change=translate,
        bind="query-params",
    )
    if chosen is None:
        return None
    found = _meant(chosen, genes, ids)
    if len(found) == 1:
        with below or nullcontext():
            _say_translation(key)
        return found[0]

    def choose(name: str) -> None:
        st.session_state[key] = name

    with below or nullcontext():
        _ask(chosen, found, genes, key=key, choose=choose)
    return None


def genes_search(
    genes: Sequence[str],
    *,
    key: str,
    label: str = "Genes",
    placeholder: str = "Symbols, Ensembl ids or aliases: CD3E, CD45",
    most: int = 6,
    ids: Sequence[str] = (),
    detected: NDArray[Any] | None = None,
    below: DeltaGenerator | None = None,
) -> list[str]:
    """Offer several genes; the choice stands in the address under `key`.

    Parameters
    ----------
    genes
        Names to choose from.
    key
        Name of the widget and of its part of the address.
    most
        How many may be chosen at once.
    ids
        Ids of the genes, in their order, where the data set has them; others are looked up in the shipped table.
    detected
        In how many cells each gene was detected, (gene,): which are listed where there are more than 8,000.
    below
        Where questions about a name stand: a container below the row that the widget is in, so that they do not push
        its neighbours apart. Under the widget unless given.
    """

    def translate() -> None:
        meant = {one: _meant(one, genes, ids) for one in st.session_state[key]}
        st.session_state[_said(key)] = " · ".join(filter(None, (_translation(one, meant[one]) for one in meant)))
        names = [found[0] if len(found) == 1 else one for one, found in meant.items()]
        st.session_state[key] = list(dict.fromkeys(names))

    chosen: list[str] = st.multiselect(
        label,
        _names(tuple(genes), _listed(genes, detected)),
        key=key,
        placeholder=placeholder,
        max_selections=most,
        select_all=False,  # Enter takes the gene that stands first, not all that match
        filter_mode="contains",
        accept_new_options=True,
        on_change=translate,
        bind="query-params",
    )
    meant = {name: _meant(name, genes, ids) for name in chosen}

    def replace(old: str) -> Callable[[str], None]:
        def take(new: str) -> None:
            st.session_state[key] = list(dict.fromkeys(new if one == old else one for one in st.session_state[key]))

        return take

    with below or nullcontext():
        _say_translation(key)
        for name, found in meant.items():
            if len(found) != 1:
                _ask(name, found, genes, key=key, choose=replace(name))
    return list(dict.fromkeys(found[0] for found in meant.values() if len(found) == 1))


def _meant(name: str, genes: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    return find_gene(name, genes, ids=ids)


def _listed(genes: Sequence[str], detected: NDArray[Any] | None) -> tuple[str, ...]:
    if detected is None or len(genes) <= LISTED:
        return tuple(genes)
    return tuple(genes[i] for i in np.argsort(-detected, kind="stable")[:LISTED])


@one_at_a_time
@lru_cache(maxsize=8)
def _names(genes: tuple[str, ...], listed: tuple[str, ...]) -> list[str]:
    """Return some genes and all names that hide behind them, shorter ones first: what is typed in full is the first.

    Before anything is typed the list begins with genes, not with aliases of a letter or two.
    """
    parts, known = parts_of(listed), set(genes)
    hidden = {name for name in hidden_names(genes) if name in parts} - known
    shown = {*listed, *hidden, *(gene for gene in genes if gene.upper() in parts)}
    return sorted(shown, key=lambda name: (name in hidden and len(name) < 3, len(name), name in hidden, name))


def _said(key: str) -> str:
    return f"{key}-translated"


def _translation(typed: str | None, found: Sequence[str]) -> str:
    return f"{typed} is {found[0]}" if typed and len(found) == 1 and found[0].upper() != typed.upper() else ""


def _say_translation(key: str) -> None:
    if said := st.session_state.get(_said(key)):
        st.caption(f":material/info: {explain.plain(said)}")


def _ask(name: str, found: Sequence[str], genes: Sequence[str], *, key: str, choose: Callable[[str], None]) -> None:
    """Say that a name is shared by several genes, or unknown, and offer the genes that may be meant."""
    if found:
        words = f"“{explain.plain(name)}” is a name of several genes here; which one?"
    else:
        upper = {gene.upper(): gene for gene in genes}
        found = [upper[one] for one in difflib.get_close_matches(name.upper(), upper, n=3, cutoff=0.7)]
        hint = "did you mean one of these?" if found else "check its spelling."
        words = f"No gene of these cells is known as “{explain.plain(name)}”; {hint}"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption(words, width="content")
        for gene in found[:6]:
            st.button(gene, key=f"{key}-meant-{name}-{gene}", on_click=choose, args=(gene,), type="tertiary")
