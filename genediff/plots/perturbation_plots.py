"""Predicted responses beside measured ones: shifts on a map, changes of genes, and how held-out predictions did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.figure
import numpy as np
import plotly.graph_objects as go

from genediff.plots.palettes import GENERATED, GREY
from genediff.plots.picture import with_pictures
from genediff.plots.style import arrow_between, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

CONTROL, PREDICTED, MEASURED, BASELINE, TRUTH = "control", "predicted", "measured", "baseline", "truth"
COLOURS = {CONTROL: "#56B4E9", PREDICTED: GENERATED, MEASURED: "#009E73", BASELINE: "#CC79A7", TRUTH: "#E69F00"}
SYMBOLS = {PREDICTED: "circle", MEASURED: "diamond", BASELINE: "square", TRUTH: "x"}
CHANGE = "change in log-normalised expression, against control"
UMAP_AXES = ("UMAP 1 (arbitrary unit)", "UMAP 2 (arbitrary unit)")
PC_AXES = ("principal component 1", "principal component 2")
_MOST_DOTS = 1_000  # of a cloud; of more the browser gets a picture
_FEWEST = 5  # cells behind an arrow
_SHORTEST = 0.015  # of the map's width: a shorter arrow is a head without a direction
_STEPS = 25  # places along an arrow that are looked at
_WIDEST = 3.0  # of a gap in the cells, in the distance that most cells have to their nearest one


@dataclass(frozen=True)
class Arrow:
    """The mean shift of one group of cells on the map; ``kind`` is predicted or measured."""

    group: str
    kind: str
    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def length(self) -> float:
        """On the map, which has no unit."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))


@dataclass(frozen=True, eq=False)
class Cloud:
    """Cells of one kind on the map: control, predicted or measured, each with its group (cell type)."""

    kind: str
    xy: np.ndarray
    groups: np.ndarray


def mean_shifts(control: Cloud, other: Cloud) -> list[Arrow]:
    """Return one arrow per group, from the middle of its control cells to the middle of its other cells.

    Middles are medians of each coordinate: a few cells that land on a far island must not turn the arrow. Groups with
    fewer than five cells on either side have none.
    """
    arrows = []
    for group in np.unique(control.groups):
        here, there = control.xy[control.groups == group], other.xy[other.groups == group]
        if min(len(here), len(there)) >= _FEWEST:
            start, end = np.median(here, axis=0), np.median(there, axis=0)
            arrows.append(Arrow(str(group), other.kind, (float(start[0]), float(start[1])),
                                (float(end[0]), float(end[1]))))  # fmt: skip
    return arrows


def supported(arrows: Sequence[Arrow], ground: np.ndarray) -> list[Arrow]:
    """Return the arrows that lie among cells from end to end: across empty space a UMAP has no direction or distance.

    Parameters
    ----------
    ground
        All cells of the map, (cell, 2). No place along an arrow may be further from its nearest cell than three times
        the distance that 99 in 100 cells have to theirs.
    """
    from scipy.spatial import cKDTree

    if not arrows or len(ground) < 2:
        return list(arrows)
    cells = cKDTree(ground)
    widest = _WIDEST * float(np.quantile(np.asarray(cells.query(ground, k=2)[0])[:, 1], 0.99))
    share = np.linspace(0, 1, _STEPS)[:, None]
    starts, ends = (np.array([getattr(one, end) for one in arrows])[:, None] for end in ("start", "end"))
    furthest = np.asarray(cells.query(starts + share * (ends - starts))[0]).max(axis=1)
    return [arrow for arrow, far in zip(arrows, furthest, strict=True) if far <= widest]


def shift_map(
    ground: np.ndarray,
    clouds: Sequence[Cloud],
    *,
    axes: tuple[str, str] = UMAP_AXES,
    height: int = 600,
    dark: bool = False,
) -> go.Figure:
    """Draw control, predicted and measured cells over all others, with an arrow per group from control to each.

    Arrows too short to show a direction are left out, and on a UMAP those that do not lie among cells from end to end.

    Parameters
    ----------
    ground
        All cells of the data set, grey beneath, (cell, 2).
    clouds
        Control first; the others are drawn over it.
    axes
        Titles of the map's axes.
    height
        Pixels.
    """
    fig = go.Figure()
    fig.add_trace(_points(ground, GREY, 0.25))
    for cloud in clouds:
        fig.add_trace(_points(cloud.xy, COLOURS[cloud.kind], 0.7))
    names = {"other cells": GREY} | {f"{cloud.kind} · {len(cloud.xy):,}": COLOURS[cloud.kind] for cloud in clouds}
    for words, colour in names.items():
        fig.add_scatter(
            x=[None], y=[None], mode="markers", name=words, hoverinfo="skip", marker={"size": 9, "color": colour}
        )
    notes = []  # given to the figure together: one by one, each looks at all before it
    arrows = _arrows(clouds)
    for arrow in _drawn(arrows, ground, is_umap=axes == UMAP_AXES):
        # A head grows with its line: the rim's is scaled back, so that it shows as a rim and not as a second head.
        rim = {"arrowcolor": "#11161C" if dark else "white", "arrowwidth": 5, "arrowsize": 0.75, "opacity": 0.85}
        own = COLOURS[arrow.kind]
        line = {"arrowcolor": own if dark else _dark(own), "arrowwidth": 2.6, "arrowsize": 1.1}
        for look in (rim, {**line, "hovertext": f"{arrow.group}: {arrow.kind}"}):
            notes.append(arrow_between(arrow.start, arrow.end, **look))
    fig.update_layout(annotations=[*notes, *_group_labels(clouds[0], arrows, dark=dark)])
    style(fig, height=height)
    quiet = {"showticklabels": False, "showgrid": False, "ticks": "", "showline": True, "mirror": True}
    fig.update_xaxes(title_text=axes[0], **quiet)
    fig.update_yaxes(title_text=axes[1], **quiet)
    fig.update_layout(legend={"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 0}, margin={"t": 34, "l": 36})
    return with_pictures(fig, limit=_MOST_DOTS)


def shift_map_on_paper(
    ground: np.ndarray, clouds: Sequence[Cloud], *, axes: tuple[str, str] = UMAP_AXES
) -> matplotlib.figure.Figure:
    """Draw the same for print; parameters as in `shift_map`."""
    drawn = matplotlib.figure.Figure(figsize=(6.2, 5.2), layout="constrained")
    panel = drawn.add_subplot()
    panel.scatter(
        ground[:, 0], ground[:, 1], s=3, color=GREY, alpha=0.25, linewidths=0, rasterized=True, label="other cells"
    )
    for cloud in clouds:
        panel.scatter(
            cloud.xy[:, 0], cloud.xy[:, 1], s=5, color=COLOURS[cloud.kind], alpha=0.7, linewidths=0, rasterized=True,
            label=f"{cloud.kind} ({len(cloud.xy):,})",
        )  # fmt: skip
    arrows = _arrows(clouds)
    for arrow in _drawn(arrows, ground, is_umap=axes == UMAP_AXES):
        panel.annotate(
            "", xy=arrow.end, xytext=arrow.start,
            arrowprops={"arrowstyle": "-|>", "color": _dark(COLOURS[arrow.kind]), "linewidth": 1.8},
        )  # fmt: skip
    for group, (x, y) in _group_places(clouds[0], arrows).items():
        panel.annotate(group, (x, y), fontsize=8, ha="center", va="bottom", xytext=(0, 6), textcoords="offset points")
    panel.set(xlabel=axes[0], ylabel=axes[1], xticks=[], yticks=[])
    panel.legend(frameon=False, fontsize=7, markerscale=2)
    return drawn


def changes(table: pd.DataFrame, *, name: str = "gene", unit: str = CHANGE, titles: Mapping[str, str]) -> go.Figure:
    """Draw what is predicted for genes (or pathways) beside what was measured and what a baseline says.

    Parameters
    ----------
    table
        A column ``name``, and for each kind of `titles` a column of that name with ``<kind>_low`` and ``<kind>_high``
        where there are intervals. The first row stands on top.
    titles
        Kind to its words in the legend: those of ``COLOURS``, in the order in which they are drawn.
    """
    fig = go.Figure()
    places = np.arange(len(table), dtype=float)
    offsets = np.linspace(-0.24, 0.24, len(titles)) if len(titles) > 1 else np.zeros(1)
    for (kind, words), offset in zip(titles.items(), offsets, strict=True):
        values = table[kind].to_numpy(dtype=float)
        bars = None
        if f"{kind}_low" in table:
            low, high = (table[f"{kind}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
            bars = {"type": "data", "symmetric": False, "array": np.clip(high - values, 0, None),
                    "arrayminus": np.clip(values - low, 0, None), "thickness": 1.5, "width": 0}  # fmt: skip
        fig.add_scatter(
            x=values, y=places + offset, mode="markers", name=words, error_x=bars, text=table[name],
            marker={"size": 9, "color": COLOURS[kind], "symbol": SYMBOLS[kind]},
            hovertemplate="%{text}: %{x:+.3f}<extra>" + words + "</extra>",
        )  # fmt: skip
    style(fig, height=max(240, 110 + 25 * len(table)))
    fig.update_xaxes(title_text=unit, zeroline=True, zerolinecolor=GREY, zerolinewidth=1.5)
    fig.update_yaxes(
        tickvals=places, ticktext=list(table[name]), range=[len(table) - 0.4, -0.6], showgrid=True, automargin=True
    )
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 44})
    return fig


def against(
    table: pd.DataFrame, *, x: str, y: str, x_title: str, y_title: str, name: str = "gene", top: int = 8,
    height: int = 420,
) -> go.Figure:  # fmt: skip
    """Draw one change against another for every gene, with the line on which they agree; the largest are named."""
    fig = go.Figure()
    values = table[[x, y]].to_numpy(dtype=float)
    reach = max(float(np.nanmax(np.abs(values), initial=0.0)) * 1.08, 0.05)
    fig.add_scatter(
        x=[-reach, reach], y=[-reach, reach], mode="lines", line={"color": GREY, "dash": "dash", "width": 1.5},
        hoverinfo="skip", name="the same", showlegend=False,
    )  # fmt: skip
    first = np.argsort(-np.nanmax(np.abs(values), axis=1))[:top]
    words = np.full(len(table), "", dtype=object)
    words[first] = table[name].to_numpy()[first]
    fig.add_scatter(
        x=values[:, 0], y=values[:, 1], mode="markers+text", text=words, textposition="top center", showlegend=False,
        marker={"size": 6, "color": PREDICTED_COLOUR, "opacity": 0.7}, customdata=table[name], name="genes",
        hovertemplate="%{customdata}: %{x:+.3f}, %{y:+.3f}<extra></extra>",
    )  # fmt: skip
    style(fig, height=height)
    fig.update_xaxes(title_text=x_title, range=[-reach, reach], zeroline=True, zerolinecolor=GREY)
    fig.update_yaxes(title_text=y_title, range=[-reach, reach], zeroline=True, zerolinecolor=GREY)
    return fig


def held_out(table: pd.DataFrame, *, model: str, baseline: str, unit: str, most: int = 40) -> go.Figure:
    """Draw the score of every held-out perturbation under model and baseline, joined; the largest loss stands first.

    Parameters
    ----------
    table
        Columns perturbation, model, baseline (scores, higher is better); attainable where it is known.
    model, baseline
        Their titles.
    unit
        What the score is.
    most
        Perturbations that are drawn: half of them the worst for the model, half the best, where there are more.
    """
    rows = table.assign(gain=table["model"] - table["baseline"]).sort_values("gain").reset_index(drop=True)
    if len(rows) > most:
        rows = rows.iloc[[*range(most // 2), *range(len(rows) - most // 2, len(rows))]].reset_index(drop=True)
    fig, y = go.Figure(), list(range(len(rows)))
    for worse in (True, False):
        part = rows[(rows["gain"] < 0) == worse]
        x = [value for _, row in part.iterrows() for value in (row["baseline"], row["model"], None)]
        at = [value for place in part.index for value in (place, place, None)]
        fig.add_scatter(x=x, y=at, mode="lines", hoverinfo="skip", showlegend=False,
                        line={"color": COLOURS[PREDICTED] if not worse else GREY, "width": 2})  # fmt: skip
    columns = [("baseline", baseline, BASELINE), ("model", model, PREDICTED)]
    columns += [("attainable", "noise-free prediction, at best", MEASURED)] if "attainable" in rows else []
    for column, words, kind in columns:
        fig.add_scatter(
            x=rows[column], y=y, mode="markers", name=words, text=rows["perturbation"],
            marker={"size": 9 if kind != MEASURED else 7, "color": COLOURS[kind], "symbol": SYMBOLS[kind]},
            hovertemplate="%{text}: %{x:.3f}<extra>" + words + "</extra>",
        )  # fmt: skip
    style(fig, height=max(230, 110 + 19 * len(rows)))
    fig.update_xaxes(title_text=unit)
    fig.update_yaxes(tickvals=y, ticktext=list(rows["perturbation"]), range=[len(rows) - 0.4, -0.6], showgrid=False)
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 44})
    return fig


def ranked(table: pd.DataFrame, *, value: str, title: str, most: int = 20) -> go.Figure:
    """Draw the first perturbations of a ranking as bars; those that were measured are darker than the others.

    Parameters
    ----------
    table
        Columns perturbation, measured (bool), and the one named by `value`; the best first.
    """
    shown, fig = table.head(most), go.Figure()
    for known, words, colour in ((False, "never measured", PREDICTED_COLOUR), (True, "measured", COLOURS[MEASURED])):
        part = shown[shown["measured"] == known]
        if len(part):
            fig.add_bar(
                x=part[value], y=part["perturbation"], orientation="h", name=words, marker={"color": colour},
                hovertemplate="%{y}: %{x:+.3f}<extra>" + words + "</extra>",
            )  # fmt: skip
    style(fig, height=110 + 22 * len(shown))
    fig.update_xaxes(title_text=title, zeroline=True, zerolinecolor=GREY)
    fig.update_yaxes(type="category", categoryorder="array", categoryarray=list(shown["perturbation"])[::-1])
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 44}, bargap=0.25)
    return fig


def route(
    edges: pd.DataFrame, distance: Mapping[str, int], change: Mapping[str, float], *, targets: Sequence[str],
    height: int = 480,
) -> go.Figure:  # fmt: skip
    """Draw the steps of a network from what was perturbed (left) to the genes that change, coloured by their change.

    Parameters
    ----------
    edges
        Columns source, target, sign (1 activates, -1 represses, 0 not known).
    distance
        Steps of each gene from the nearest target, 0 for targets.
    change
        Predicted change of each gene.
    targets
        The genes that are perturbed.
    """
    places, fig = _columns(distance, change), go.Figure()
    look = {"arrowwidth": 1.6, "opacity": 0.75, "standoff": 12, "startstandoff": 10}
    fig.update_layout(annotations=[
        arrow_between(places[source], places[target], **look,
                      arrowcolor={1: "#0072B2", -1: "#D55E00"}.get(int(sign), GREY))
        for source, target, sign in zip(edges["source"], edges["target"], edges["sign"], strict=True)
    ])  # fmt: skip
    names = list(places)
    top = max((abs(change.get(one, 0.0)) for one in names if one not in targets), default=1.0) or 1.0
    fig.add_scatter(
        x=[places[one][0] for one in names], y=[places[one][1] for one in names], mode="markers+text", text=names,
        textposition="top center", showlegend=False, name="genes", textfont={"size": 12},
        customdata=[change.get(one, np.nan) for one in names],
        marker={"size": [20 if one in targets else 15 for one in names],
                "color": [float(change.get(one, 0.0)) for one in names], "colorscale": _CHANGE_SCALE, "cmin": -top,
                "cmax": top, "line": {"width": 1.5, "color": "rgba(128,138,150,0.9)"},
                "symbol": ["square" if one in targets else "circle" for one in names],
                "colorbar": {"title": {"text": "predicted change", "side": "right"}, "thickness": 12, "len": 0.7}},
        hovertemplate="%{text}: %{customdata:+.3f}<extra></extra>",
    )  # fmt: skip
    for words, colour in (("activates", "#0072B2"), ("represses", "#D55E00"), ("sign not known", GREY)):
        fig.add_scatter(x=[None], y=[None], mode="lines", name=words, line={"color": colour, "width": 3})
    style(fig, height=height)
    furthest = max(distance.values(), default=1)
    fig.update_xaxes(
        range=[-0.25, furthest + 0.35], tickvals=list(range(furthest + 1)), showgrid=False,
        ticktext=["perturbed", *(f"{n} step{'s' if n > 1 else ''}" for n in range(1, furthest + 1))],
    )  # fmt: skip
    fig.update_yaxes(visible=False, range=[-0.05, 1.1])
    fig.update_layout(legend={"orientation": "h", "y": -0.08, "yanchor": "top", "x": 0}, margin={"l": 8, "t": 10})
    return fig


def route_on_paper(
    edges: pd.DataFrame, distance: Mapping[str, int], change: Mapping[str, float], *, targets: Sequence[str]
) -> matplotlib.figure.Figure:
    """Draw the same for print; parameters as in `route`."""
    places = _columns(distance, change)
    drawn = matplotlib.figure.Figure(figsize=(7, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    for _, edge in edges.iterrows():
        colour = {1: "#0072B2", -1: "#D55E00"}.get(int(edge["sign"]), GREY)
        axes.annotate(
            "", xy=places[edge["target"]], xytext=places[edge["source"]],
            arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 6, "shrinkB": 8, "alpha": 0.8},
        )  # fmt: skip
    top = max((abs(change.get(one, 0.0)) for one in places if one not in targets), default=1.0) or 1.0
    points = axes.scatter(
        [x for x, _ in places.values()], [y for _, y in places.values()], s=60, cmap="RdBu_r", vmin=-top, vmax=top,
        c=[change.get(one, 0.0) for one in places], edgecolors=GREY, zorder=3,
    )  # fmt: skip
    for one, (x, y) in places.items():
        axes.annotate(one, (x, y), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)
    drawn.colorbar(points, ax=axes, label="predicted change")
    axes.set_axis_off()
    axes.margins(0.12)
    return drawn


PREDICTED_COLOUR = COLOURS[PREDICTED]
# Blue is lower and red higher, grey in the middle: a gene without change stays in sight on light and dark ground.
_CHANGE_SCALE = [[0.0, "#1F6DB0"], [0.5, "#B9BFC6"], [1.0, "#C0392B"]]


def _points(xy: np.ndarray, colour: str, opacity: float) -> go.Scattergl:
    xy = np.asarray(xy, dtype=np.float32)
    size = float(np.clip(200 / np.sqrt(max(len(xy), 1)), 2.5, 6.0))
    return go.Scattergl(
        x=xy[:, 0], y=xy[:, 1], mode="markers", hoverinfo="skip", showlegend=False,
        marker={"size": size, "opacity": opacity, "color": colour, "line": {"width": 0}},
    )  # fmt: skip


def _arrows(clouds: Sequence[Cloud]) -> list[Arrow]:
    """Return all arrows, the longest first: a short one lies on top of it."""
    arrows = [arrow for other in clouds[1:] for arrow in mean_shifts(clouds[0], other)]
    return sorted(arrows, key=lambda arrow: arrow.length, reverse=True)


def _drawn(arrows: Sequence[Arrow], ground: np.ndarray, *, is_umap: bool) -> list[Arrow]:
    """Return the arrows that show a direction, and on a UMAP lie among cells."""
    long = [arrow for arrow in arrows if arrow.length > _SHORTEST * float(np.ptp(ground, axis=0).max())]
    return supported(long, ground) if is_umap else long


def _group_places(control: Cloud, arrows: Sequence[Arrow]) -> dict[str, tuple[float, float]]:
    """Return where the name of each group with an arrow stands: above its control cells."""
    places = {}
    for group in sorted({arrow.group for arrow in arrows}):
        xy = control.xy[control.groups == group]
        places[group] = (float(np.median(xy[:, 0])), float(np.quantile(xy[:, 1], 0.98)))
    return places


def _group_labels(control: Cloud, arrows: Sequence[Arrow], *, dark: bool) -> list[dict[str, Any]]:
    ground = "rgba(17,22,28,0.7)" if dark else "rgba(255,255,255,0.7)"  # names stay legible over cells and arrows
    look = {"showarrow": False, "yshift": 16, "font": {"size": 13}, "bgcolor": ground}
    places = _group_places(control, arrows)
    return [{"x": x, "y": y, "text": f"<b>{group}</b>", **look} for group, (x, y) in places.items()]


def _columns(distance: Mapping[str, int], change: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Place genes in columns by their steps from the target, the highest change on top."""
    places = {}
    for step in sorted(set(distance.values())):
        names = sorted((one for one, at in distance.items() if at == step), key=lambda one: -change.get(one, 0.0))
        for number, one in enumerate(names):
            places[one] = (float(step), 1 - (number + 0.5) / len(names))
    return places


def _dark(colour: str) -> str:
    """Return a colour a third darker, for arrows over points of the same colour."""
    return "#" + "".join(f"{int(int(colour[i : i + 2], 16) * 0.62):02X}" for i in (1, 3, 5))


_STATE_COLOURS = {"no effect": GREY, "solved": "#009E73", "partly": "#E69F00", "resists": "#D55E00"}


def screen_map(table: pd.DataFrame, *, titles: Mapping[str, str]) -> go.Figure:
    """Draw every perturbation of a screen by the size of its effect and by how well a simple baseline predicts it.

    Parameters
    ----------
    table
        Indexed by perturbation: e_distance, r, attainable and state.
    titles
        Of the states.
    """
    fig = go.Figure()
    share = (table["r"] / table["attainable"].where(table["attainable"] > 0)).clip(-0.2, 1.2)
    for state, words in titles.items():
        part = table[table["state"] == state]
        if part.empty:
            continue
        fig.add_scatter(
            x=part["e_distance"].clip(lower=0), y=share[part.index].fillna(0), mode="markers", name=words,
            text=part.index, marker={"size": 9, "color": _STATE_COLOURS.get(state, "#7F7F7F")},
            customdata=part[["r", "attainable"]],
            hovertemplate="%{text}: E-distance %{x:.2f}, r = %{customdata[0]:.2f} of %{customdata[1]:.2f}"
            "<extra></extra>",
        )  # fmt: skip
    style(fig, height=380)
    fig.update_xaxes(title_text="size of the effect (E-distance to control)")
    fig.update_yaxes(title_text="baseline r / attainable r", range=[-0.3, 1.3], zeroline=True, zerolinecolor=GREY)
    fig.update_layout(legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}, margin={"t": 60})
    return fig
