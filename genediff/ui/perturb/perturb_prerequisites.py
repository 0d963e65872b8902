"""What the Perturb page needs, and what to do where it is missing: cells of which some were perturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.data.importing.control_words import control_kind
from genediff.ui.kit import caching, explain, layout, state
from genediff.ui.perturb import real_screens, task_choice
from genediff.workspace import DEMO_SCREEN

if TYPE_CHECKING:
    from genediff.data import Dataset, DatasetInfo


def require_screen() -> Dataset:
    """Return the data set that the page is about; without one that has perturbed cells, say what to do and stop."""
    infos = task_choice.screens()
    if not infos:
        _nothing()
        st.stop()
    chosen = state.current().dataset
    found = next((info for info in infos if info.id == chosen), None)
    if found is None:
        _say_other(chosen, infos[0])
        found = infos[0]
        state.choose(dataset=found.id)
    try:
        return caching.dataset(found.id)
    except InputError as error:
        explain.show_input_error(error)
        st.stop()


def dataset_picker(current: str) -> None:
    """Draw the choice among the data sets with a perturbation column."""
    options = {info.id: f"{info.name} · {info.n_cells:,} cells" for info in task_choice.screens()}
    st.session_state["perturb-dataset"] = current  # the widget follows the address
    st.selectbox(
        "Data set",
        list(options),
        format_func=lambda one: options.get(one, one),
        key="perturb-dataset",
        on_change=_choose,
    )


def try_demo(*, primary: bool = True) -> None:
    """Draw the button that opens the simulated screen, where it ships."""
    if any(info.id == DEMO_SCREEN for info in caching.workspace().list_datasets()):
        st.button(
            "Try it on the simulated screen",
            type="primary" if primary else "secondary",
            icon=":material/play_arrow:",
            on_click=_take_demo,
        )


def what_it_does() -> None:
    """Say how predictions are made and what they cannot be, for a newcomer."""
    with st.expander("How perturbation predictions work here", icon=":material/school:"):
        st.markdown(
            "- **What is predicted** are control cells as they would be after a gene was knocked out, or a drug was "
            "given: their change, gene by gene, and the cells themselves.\n"
            "- **Simple baselines come first.** The sum of two single effects, the mean of all perturbations, a linear "
            "model on gene embeddings: many published deep models lose to them. Each prediction stands beside the best "
            "of them, and where a model is no better on held-out perturbations, the baseline is shown first.\n"
            "- **What was measured is held out** where that is possible, so that measured cells can judge the "
            "prediction.\n"
            "- **What noise allows** is the correlation that a perfect prediction would reach with the noisy measured "
            "change; it is estimated from two halves of the measured cells.\n\n"
            "**What this cannot show.** A prediction is no measurement. Nothing is known of cell types, doses and "
            "times "
            "that are not in the data, and toxicity, selection and time are not modelled. Do not use it for patients."
        )


def _nothing() -> None:
    infos = caching.workspace().list_datasets()
    with st.container(border=True):
        st.subheader("No perturbed cells yet", anchor=False)
        st.markdown(
            "Add a data set in which some cells were perturbed: with a column that says what was done to "
            "each cell (`control`, `STAT1`, `STAT1+JAK2`; or a drug), and which level means untreated."
        )
        try_demo()
        if infos:
            layout.link(
                "data",
                "Import a screen, or import a file again and name its perturbation column",
                icon=":material/arrow_forward:",
                extra={"add": "1"},
            )
            for info in infos[:6]:
                if hint := _hint(info):
                    st.caption(hint)
        else:
            layout.link("data", "Add a data set", icon=":material/arrow_forward:", extra={"add": "1"})
        real_screens.show()
        st.caption("No screen at hand? Draw one from a network that you then know:")
        st.code(
            "python -m genediff simulate -o screen.h5ad --knock-outs 8 --doubles 4\n"
            "python -m genediff import screen.h5ad --label cell_type --perturbation perturbation --control control",
            language="bash",
        )
    what_it_does()


def _hint(info: DatasetInfo) -> str:
    """Say that a column of a data set looks like perturbations, where one does."""
    try:
        obs = caching.dataset(info.id).obs
    except InputError:
        return ""
    for column in obs.columns:
        kind = obs[column].dtype.kind
        levels = [] if kind in "fiub" else [str(level) for level in obs[column].dropna().unique()[:400]]
        control = next((level for level in levels if control_kind(level)), None)
        if control is not None and len(levels) > 1:
            return (
                f"“{explain.plain(info.name)}” has a column “{explain.plain(str(column))}” with the level "
                f"“{explain.plain(control)}”: if that is its control, import the file again and say so."
            )
    return ""


def _say_other(chosen: str | None, shown: DatasetInfo) -> None:
    if chosen is None:
        return
    other = next((info for info in caching.workspace().list_datasets() if info.id == chosen), None)
    said = f"“{other.name}” has no perturbed cells" if other is not None else f"No data set has the id “{chosen}”"
    st.caption(f":material/info: {explain.plain(said)}, so “{explain.plain(shown.name)}” is shown.")
    if other is not None and (hint := _hint(other)):
        st.caption(hint)
    layout.link("data", "Import a screen of your own", icon=":material/upload_file:", extra={"add": "1"})


def _choose() -> None:
    state.choose(dataset=st.session_state["perturb-dataset"])
    for part in ("gene", "with", "condition", "group", "by", "look", "mode"):  # they belong to the other data set
        st.query_params.pop(part, None)
        st.session_state.pop(part, None)


def _take_demo() -> None:
    state.choose(dataset=DEMO_SCREEN)
