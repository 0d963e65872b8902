"""Generated cells on the map of the real ones: side by side or on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from plotly.subplots import make_subplots

from genediff.plots.palettes import GENERATED, GREY, REAL, for_levels
from genediff.plots.style import style

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Cells", "Colouring", "map_figure"]

_AXES = "UMAP 1", "UMAP 2"


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells on the map.

    Attributes
    ----------
    xy
        UMAP coordinates, ``(cell, 2)``.
    values
        What colours them, ``(cell,)``: level numbers (-1: none) or numbers; None when source colours them.
    emphasis
        Which cells to draw strongly, ``(cell,)`` of bool; None for all.
    """

    xy: np.ndarray
    values: np.ndarray | None = None
    emphasis: np.ndarray | None = None


@dataclass(frozen=True)
class Colouring:
    """What the colours mean: a column with its `levels`, a number with its `unit`, or only the source.

    `colours` holds the colour of each level, as the data set has it on every plot.
    """

    title: str
    levels: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    unit: str = ""
    by_source: bool = False


@dataclass(frozen=True, eq=False)
class _Layer:
    """One cloud of points; its colour is one colour, level numbers (`top` is None) or numbers from 0 to `top`."""

    xy: np.ndarray
    colour: str | np.ndarray
    top: float | None
    size: float
    opacity: np.ndarray


def map_figure(
    real: Cells,
    generated: Cells,
    *,
    colouring: Colouring,
    side_by_side: bool = True,
    height: int = 560,
) -> go.Figure:
    """Draw generated and real cells on one map, or on two maps that move together.

    Parameters
    ----------
    real, generated
        Cells with coordinates on the same map; `values` as `colouring` says.
    side_by_side
        Real cells left, generated cells right over grey real ones; else all in one panel, real ones grey beneath.
    height
        In pixels.
    """
    titles, panels = _panels(real, generated, colouring, side_by_side)
    figure = make_subplots(
        1, len(panels), subplot_titles=titles, horizontal_spacing=0.02, shared_xaxes="all", shared_yaxes="all"
    )
    for column, layers in enumerate(panels, start=1):
        for layer in layers:
            _add(figure, layer, column, colouring)
    _legend(figure, real, generated, colouring)
    style(figure, height=height)
    low, high = _limits(real, generated)
    figure.update_xaxes(title_text=_AXES[0], range=[low[0], high[0]], showgrid=False, showticklabels=False)
    figure.update_yaxes(range=[low[1], high[1]], showgrid=False, showticklabels=False)
    figure.update_yaxes(title_text=_AXES[1], row=1, col=1)
    figure.update_annotations(font_size=13.5)
    figure.update_layout(dragmode="lasso", margin={"l": 28, "r": 4, "t": 58, "b": 30})
    return figure


def _panels(
    real: Cells, generated: Cells, colouring: Colouring, side_by_side: bool
) -> tuple[list[str], list[list[_Layer]]]:
    """Return titles and layers; real cells lie beneath generated ones in grey."""
    top = _top(real, generated, colouring)
    ground = _layer(Cells(real.xy, None, real.emphasis), GREY, top, strength=0.45)
    ours = _layer(generated, GENERATED, top)
    counts = f"{len(real.xy):,} real cells", f"{len(generated.xy):,} generated cells"
    if not side_by_side:
        return [f"{counts[1]} over {counts[0]} (grey)"], [[ground, ours]]
    theirs = _layer(real, REAL, top)
    return [counts[0], f"{counts[1]} (over real, grey)"], [[theirs], [ground, ours]]


def _layer(cells: Cells, colour: str, top: float | None, *, strength: float = 0.85) -> _Layer:
    opacity = np.full(len(cells.xy), strength, dtype=np.float32)
    if cells.emphasis is not None:
        opacity[~cells.emphasis] *= 0.45
    size = float(np.clip(260 / np.sqrt(max(len(cells.xy), 1)), 1.8, 6.0))
    if cells.values is None:
        return _Layer(cells.xy, colour, top, size, opacity)
    order = _shuffled(len(cells.values)) if top is None else np.argsort(cells.values, kind="stable")
    return _Layer(cells.xy[order], cells.values[order], top, size, opacity[order])


def _shuffled(n: int) -> np.ndarray:
    """Mix the order, always the same way, so that no class lies on top of the others."""
    return np.random.default_rng(0).permutation(n)


def _top(real: Cells, generated: Cells, colouring: Colouring) -> float | None:
    """Return the upper end of the colour scale (the 99.5th percentile); None for classes."""
    if colouring.levels or colouring.by_source:
        return None
    values = [cells.values for cells in (real, generated) if cells.values is not None and len(cells.values)]
    return max(float(np.quantile(np.concatenate(values), 0.995)), 1e-6) if values else 1.0


def _scale(colouring: Colouring) -> list[tuple[float, str]]:
    """Return a colour scale with one flat step per class, from level -1 (no label) on."""
    colours = [GREY, *_level_colours(colouring).values()]
    n = len(colours)
    return [(edge / n, colour) for i, colour in enumerate(colours) for edge in (i, i + 1)]


def _level_colours(colouring: Colouring) -> dict[str, str]:
    if not colouring.colours:
        return for_levels(colouring.levels)
    return dict(zip(colouring.levels, colouring.colours, strict=True))


def _add(figure: go.Figure, layer: _Layer, column: int, colouring: Colouring) -> None:
    marker: dict[str, object] = {"size": layer.size, "opacity": layer.opacity, "line": {"width": 0}}
    if isinstance(layer.colour, str):
        marker["color"] = layer.colour
    elif colouring.levels:
        marker |= {
            "color": layer.colour.astype(np.float32),
            "colorscale": _scale(colouring),
            "cmin": -1.5,
            "cmax": len(colouring.levels) - 0.5,
        }
    else:
        bar = {"title": {"text": f"{colouring.title}<br>{colouring.unit}"}, "thickness": 12, "len": 0.6, "x": 1.01}
        marker |= {
            "color": layer.colour.astype(np.float32),
            "colorscale": "Cividis",
            "cmin": 0.0,
            "cmax": layer.top,
            "colorbar": bar,
            "showscale": not any(trace.marker.showscale for trace in figure.data),
        }
    figure.add_scattergl(
        x=layer.xy[:, 0].astype(np.float32),
        y=layer.xy[:, 1].astype(np.float32),
        mode="markers",
        marker=marker,
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=column,
    )


def _legend(figure: go.Figure, real: Cells, generated: Cells, colouring: Colouring) -> None:
    """Add one empty trace per class: the classes share a trace with each other, so they have no legend of their own."""
    for name, colour in _legend_entries(real, generated, colouring):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", marker={"size": 9, "color": colour}, name=name, hoverinfo="skip"
        )
    figure.update_layout(legend={"orientation": "h", "y": -0.07, "yanchor": "top", "x": 0, "title": {"text": ""}})


def _legend_entries(real: Cells, generated: Cells, colouring: Colouring) -> list[tuple[str, str]]:
    if colouring.by_source:
        return [("real", REAL), ("generated", GENERATED)]
    entries = list(_level_colours(colouring).items())
    values = [cells.values for cells in (real, generated) if cells.values is not None]
    if colouring.levels and any((v < 0).any() for v in values):
        entries.append(("no label", GREY))
    return entries


def _limits(real: Cells, generated: Cells) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate([real.xy, generated.xy])
    low, high = points.min(0), points.max(0)
    pad = 0.04 * np.maximum(high - low, 1e-6)
    return low - pad, high + pad
