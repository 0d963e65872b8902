"""What the cells of a data set are worth: counts, genes and mitochondrial share per cell, classes and split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from genediff.plots import palettes
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

SPLIT_COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#CC79A7"}


def histogram(
    values: ArrayLike,
    *,
    title: str,
    log: bool = False,
    n_bins: int = 40,
    height: int = 260,
    selected: ArrayLike | None = None,
) -> go.Figure:
    """Draw how many cells have which value.

    Parameters
    ----------
    values
        One number per cell, (cell,); cells without one are left out.
    title
        What the number is, with its unit.
    log
        Whether the axis counts in powers of ten (values of 0 are then left out).
    n_bins
        How many bars.
    height
        Pixels.
    selected
        The values of cells that are drawn in front of all, in another colour.
    """

    def on_axis(some: ArrayLike) -> NDArray[np.floating[Any]]:
        known = _finite(some)
        return np.log10(known[known > 0]) if log else known

    numbers = on_axis(values)
    if not numbers.size:
        numbers = np.array([0.0 if log else 1.0])
    edges = np.histogram_bin_edges(numbers, bins=n_bins)
    counts, _ = np.histogram(numbers, bins=edges)
    centres, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    fig = go.Figure(
        go.Bar(
            x=centres, y=counts, width=widths, marker={"color": palettes.CATEGORICAL[0], "line": {"width": 0}},
            customdata=10**centres if log else centres, showlegend=False,
            hovertemplate="about %{customdata:,.4~g}: %{y:,} cells<extra></extra>",
        )
    )  # fmt: skip
    if selected is not None:
        own, _ = np.histogram(on_axis(selected), bins=edges)
        fig.add_bar(
            x=centres, y=own, width=widths, name=palettes.SELECTED, showlegend=False,
            marker={"color": palettes.SELECTED_COLOUR, "line": {"width": 0}},
            hovertemplate=f"%{{y:,}} {palettes.SELECTED}<extra></extra>",
        )  # fmt: skip
    at = float(np.median(numbers))
    middle = 10**at if log else at
    fig.add_vline(
        x=at, line={"dash": "dash", "width": 1.5, "color": palettes.CATEGORICAL[1]},
        annotation={"text": f"median {_short(middle)}", "font": {"size": 11}, "yanchor": "bottom", "xanchor": "center"},
    )  # fmt: skip
    fig.update_layout(bargap=0, barmode="overlay")
    style(fig, height=height)
    fig.update_layout(margin={"t": 28})
    fig.update_xaxes(title_text=title, showgrid=False, **(_log_ticks(edges[0], edges[-1]) if log else {}))
    fig.update_yaxes(title_text="cells")
    return fig


def per_label(
    values: ArrayLike,
    codes: ArrayLike,
    levels: Sequence[str],
    *,
    title: str,
    log: bool = False,
    colours: dict[str, str] | None = None,
) -> go.Figure:
    """Draw the spread of a value within each class: a box of the middle half, a line to the middle 90%.

    Parameters
    ----------
    values
        One number per cell, (cell,).
    codes
        Class of each cell as a place in `levels`, (cell,); -1 means no label.
    levels
        Names of the classes.
    title
        What the number is, with its unit.
    log
        Whether the axis counts in powers of ten.
    colours
        Colour per class; by default those of :func:`genediff.plots.palettes.for_levels`.
    """
    numbers, codes = np.asarray(values, dtype=float), np.asarray(codes)
    colours = colours or palettes.for_levels(levels)
    fig = go.Figure()
    low, high = np.inf, -np.inf
    for code, level in reversed(list(enumerate(levels))):
        own = _finite(numbers[codes == code])
        own = np.log10(own[own > 0]) if log else own
        if not own.size:
            continue
        five = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95])
        low, high = min(low, five[0]), max(high, five[-1])
        fig.add_trace(_box(five, level, colours[level]))
    style(fig, height=90 + 30 * max(len(fig.data), 2))
    fig.update_xaxes(title_text=title, **(_log_ticks(low, high) if log and np.isfinite(low) else {}))
    fig.update_yaxes(showgrid=False)
    return fig


def cells_per_label(codes: ArrayLike, levels: Sequence[str], split: ArrayLike) -> go.Figure:
    """Draw how many cells each class has in the training, validation and test part.

    Parameters
    ----------
    codes
        Class of each cell as a place in `levels`, (cell,); -1 means no label.
    levels
        Names of the classes.
    split
        "train", "validation" or "test" of each cell, (cell,).
    """
    codes, split = np.asarray(codes), np.asarray(split)
    names = [*levels, palettes.NO_LABEL] if (codes < 0).any() else list(levels)
    codes = np.where(codes < 0, len(levels), codes)
    total = np.bincount(codes, minlength=len(names))
    order = [i for i in np.argsort(total, kind="stable") if total[i]]
    fig = go.Figure()
    for part, colour in SPLIT_COLOURS.items():
        counts = np.bincount(codes[split == part], minlength=len(names))[order]
        fig.add_trace(
            go.Bar(
                y=[names[i] for i in order], x=counts, orientation="h", name=part, marker={"color": colour},
                hovertemplate=f"%{{y}}: %{{x:,}} {part} cells<extra></extra>",
            )
        )  # fmt: skip
    fig.update_layout(
        barmode="stack", bargap=0.3, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    )
    style(fig, height=120 + 28 * max(len(order), 2))
    fig.update_layout(margin={"t": 40})
    fig.update_xaxes(title_text="cells", tickformat=",")
    fig.update_yaxes(showgrid=False)
    return fig


def label_table(obs: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return cells per class and part, and the medians of the quality values, as a table.

    Parameters
    ----------
    obs
        Columns "split" and "qc_total", "qc_genes", "qc_mito".
    label
        The column of classes.
    """
    classes = obs[label].astype(object).where(obs[label].notna(), palettes.NO_LABEL).astype(str)
    table = obs.groupby(classes)["split"].value_counts().unstack(fill_value=0)
    table = table.reindex(columns=list(SPLIT_COLOURS), fill_value=0)
    table.insert(0, "cells", table.sum(axis=1))
    quality = [column for column in ("qc_total", "qc_genes", "qc_mito") if column in obs]
    table = table.join(obs.groupby(classes)[quality].median())
    table.index.name = label
    return table.sort_values("cells", ascending=False)


def _box(five: NDArray[np.floating[Any]], level: str, colour: str) -> go.Box:
    return go.Box(
        lowerfence=five[:1], q1=five[1:2], median=five[2:3], q3=five[3:4], upperfence=five[4:], y=[level],
        orientation="h", name=level, marker={"color": colour}, line={"color": colour, "width": 1.5}, width=0.6,
        showlegend=False, hoverinfo="x+y",
    )  # fmt: skip


def _log_ticks(low: float, high: float) -> dict[str, Any]:
    """Return the ticks 1, 2, 5, 10, … of an axis whose numbers are logarithms."""
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    steps = (1,) if high - low > 2.5 else (1, 2, 5)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return {"tickvals": np.log10(values), "ticktext": [_short(value) for value in values]}


def _short(value: float) -> str:
    if value >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _finite(values: ArrayLike) -> NDArray[np.floating[Any]]:
    numbers = np.asarray(values, dtype=float)
    return numbers[np.isfinite(numbers)]
