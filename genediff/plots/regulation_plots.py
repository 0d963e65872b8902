"""Pictures of paths through a gene network: few edges, each with what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.figure
import numpy as np
import plotly.graph_objects as go

from genediff.plots.palettes import GREY
from genediff.plots.style import arrow_between, style

if TYPE_CHECKING:
    import pandas as pd

ACTIVATES, REPRESSES = "#0072B2", "#D55E00"
_WIDEST = 7.0


def places_of(paths: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Place genes in columns by how many steps they are from the target (0 on the right), the strongest on top.

    Parameters
    ----------
    paths
        Column ``genes``: names from source to target; strongest path first.
    """
    column: dict[str, int] = {}
    for genes in paths["genes"]:
        for distance, gene in enumerate(reversed(genes)):
            column[gene] = max(column.get(gene, 0), distance)
    places = {}
    for distance in sorted(set(column.values())):
        names = [gene for gene, at in column.items() if at == distance]
        for number, gene in enumerate(names):
            places[gene] = (-float(distance), _height(number, len(names)))
    return places


def network(edges: pd.DataFrame, paths: pd.DataFrame, *, gene: str, height: int = 460) -> go.Figure:
    """Draw paths as a network from left (sources) to right (targets).

    Parameters
    ----------
    edges
        Columns source, target, flow, slope, effect, layer, prior, prior_sign, verdict. Width: flow; colour: sign of the
        effect on the target in the model; dotted: on no supported path.
    paths
        Column ``genes``; decides what stands where.
    gene
        The one that was asked about.
    """
    places, fig = places_of(paths), go.Figure()
    widths, heads = _widths(edges), []
    for (_, edge), width in zip(edges.iterrows(), widths, strict=True):
        x, y = _line(places[edge["source"]], places[edge["target"]])
        colour, dash = (
            colour_of(edge["slope"]),
            "dot" if edge["verdict"] not in ("supported", "not tested") else "solid",
        )
        fig.add_scatter(
            x=x, y=y, mode="lines", line={"width": width, "color": colour, "dash": dash, "shape": "spline"},
            opacity=0.75, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        look = {"arrowsize": 1.0, "arrowwidth": max(1.5, 0.5 * width), "arrowcolor": colour, "standoff": 14}
        heads.append(arrow_between((x[-2], y[-2]), (x[-1], y[-1]), **look))
    fig.update_layout(annotations=heads)
    middles = [_middle(places[a], places[b]) for a, b in zip(edges["source"], edges["target"], strict=True)]
    fig.add_scatter(
        x=[x for x, _ in middles], y=[y for _, y in middles], mode="markers", name="edges", showlegend=False,
        marker={"size": 11, "symbol": "diamond", "color": [colour_of(s) for s in edges["slope"]],
                "line": {"width": 1, "color": "rgba(255,255,255,0.7)"}},
        customdata=[f"{a}>{b}" for a, b in zip(edges["source"], edges["target"], strict=True)],
        text=[hover(edge) for _, edge in edges.iterrows()], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    names = list(places)
    fig.add_scatter(
        x=[places[g][0] for g in names], y=[places[g][1] for g in names], mode="markers+text", text=names,
        textposition="top center", name="genes", showlegend=False, textfont={"size": 13},
        marker={"size": [22 if g == gene else 15 for g in names], "color": ["#E69F00" if g == gene else GREY
                for g in names], "line": {"width": 1.5, "color": "rgba(128,138,150,0.9)"}},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    for words, colour in (("activates", ACTIVATES), ("represses", REPRESSES), ("sign not measured", GREY)):
        fig.add_scatter(x=[None], y=[None], mode="lines", name=words, line={"color": colour, "width": 4})
    style(fig, height=height)
    fig.update_xaxes(visible=False, range=[min(x for x, _ in places.values()) - 0.25, 0.25])
    fig.update_yaxes(visible=False, range=[-0.05, 1.12])
    fig.update_layout(legend={"orientation": "h", "y": -0.02, "yanchor": "top"}, margin={"l": 8, "r": 8, "t": 10})
    return fig


def network_on_paper(edges: pd.DataFrame, paths: pd.DataFrame, *, gene: str) -> matplotlib.figure.Figure:
    """Draw the same for print; parameters as in `network`."""
    places = places_of(paths)
    n = max(sum(1 for x, _ in places.values() if x == column) for column in {x for x, _ in places.values()})
    drawn = matplotlib.figure.Figure(figsize=(7, max(2.5, 0.42 * n + 1)))
    axes = drawn.add_subplot()
    for (_, edge), width in zip(edges.iterrows(), _widths(edges), strict=True):
        dotted = edge["verdict"] not in ("supported", "not tested")
        axes.annotate(
            "", xy=places[edge["target"]], xytext=places[edge["source"]],
            arrowprops={"arrowstyle": "-|>", "color": colour_of(edge["slope"]), "linewidth": 0.6 * width,
                        "linestyle": ":" if dotted else "-", "shrinkA": 7, "shrinkB": 9, "alpha": 0.8},
        )  # fmt: skip
    for name, (x, y) in places.items():
        axes.plot(x, y, "o", color="#E69F00" if name == gene else GREY, markersize=10 if name == gene else 7)
        axes.annotate(name, (x, y), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8)
    for words, colour in (("activates", ACTIVATES), ("represses", REPRESSES)):
        axes.plot([], [], color=colour, label=words)
    axes.plot([], [], color=GREY, linestyle=":", label="not supported")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, frameon=False, fontsize=7)
    axes.set_axis_off()
    axes.margins(0.12)
    return drawn


def bars(table: pd.DataFrame, *, value: str, title: str, signed: str | None = None, most: int = 20) -> go.Figure:
    """Draw the first rows of a table of regulators as bars, the strongest on top.

    Parameters
    ----------
    table
        Column ``regulator`` and the one named by ``value``.
    signed
        A column whose sign colours the bars; NaN where it is not sure.
    """
    shown = table.head(most)
    fig = go.Figure()
    if signed:
        colours = np.array([colour_of(v) for v in shown[signed]], dtype=object)
        for colour, words in ((ACTIVATES, "activates"), (REPRESSES, "represses"), (GREY, "not supported")):
            rows = shown[colours == colour]
            fig.add_bar(x=rows[value], y=rows["regulator"], orientation="h", name=words, marker={"color": colour})
    else:
        fig.add_bar(x=shown[value], y=shown["regulator"], orientation="h", marker={"color": ACTIVATES})
    fig.update_traces(hovertemplate="%{y}: %{x:.3g}<extra></extra>")
    style(fig, height=110 + 22 * len(shown))
    fig.update_xaxes(title_text=title)
    fig.update_yaxes(
        autorange="reversed", type="category", showgrid=False, categoryorder="array",
        categoryarray=list(shown["regulator"]),
    )  # fmt: skip
    fig.update_layout(
        barmode="overlay", showlegend=bool(signed), legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
    )
    return fig


def ablations(table: pd.DataFrame) -> go.Figure:
    """Draw the rise of the error for each silenced part, with standard errors: ``part``, ``rise``, ``error``."""
    fig = go.Figure(
        go.Bar(
            x=100 * table["rise"],
            y=table["part"],
            orientation="h",
            marker={"color": ACTIVATES},
            error_x={"type": "data", "array": 100 * table["error"], "color": GREY, "thickness": 1.5},
            hovertemplate="%{y}: %{x:.2f}%<extra></extra>",
        )
    )
    style(fig, height=90 + 22 * len(table))
    fig.update_xaxes(title_text="rise of the error without it (%)")
    fig.update_yaxes(autorange="reversed", type="category", tickfont={"size": 11})
    return fig


def slopes(table: pd.DataFrame, *, first: str, second: str, most: int = 15) -> go.Figure:
    """Draw the slopes of paths in two groups side by side with 95% intervals, the largest difference on top.

    Parameters
    ----------
    table
        As ``genediff.inspection.regulation.compare_groups.compare`` returns it.
    """
    shown, fig = table.head(most), go.Figure()
    for name, title, colour, symbol in (
        ("first", first, "#0072B2", "circle"),
        ("second", second, "#D55E00", "diamond"),
    ):
        fig.add_scatter(
            x=shown[f"slope_{name}"], y=shown["path"], mode="markers", name=title,
            marker={"size": 10, "color": colour, "symbol": symbol},
            error_x={"type": "data", "array": 1.96 * shown[f"se_{name}"], "thickness": 1.5, "width": 0},
            hovertemplate="%{y}: %{x:.3f}<extra>" + title + "</extra>",
        )  # fmt: skip
    style(fig, height=130 + 26 * len(shown))
    fig.update_xaxes(title_text="effect on the target (SD per SD of the source)", zeroline=True, zerolinecolor=GREY)
    fig.update_yaxes(autorange="reversed", type="category")
    fig.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"t": 40})
    return fig


def colour_of(slope: float) -> str:
    """Return the colour of a sign; grey where it is not known."""
    if not np.isfinite(slope) or slope == 0:
        return GREY
    return ACTIVATES if slope > 0 else REPRESSES


def hover(edge: pd.Series) -> str:
    """Say what is known of an edge, line by line."""
    prior = {1: "activates", -1: "represses", 0: "does not say the sign"}[int(edge["prior_sign"])]
    lines = [f"<b>{edge['source']} → {edge['target']}</b>", f"flow over it: {edge['flow']:.1%} of the target"]
    if np.isfinite(edge["slope"]):
        lines.append(f"effect: {edge['slope']:+.3f} SD per SD; removing it changes {edge['effect']:.3f} SD")
    lines += [f"used most in: {edge['layer']}", f"prior: {edge['prior']}, which says it {prior}", str(edge["verdict"])]
    return "<br>".join(lines).replace("which says it does not", "which does not")


def _widths(edges: pd.DataFrame) -> np.ndarray:
    top = max(float(edges["flow"].max()), 1e-12)
    return 1.2 + (_WIDEST - 1.2) * edges["flow"].to_numpy() / top


def _height(number: int, n: int) -> float:
    return 1 - (number + 0.5) / n


def _line(start: tuple[float, float], end: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Return a gentle curve; genes of one column are joined around the others."""
    steps = np.linspace(0, 1, 12)
    bend = 0.12 * np.sin(np.pi * steps) if start[0] == end[0] else np.zeros_like(steps)
    ease = steps**2 * (3 - 2 * steps) if start[0] != end[0] else steps
    return (
        list(start[0] + (end[0] - start[0]) * steps + bend),
        list(start[1] + (end[1] - start[1]) * ease),
    )


def _middle(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    x, y = _line(start, end)
    return (x[5] + x[6]) / 2, (y[5] + y[6]) / 2
