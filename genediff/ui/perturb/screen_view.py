"""Where a model is needed in a screen: a map and a table of what each perturbation did, and what to try first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.perturbation.screen_reader import task_key
from genediff.plots import perturbation_plots as plots
from genediff.ui.kit import background, explain, figures, tables
from genediff.ui.perturb import real_screens, task_choice
from genediff.workspace import DEMO_SCREEN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from genediff.data import Dataset
    from genediff.perturbation import Task
    from genediff.perturbation.question import Source

N_EXAMPLES = 3


def show(dataset: Dataset, source: Source) -> None:
    """Draw the screen, and offer perturbations to begin with."""
    task = source.task(dataset)
    n_pairs = sum(len(p.parts) > 1 for p in task.perturbations)
    st.caption(
        f"{len(task.perturbations):,} perturbations{f', {n_pairs:,} of them pairs' if n_pairs else ''} · "
        f"{len(task.contexts):,} {'group' if len(task.contexts) == 1 else 'groups'} of cells. Choose a gene, "
        "measured or not, or begin with one of these:"
    )
    table = overview(dataset)
    _examples(task, table)
    if table is not None:
        _overview(table, dataset)
    if dataset.info.id == DEMO_SCREEN:
        real_screens.show()
    for note in task.notes:
        st.caption(f":material/info: {explain.plain(note)}")


def overview(dataset: Dataset) -> pd.DataFrame | None:
    """Return what each perturbation did and whether baselines predict it; None until that is known."""
    task = task_choice.reader().held_out(dataset, "cells")
    if task is None:
        return None

    def make(progress: Callable[[float], None]) -> pd.DataFrame:
        from genediff.perturbation.model.screen_overview import screen_overview

        return screen_overview(task, progress=progress)

    found: pd.DataFrame | None = background.soon(
        "Testing which perturbations had an effect, and which are predicted when left out",
        ("perturb-overview", task_key(task)),
        make,
        of=(dataset.info,),
    )
    return found


def examples(task: Task, table: pd.DataFrame | None) -> dict[str, tuple[str, ...]]:
    """Return perturbations worth a look: held out, with an effect, among the genes; and a pair never measured.

    Parameters
    ----------
    task
        As the predictor divides it: perturbations of its test part come first.
    table
        The overview of the screen; None while it is computed, and then nothing is known to have an effect.
    """
    if task.perturbations[0].kind != "gene":
        return {}
    genes, held = set(task.genes), {group.perturbation.label for group in task.part("test")}
    effects = [] if table is None else list(table.index[table["effect"]])
    known = {p.label: p for p in task.perturbations}
    seen = [p for p in (known[label] for label in effects if label in known) if set(p.targets) <= genes]
    found: dict[str, tuple[str, ...]] = {}
    for n_targets, words in ((2, "pair with an effect"), (1, "with an effect")):
        kind = sorted((p for p in seen if len(p.targets) == n_targets), key=lambda p: p.label not in held)
        for p in kind[: 1 if n_targets == 2 else N_EXAMPLES - 1]:
            out = ", held out" if p.label in held else ""
            found[f"{' + '.join(p.targets)} ({words}{out})"] = p.targets
    singles = [p.targets[0] for p in seen if len(p.targets) == 1]
    pairs = {frozenset(p.targets) for p in task.perturbations}
    never = next(((a, b) for a in singles for b in singles if a < b and frozenset((a, b)) not in pairs), None)
    if never:
        found[f"{never[0]} + {never[1]} (never measured together)"] = never
    return found


def _examples(task: Task, table: pd.DataFrame | None) -> None:
    found = examples(task, table)
    if found:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown("Try:", width="content")
            for label, genes in found.items():
                st.button(label, key=f"example-{label}", on_click=_take, args=(genes,))


def _take(genes: Sequence[str]) -> None:
    st.session_state["gene"] = genes[0]
    if len(genes) > 1:
        st.session_state["with"] = genes[1]


def _overview(table: pd.DataFrame, dataset: Dataset) -> None:
    from genediff.perturbation.model.screen_overview import STATES

    st.subheader("Where a model is needed", anchor=False)
    counts = table["state"].value_counts()
    n_effect = int(table["effect"].sum())
    st.markdown(
        f"**{n_effect} of {len(table)}** perturbations changed expression (E-test, false discovery rate below 5%). "
        f"Left out and predicted by a simple baseline: {counts.get('solved', 0)} well, {counts.get('partly', 0)} "
        f"partly, {counts.get('resists', 0)} missed."
    )
    name = f"{dataset.info.id}-screen"
    figures.show_figure(
        plots.screen_map(table, titles=STATES),
        how_to_read="One point per perturbation. Right: its cells are far from control cells (E-distance). Up: the "
        "best simple baseline predicts its change when it is left out, as a share of the correlation that noise "
        "allows. Lower right is where a model has something to gain.",
        name=name,
        table=table.reset_index(),
    )
    shown = table.reset_index()[
        ["perturbation", "state", "cells", "e_distance", "fdr", "cells_needed", "r", "attainable", "baseline"]
    ].assign(state=table["state"].map(STATES).to_numpy())
    with st.expander(f"All {len(table)} perturbations"):
        tables.show(
            shown,
            "screen",
            height=360,
            column_config={
                "e_distance": st.column_config.NumberColumn("E-distance", format="%.2f"),
                "fdr": st.column_config.NumberColumn("FDR", format="%.3f"),
                "cells_needed": st.column_config.NumberColumn(
                    "cells needed", format="%.0f", help="Per arm, to detect an effect of this size in 80% of screens."
                ),
                "r": st.column_config.NumberColumn("baseline r", format="%.2f"),
                "attainable": st.column_config.NumberColumn("attainable r", format="%.2f"),
            },
        )
