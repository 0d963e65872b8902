"""Activations of pathways: by group, between two groups, against independent scores, and in one cell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from genediff.plots import palettes
from genediff.plots.set_names import short_names
from genediff.plots.style import HOVER_LIMIT, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["agreement_dots", "against_score", "driver_bars", "effects", "group_heat", "ridges", "steps", "volcano"]

UP, DOWN = "#D55E00", "#0072B2"
VERDICT_COLOURS = {
    "agrees": "#0072B2",
    "weak": "#56B4E9",
    "ambiguous": "#E69F00",
    "no agreement": "#D55E00",
    "inactive": palettes.GREY,
}
VERDICT_SYMBOLS = {
    "agrees": "circle", "weak": "triangle-up", "ambiguous": "diamond", "no agreement": "x", "inactive": "circle-open",
}  # fmt: skip
SIGNIFICANT = 0.05
_ROW = 17  # pixels of a row with a name
_BINS = 80
_MOST_Z = 2.0


def group_heat(
    names: Sequence[str], groups: Sequence[str], z: NDArray[Any], *, dark: bool, chosen: str | None = None
) -> go.Figure:
    """Draw mean activations (token, group) in the order given; the chosen token's name is bold.

    Parameters
    ----------
    z
        In standard deviations over all cells, zero for their mean.
    """
    top = float(np.clip(np.quantile(np.abs(z), 0.98), 0.5, _MOST_Z)) if z.size else 1.0
    shown = short_names(names)
    fig = go.Figure(
        go.Heatmap(
            z=np.asarray(z, dtype=np.float32),
            x=list(groups),
            y=np.arange(len(shown)),
            customdata=np.repeat(np.array(shown, dtype=object)[:, None], len(groups), axis=1),
            colorscale=palettes.diverging(dark=dark),
            zmin=-top,
            zmax=top,
            xgap=1,
            ygap=1,
            colorbar={
                "title": {"text": "mean activation (SD over cells)", "side": "right", "font": {"size": 12}},
                "thickness": 10,
                "len": 0.8,
            },
            hovertemplate="%{customdata}<br>%{x}: %{z:.2f} SD<extra></extra>",
        )
    )
    style(fig, height=110 + max(_ROW * len(names), 220))
    fig.update_xaxes(showgrid=False, type="category", side="bottom", dtick=1, tickangle=-35 if len(groups) > 3 else 0)
    fig.update_yaxes(
        autorange="reversed",
        showgrid=False,
        tickfont={"size": 11},
        tickvals=list(range(len(shown))),
        ticktext=[f"<b>{short}</b>" if name == chosen else short for name, short in zip(names, shown, strict=True)],
    )
    return fig


def ridges(
    values: NDArray[Any],
    codes: NDArray[Any],
    levels: Sequence[str],
    *,
    title: str,
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Draw the distribution of a number in each group as a smoothed outline with its median, one above the other.

    Parameters
    ----------
    values
        One number per cell, (cell,).
    codes
        Group of each cell as a place in ``levels``, (cell,); -1 for none.
    """
    colours = dict(colours or palettes.for_levels(levels))
    low, high = (float(end) for end in np.quantile(values, [0.001, 0.999])) if len(values) else (0.0, 1.0)
    pad = 0.05 * max(high - low, 1e-6)
    edges = np.linspace(low - pad, high + pad, _BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    kept = [code for code in range(len(levels)) if (codes == code).any()]
    fig = go.Figure()
    for place, code in enumerate(kept[::-1]):
        own = values[codes == code]
        density = _smooth(np.histogram(own, bins=edges)[0].astype(float))
        height = 0.9 * density / max(density.max(), 1e-12)
        name, colour = levels[code], colours[levels[code]]
        fig.add_scatter(
            x=np.concatenate([centres, centres[::-1]]),
            y=np.concatenate([place + height, np.full(_BINS, float(place))]),
            mode="lines",
            fill="toself",
            fillcolor=_faint(colour),
            line={"color": colour, "width": 1.5},
            name=name,
            showlegend=False,
            hoverinfo="skip",
        )
        middle = float(np.median(own))
        fig.add_scatter(
            x=[middle],
            y=[place],
            mode="markers",
            marker={"size": 8, "color": colour, "symbol": "triangle-up"},
            showlegend=False,
            name=name,
            hovertemplate=f"{name}: median {middle:.3g}, {len(own):,} cells<extra></extra>",
        )
    style(fig, height=90 + 36 * max(len(kept), 2))
    fig.update_xaxes(title_text=title, zeroline=True, zerolinecolor=palettes.GREY)
    ticks = [f"{levels[code]} · {int((codes == code).sum()):,}" for code in kept[::-1]]
    fig.update_yaxes(
        tickvals=list(range(len(kept))), ticktext=ticks, showgrid=False, range=[-0.15, max(len(kept), 1) + 0.05]
    )
    return fig


def volcano(
    table: pd.DataFrame,
    *,
    first: str,
    second: str,
    chosen: str | None = None,
    by_replicates: bool,
    effect: str = "difference of means (pooled SD)",
) -> go.Figure:
    """Draw every token (or gene) by its effect and how surely it is not zero.

    Parameters
    ----------
    table
        Of ``genediff.inspection.groups.two_groups.Comparison``.
    first, second
        Names of the groups.
    by_replicates
        Whether heights are p-values between replicates instead of cells.
    effect
        What ``difference`` is, with its unit.
    """
    p = table["p_replicates"] if by_replicates else table["p_value"]
    log_p = np.log10(np.maximum(p, 1e-300)) if by_replicates else table["log10_p"]
    found = (table["fdr_replicates"] if by_replicates else table["fdr"]) < SIGNIFICANT
    up = table["difference"] > 0
    colours = np.where(~found, palettes.GREY, np.where(up, UP, DOWN))
    fig = go.Figure(
        go.Scatter(
            x=table["difference"],
            y=-log_p,
            mode="markers",
            customdata=np.column_stack([table["token"], table["auc"], table["fdr"], short_names(list(table["token"]))]),
            marker={
                "size": np.where(table["token"] == chosen, 15, 9),
                "color": colours,
                "opacity": 0.85,
                "line": {"width": np.where(table["token"] == chosen, 2, 0), "color": palettes.GREY},
            },
            hovertemplate="%{customdata[3]}<br>%{x:.2f}, AUC %{customdata[1]:.2f}<extra></extra>",
            showlegend=False,
            selected={"marker": {"opacity": 0.95}},
            unselected={"marker": {"opacity": 0.85}},
        )
    )
    for colour, words in ((UP, f"higher in {first}"), (DOWN, f"higher in {second}"), (palettes.GREY, "FDR ≥ 0.05")):
        fig.add_scatter(x=[None], y=[None], mode="markers", name=words, marker={"size": 9, "color": colour})
    _name_the_largest(fig, table, np.asarray(-log_p), chosen)
    style(fig, height=440)
    reach = 1.15 * max(float(table["difference"].abs().max()), 0.1) if len(table) else 1.0
    fig.update_xaxes(title_text=effect, zeroline=True, zerolinecolor=palettes.GREY)
    fig.update_xaxes(range=[-reach, reach])
    fig.update_yaxes(
        title_text=f"-log10 p {'between replicates' if by_replicates else 'between cells'}", rangemode="tozero"
    )
    fig.update_layout(legend={"orientation": "h", "y": -0.16, "yanchor": "top", "x": 0})
    return fig


def effects(table: pd.DataFrame, *, first: str, most: int = 16) -> go.Figure:
    """Draw the largest AUCs with their intervals, the largest on top.

    Parameters
    ----------
    table
        Of ``genediff.inspection.groups.two_groups.Comparison``, sorted by effect.
    """
    shown = table.head(most).iloc[::-1]
    names = short_names(shown["token"])
    auc = shown["auc"]
    fig = go.Figure(
        go.Scatter(
            x=auc,
            y=names,
            mode="markers",
            marker={"size": 9, "color": np.where(auc > 0.5, UP, DOWN)},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": shown["auc_high"] - auc,
                "arrayminus": auc - shown["auc_low"],
                "thickness": 1.5,
                "width": 3,
                "color": palettes.GREY,
            },
            customdata=np.column_stack([shown["auc_low"], shown["auc_high"]]),
            hovertemplate="%{y}: %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            showlegend=False,
        )
    )
    fig.add_vline(x=0.5, line={"dash": "dash", "width": 1.2, "color": palettes.GREY})
    style(fig, height=440)
    fig.update_xaxes(title_text=f"AUC ({first} above)", range=[-0.02, 1.02])
    fig.update_yaxes(type="category", showgrid=False, tickfont={"size": 11}, dtick=1)
    return fig


def agreement_dots(table: pd.DataFrame, *, chosen: str | None = None, most: int = 50) -> go.Figure:
    """Draw each token's correlation with its independent score, the best on top, beside what chance would give.

    Parameters
    ----------
    table
        Of ``inspection.pathways.agreement.Agreement``. Of very many tokens the lowest and the highest are drawn.
    """
    shown = table.sort_values("r", kind="stable").reset_index(drop=True)
    if len(shown) > most:
        shown = shown.iloc[[*range(most // 2), *range(len(shown) - most // 2, len(shown))]]
    names = short_names(shown["token"])
    fig = go.Figure()
    places = np.arange(len(shown))
    fig.add_scatter(
        x=shown["chance"],
        y=places,
        text=names,
        mode="markers",
        name="95% of random sets lie below",
        marker={"symbol": "line-ns", "size": 11, "color": palettes.GREY, "line": {"width": 2, "color": palettes.GREY}},
        hovertemplate="%{text}: random sets reach %{x:.2f}<extra></extra>",
    )
    for verdict, colour in VERDICT_COLOURS.items():
        some = (shown["verdict"] == verdict).to_numpy()
        if not some.any():
            continue
        rows = shown[some]
        fig.add_scatter(
            x=rows["r"],
            y=places[some],
            text=[name for name, yes in zip(names, some, strict=True) if yes],
            mode="markers",
            name=verdict,
            marker={"symbol": VERDICT_SYMBOLS[verdict], "size": 10, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["r"],
                "arrayminus": rows["r"] - rows["low"],
                "thickness": 1,
                "width": 0,
                "color": colour,
            },
            customdata=np.column_stack([short_names(list(rows["rival"])), rows["rival_r"]]),
            hovertemplate="%{text}: r = %{x:.2f}<br>best other set: %{customdata[0]} (%{customdata[1]:.2f})"
            "<extra></extra>",
        )
    style(fig, height=110 + _ROW * len(shown))
    fig.update_xaxes(title_text="Spearman's r, activation with score", zeroline=True, zerolinecolor=palettes.GREY)
    fig.update_yaxes(
        showgrid=True, tickfont={"size": 11}, tickvals=places.tolist(), range=[-0.7, len(shown) - 0.3],
        ticktext=[f"<b>{s}</b>" if name == chosen else s for s, name in zip(names, shown["token"], strict=True)],
    )  # fmt: skip
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 48})
    return fig


def against_score(
    values: NDArray[Any],
    score: NDArray[Any],
    codes: NDArray[Any],
    levels: Sequence[str],
    *,
    titles: tuple[str, str],
    height: int = 380,
) -> go.Figure:
    """Draw cells by activation and independent score, in the colours of their groups.

    Parameters
    ----------
    values, score
        (cell,)
    codes
        Group of each cell as a place in ``levels``, (cell,); -1 for none.
    titles
        Of the axes: the score's, then the activation's.
    """
    names = [*levels, palettes.NO_LABEL] if (codes < 0).any() else list(levels)
    places = np.where(codes < 0, len(levels), codes)
    colours = palettes.for_levels(names)
    order = np.random.default_rng(0).permutation(len(values))
    fig = go.Figure(
        go.Scattergl(
            x=np.asarray(score, dtype=np.float32)[order],
            y=np.asarray(values, dtype=np.float32)[order],
            mode="markers",
            marker={
                "size": 5 if len(values) < HOVER_LIMIT else 3,
                "opacity": 0.7,
                "color": [colours[names[place]] for place in places[order]],
            },
            hoverinfo="skip",
            showlegend=False,
        )
    )
    for place, name in enumerate(names):
        if (places == place).any():
            fig.add_scatter(x=[None], y=[None], mode="markers", name=name, marker={"size": 9, "color": colours[name]})
    style(fig, height=height)
    fig.update_xaxes(title_text=titles[0])
    fig.update_yaxes(title_text=titles[1])
    return fig


def driver_bars(table: pd.DataFrame, *, most: int = 24) -> go.Figure:
    """Draw the genes that move an activation most; members of the set filled, others open.

    Parameters
    ----------
    table
        Of ``genediff.inspection.tokens.input_attribution.Drivers``.
    """
    shown = table.head(most).iloc[::-1]
    fig = go.Figure()
    for inside, words, colour in ((True, "in the set", "#0072B2"), (False, "not in the set", palettes.GREY)):
        rows = shown[shown["in_set"] == inside]
        fig.add_bar(
            x=rows["pull"],
            y=rows["gene"],
            orientation="h",
            name=words,
            marker={"color": colour},
            customdata=np.column_stack([100 * rows["seen"], rows["drives"]]),
            hovertemplate="%{y}: %{x:.3f} per SD<br>seen in %{customdata[0]:.0f}% of cells; the token moves it by "
            "%{customdata[1]:.2f}<extra></extra>",
        )
    style(fig, height=110 + _ROW * len(shown))
    fig.update_layout(
        barmode="overlay", bargap=0.25, legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        margin={"t": 44},
    )  # fmt: skip
    fig.update_xaxes(
        title_text="change of the activation per SD of the gene", zeroline=True, zerolinecolor=palettes.GREY
    )
    fig.update_yaxes(
        type="category", categoryorder="array", categoryarray=list(shown["gene"]), showgrid=False,
        tickfont={"size": 11}, dtick=1,
    )  # fmt: skip
    return fig


def steps(table: pd.DataFrame, *, named: Sequence[str]) -> go.Figure:
    """Draw how a cell's counts are explained better, token by token, from the average cell to all tokens.

    Parameters
    ----------
    table
        ``steps`` of ``genediff.inspection.pathways.explain_cell.Explained``.
    named
        The tokens that are gene sets; others are drawn in grey.
    """
    shown = table.iloc[1:].reset_index(drop=True)
    known = set(named)
    gained = shown["gain"].to_numpy()
    before = np.concatenate([[0.0], gained[:-2], [0.0]])  # the last bar is the sum, not a step
    labels = short_names(shown["token"])
    colours = [
        "#44AA99" if token == "all tokens" else (UP if token in known else palettes.GREY) for token in shown["token"]
    ]
    said = [f"{genes}" if genes else "every other token together" for genes in shown["genes"]]
    fig = go.Figure(
        go.Bar(
            x=gained - before,
            base=before,
            y=labels,
            orientation="h",
            marker={"color": colours},
            error_x={"type": "data", "array": shown["error"], "thickness": 1, "width": 3, "color": palettes.GREY},
            customdata=np.column_stack([gained - before, gained, said]),
            hovertemplate="%{y}: +%{customdata[0]:.1f} nats, %{customdata[1]:.1f} so far<br>%{customdata[2]}"
            "<extra></extra>",
            showlegend=False,
        )
    )
    style(fig, height=100 + 24 * len(shown))
    fig.update_xaxes(title_text="gain over the average cell (nats)")
    fig.update_yaxes(type="category", autorange="reversed", showgrid=False, tickfont={"size": 11}, dtick=1)
    return fig


def _name_the_largest(fig: go.Figure, table: pd.DataFrame, y: NDArray[Any], chosen: str | None, most: int = 7) -> None:
    """Write names beside the points that lie furthest out on either side, and beside the chosen one."""
    if not len(table):
        return
    difference = table["difference"].to_numpy()
    up = np.argsort(-np.where(difference > 0, difference * y, -1), kind="stable")[: math.ceil(most / 2)]
    down = np.argsort(-np.where(difference < 0, -difference * y, -1), kind="stable")[: most // 2]
    named = {int(i) for i in (*up, *down) if abs(difference[i]) > 0 and y[i] > 0}
    named |= set(np.flatnonzero((table["token"] == chosen).to_numpy()).tolist())
    short = short_names(list(table["token"]), width=26)
    wide, tall = 2.3 * max(float(np.abs(difference).max()), 0.1), 1.05 * max(float(y.max()), 1e-9)
    taken: list[tuple[float, float, float]] = []
    for i in sorted(named, key=lambda one: -y[one]):
        length = 0.018 * len(short[i])  # shares of the axes
        # Outwards from zero, but inwards where there is no room.
        to_left = (difference[i] < 0) != (abs(difference[i]) > 0.25 * wide)
        left = difference[i] / wide - (length if to_left else 0.0)
        # Above the point, else below it, else not at all (but for the chosen one).
        for shift in (12, -12):
            at = y[i] / tall + shift / 360
            apart = all(abs(at - other) > 0.045 or left > end or left + length < start for start, end, other in taken)
            beside = (difference / wide > left) & (difference / wide < left + length) & (np.abs(y / tall - at) < 0.025)
            beside[i] = False
            if apart and not beside.any():
                break
        else:
            if table["token"].iloc[i] != chosen:
                continue
        taken.append((left, left + length, at))
        fig.add_annotation(
            x=difference[i], y=y[i], text=short[i], showarrow=False, font={"size": 11}, yshift=shift,
            xanchor="right" if to_left else "left", opacity=0.9,
        )  # fmt: skip


def _smooth(counts: NDArray[Any], width: float = 1.6) -> NDArray[Any]:
    reach = np.arange(-6, 7)
    kernel = np.exp(-0.5 * (reach / width) ** 2)
    return np.convolve(counts, kernel / kernel.sum(), mode="same")


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.35)"
