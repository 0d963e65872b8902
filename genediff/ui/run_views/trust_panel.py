"""How far generated cells can be trusted: a verdict in words, and its figures, each beside real cells and baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.evaluation import METRICS, ROW_TITLES
from genediff.plots.metric_plots import Dot, Strip, dot_ranges
from genediff.plots.style import style
from genediff.ui.kit import button_events, downloads, explain, tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.evaluation import Evaluation, Score

SHOWN = ("c2st_pcs", "c2st_genes", "w2_debiased", "frechet", "lfc_correlation", "train_ratio")
HINTS = {
    "c2st_pcs": "0.5 = indistinguishable",
    "c2st_genes": "0.5 = indistinguishable",
    "w2_debiased": "0 = same distribution",
    "frechet": "lower is better",
    "lfc_correlation": "higher is better",
    "train_ratio": "1 = new, 0 = copies",
}
KINDS = {
    "model": "model", "floor": "floor", "subclusters": "baseline", "independent_nb": "baseline", "copied": "copies"
}  # fmt: skip
BY_TYPE = {
    "c2st_genes": "AUC (genes)", "c2st_pcs": "AUC (PCs)", "frechet": "Fréchet", "lfc_correlation": "fold changes r",
    "recall": "recall",
}  # fmt: skip
_CHOSEN = "drifted gene"
_BOXES = {"good": st.success, "mixed": st.warning, "poor": st.error}
_ICONS = {"good": ":material/verified:", "mixed": ":material/balance:", "poor": ":material/report:"}


def verdict(evaluation: Evaluation) -> None:
    """Write the verdict in words, in the colour of its level."""
    level = evaluation.verdict.level
    _BOXES[level](evaluation.verdict.sentence, icon=_ICONS[level])


def show(evaluation: Evaluation, *, name: str) -> None:
    """Draw the panel: dots between floor and baseline, and beside them the tabs.

    Parameters
    ----------
    name
        Stem of downloaded files and keys.
    """
    left, right = st.columns([0.42, 0.58], gap="medium")
    with left:
        dots(evaluation, name=name)
    with right:
        tabs(evaluation, name=name)


def dots(evaluation: Evaluation, *, name: str) -> None:
    """Draw the headline figures as dots between floor and baseline; ``name`` is the stem of downloads and keys."""
    figure = dot_ranges(strips(evaluation))
    style(figure, height=figure.layout.height)
    figure.update_layout(margin={"l": 8, "r": 30, "t": 28, "b": 8}, dragmode=False)
    st.plotly_chart(figure, key=f"dots-{name}", config={"displayModeBar": False})
    text, button = st.columns([0.8, 0.2])
    with text:
        explain.how_to_read(
            "Each dot is a mean over draws of cells, its bar one standard deviation. Dotted line: the ideal value; "
            "green band: from there to what two samples of real cells reach. A model is worth its training where it is "
            "ahead of both baselines: independent genes, and a negative binomial per sub-cluster of each type."
        )
    with button:
        downloads.figure_downloads(figure, name=f"{name}-trust", table=evaluation.table, key=f"dots-{name}")


def tabs(evaluation: Evaluation, *, name: str, choose_gene: Callable[[str], None] | None = None) -> None:
    """Draw types, genes, memorisation and all figures in tabs; one stands open, and in the address.

    Parameters
    ----------
    name
        Stem of keys.
    choose_gene
        Told the gene whose row the reader clicks, for instance to colour a map by it.
    """
    st.fragment(_tabs)(evaluation, name, choose_gene)


def _tabs(evaluation: Evaluation, name: str, choose_gene: Callable[[str], None] | None) -> None:
    draws = {
        "By type": lambda: _types(evaluation),
        "Least accurate genes": lambda: _genes(evaluation, name, choose_gene),
        "Memorisation": lambda: _copies(evaluation),
        "All figures": lambda: _figures(evaluation),
    }
    # Only the open tab is made and sent: a table that nobody sees costs the browser as much as one that is read.
    for tab, draw in zip(st.tabs(list(draws), key="trust", bind="query-params"), draws.values(), strict=True):
        if tab.open:
            with tab:
                draw()
    if button_events.pop_press(_CHOSEN):  # the map above must hear of it, not these tabs alone
        st.rerun()


def strips(evaluation: Evaluation) -> list[Strip]:
    """Return the headline figures as strips of dots, without those that the data do not allow."""
    found = []
    for metric in SHOWN:
        rows = [row for row in KINDS if row != "copied" or metric == "train_ratio"]
        dots = [_dot(score) for row in rows if (score := evaluation.score(row, metric))]
        if dots:
            found.append(Strip(METRICS[metric].title, HINTS[metric], METRICS[metric].ideal, tuple(dots)))
    return found


def types_table(evaluation: Evaluation) -> pd.DataFrame:
    """Return one row per label, the one that is told apart most easily first; the floor stands beside each figure."""
    rows = []
    for label in evaluation.classes:
        row: dict[str, object] = {evaluation.label or "type": label}
        for metric, title in BY_TYPE.items():
            own, floor = evaluation.score("model", metric, label), evaluation.score("floor", metric, label)
            row["cells"] = own.n if own and "cells" not in row else row.get("cells")
            row[title] = own.mean if own else None
            if metric != "recall":
                row[f"{title} (real)"] = floor.mean if floor else None
        rows.append(row)
    table = pd.DataFrame(rows)
    order = BY_TYPE["c2st_genes"]
    return table.sort_values(order, ascending=False) if order in table else table


def _dot(score: Score) -> Dot:
    metric = METRICS[score.metric]
    mean = max(score.mean, 0.0) if metric.signed else score.mean
    text = metric.text(score.mean) if metric.signed else ""
    return Dot(ROW_TITLES[score.row], mean, score.sd or 0.0, KINDS.get(score.row, "other"), text)


def _types(evaluation: Evaluation) -> None:
    if not evaluation.classes:
        st.caption("These cells carry no labels, so there are figures for all of them together only.")
        return
    table = types_table(evaluation)
    table = table.rename(columns={table.columns[0]: str(table.columns[0]).replace("_", " ")})
    formats = {str(column): "," if column == "cells" else ".2f" for column in table.columns[1:]}
    tables.small(table, formats=formats, shade=_shade, shaded=(BY_TYPE["c2st_pcs"], BY_TYPE["c2st_genes"]))
    explain.how_to_read(
        "AUC: how well a classifier separates real from generated cells of that type, 0.5 = indistinguishable; darker "
        "is worse. Fold changes r: correlation of log fold changes, type against rest, with those of real cells. "
        "“(real)”: what two samples of real cells reach; of a few dozen cells even those differ. The verdict names a "
        "type only where it is behind the others by more than chance."
    )
    if evaluation.too_few:
        few = ", ".join(f"{name} ({n})" for name, n in evaluation.too_few.items())
        st.caption(f"Too few held-out cells to judge: {few}.")


def _shade(value: float) -> str:
    """Return a background that grows with the distance from guessing."""
    strength = 0.0 if pd.isna(value) else min(max((value - 0.5) / 0.5, 0.0), 1.0)
    return f"background-color: rgba(213, 94, 0, {0.55 * strength:.2f})"


def _genes(evaluation: Evaluation, name: str, choose_gene: Callable[[str], None] | None) -> None:
    if not evaluation.drifted:
        st.caption("No gene was compared.")
        return
    if evaluation.chance_distance is not None:
        verb = "differs" if evaluation.n_drifted == 1 else "differ"
        st.markdown(
            f"**{evaluation.n_drifted}** of the genes {verb} from real cells beyond chance: a gap above "
            f"{evaluation.chance_distance:.2f} (permutation test, corrected for all genes)."
        )
    table = evaluation.drift_table()
    shown = pd.DataFrame(
        {
            "gene": table["gene"],
            "gap": table["distance"],
            "what": table["direction"],
            "mean": table["mean_generated"],
            "mean (real)": table["mean_real"],
            "zeros": table["zeros_generated"],
            "zeros (real)": table["zeros_real"],
        }
    )
    config = {
        "gap": st.column_config.ProgressColumn("gap", format="%.2f", min_value=0.0, max_value=1.0),
        "mean": st.column_config.NumberColumn(format="%.2f"),
        "mean (real)": st.column_config.NumberColumn(format="%.2f"),
        "zeros": st.column_config.NumberColumn(format="percent"),
        "zeros (real)": st.column_config.NumberColumn(format="percent"),
    }

    def choose(row: int) -> None:
        if choose_gene is not None:
            choose_gene(str(shown["gene"].iloc[row]))
            button_events.note(_CHOSEN)

    tables.show(
        shown, f"drift-{name}", on_pick=choose if choose_gene is not None else None, column_config=config, height=300
    )
    click = " Choose a row to colour the map by that gene." if choose_gene else ""
    explain.how_to_read(
        "Gap: the largest difference between the distributions of log-normalised values, 0 to 1. Zeros: share of cells "
        f"in which the gene has no count.{click}"
    )


def _copies(evaluation: Evaluation) -> None:
    box = {"none": st.success, "suspected": st.warning, "copied": st.error}[evaluation.memorisation.level]
    box(evaluation.memorisation.sentence)
    explain.how_to_read(
        "A model that has memorised training cells puts generated cells closer to them than unseen real cells lie "
        "(“Copied training cells” in the figure above). One that copies their states and draws new counts is found by "
        "whose nearest real cell is a training cell more often than a random split explains, and in the model's "
        "tokens, where its cells lie as close to training cells as copies made for the purpose."
    )


def _figures(evaluation: Evaluation) -> None:
    rows, without = [], []
    for metric in METRICS.values():
        scores = {row: evaluation.score(row, metric.name) for row in evaluation.rows}
        if not any(scores.values()):
            continue
        share = evaluation.share_of_range("model", metric.name)
        without.append(share is None and "permuted" in evaluation.rows and "floor" in evaluation.rows)
        figures = {ROW_TITLES[row]: None if s is None else metric.text(s.mean) for row, s in scores.items()}
        why = "No range on these data: real cells cannot be distinguished from permuted genes. " if without[-1] else ""
        rows.append(
            {
                "figure": metric.title,
                "share of range": None if share is None else 100 * share,
                **figures,
                "how to read it": f"{why}{metric.sentence}",
            }
        )
    table = pd.DataFrame(rows).dropna(axis=1, how="all")
    grey = [["color: #8A8F98; font-style: italic" if one else ""] * len(table.columns) for one in without]
    tables.show(
        table.style.apply(lambda _: pd.DataFrame(grey, index=table.index, columns=table.columns), axis=None), "figures",
        height=320,
        column_config={
            "share of range": st.column_config.ProgressColumn(
                "share of range", format="%d%%", min_value=0.0, max_value=100.0,
                help="0%: like training cells with permuted genes. 100%: like other real cells.",
            )
        })  # fmt: skip
    st.caption(" ".join(evaluation.notes))
