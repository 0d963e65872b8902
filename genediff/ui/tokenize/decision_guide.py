"""The decision tree as questions: each answer asks the next, the last leads to the Train page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.inspection.one_cell.decision import ROOT, Advice, Question
from genediff.inspection.one_cell.strategy_notes import OPINIONS
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import DEFAULT_KNOWLEDGE, PRESETS
from genediff.ui.kit import caching, explain, layout
from genediff.ui.knowledge import knowledge_view

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.knowledge import Library


def show(dataset: Dataset) -> None:
    """Ask the questions one by one and say where they lead."""
    st.caption("Up to four questions. The recommendations are opinions; measurements are under *All tokenizations*.")
    node: Question | Advice = ROOT
    asked = 0
    while isinstance(node, Question):
        asked += 1
        answer = _ask(node, asked, dataset)
        if answer is None:
            return
        node = node.answers[answer]
    _advise(node, dataset)


def _ask(question: Question, number: int, dataset: Dataset) -> str | None:
    with st.container(border=True):
        st.markdown(f"**{number}. {question.text}**")
        st.caption(question.help)
        if fact := _fact(question.id, dataset):
            st.caption(f":material/insights: {explain.plain(fact)}")
        chosen: str | None = st.segmented_control(
            question.text, list(question.answers), key=f"q-{question.id}", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
    return chosen


def _fact(question: str, dataset: Dataset) -> str:
    """Return what the chosen data say to a question, or nothing."""
    library = caching.workspace().library()
    if question == "sets" and _has(library, DEFAULT_KNOWLEDGE["gene_sets"]):
        return knowledge_view.set_coverage(DEFAULT_KNOWLEDGE["gene_sets"], dataset, smallest=5).sentence
    if question == "regulators" and _has(library, DEFAULT_KNOWLEDGE["network"]):
        return knowledge_view.network_coverage(DEFAULT_KNOWLEDGE["network"], dataset).sentence
    if question == "data":
        info = dataset.info
        return (
            f"The chosen data set: {info.n_cells:,} cells, {'one column of batches' if info.batch else 'no batches'}."
        )
    return ""


def _has(library: Library, wanted: str) -> bool:
    return any(item.id == wanted for item in library.list())


def _advise(end: Advice, dataset: Dataset) -> None:
    if end.strategy not in TOKENIZERS:
        st.info("This version does not have the strategy that we would recommend here; go back one answer.")
        return
    kind, opinion = TOKENIZERS[end.strategy], OPINIONS.get(end.strategy)
    with st.container(border=True):
        st.subheader(f"{kind.title}, {PRESETS[end.preset].title.lower()}", anchor=False)
        st.markdown(end.why)
        if opinion is not None:
            st.caption(f"**Keeps** {opinion.keeps}. **Loses** {opinion.destroys}.")
        address = {"strategy": end.strategy, "preset": end.preset, **end.extra}
        layout.link("train", "Train this on the chosen cells", icon=":material/arrow_forward:", extra=address)
