"""Losses of a run: training and validation loss of each stage, for one run or several overlaid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.subplots import make_subplots

from genediff.plots.palettes import categorical
from genediff.plots.style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import plotly.graph_objects as go

__all__ = ["Curve", "live_losses", "loss_curves", "overlaid_curves", "smooth", "thin"]

TRAIN_COLOUR = "#3D8FD1"
VALIDATION_COLOUR = "#D55E00"
MAX_POINTS = 600
TRAINING, VALIDATION = "training cells", "validation cells"
_TITLE = {"fontSize": 13, "fontWeight": "normal"}
_NO_ENDS = {"showMinLabel": False, "showMaxLabel": False}  # the ends are cut where the curve is, not at round numbers
_AXIS_NAME = {"nameLocation": "middle", "nameGap": 26, "splitLine": {"show": False}}
_PLAIN = {"showSymbol": False, "tooltip": {"show": False}, "silent": True, "emphasis": {"disabled": True}}


@dataclass(frozen=True, eq=False)
class Curve:
    """The losses of one stage of a run.

    Attributes
    ----------
    title
        Name of the stage, as shown above its panel.
    steps, loss
        Training loss by step, both ``(point,)``.
    validation_steps, validation
        Loss on validation cells, both ``(check,)``; empty where none was measured yet.
    total_steps
        Length of the stage, so that the axis shows how far there is to go; 0 when unknown.
    """

    title: str
    steps: np.ndarray
    loss: np.ndarray
    validation_steps: np.ndarray
    validation: np.ndarray
    total_steps: int = 0


def smooth(loss: np.ndarray, *, window: int | None = None) -> np.ndarray:
    """Return the running mean of the last `window` points (a twentieth of all by default), shorter at the start.

    Parameters
    ----------
    loss
        ``(point,)``, in order of steps.

    Returns
    -------
    numpy.ndarray
        ``(point,)``; the first value is unchanged.
    """
    window = window or int(np.clip(len(loss) // 20, 1, 50))
    total = np.cumsum(np.insert(np.asarray(loss, dtype=float), 0, 0.0))
    end = np.arange(1, len(total))
    start = np.maximum(end - window, 0)
    return (total[end] - total[start]) / (end - start)


def thin(n: int, *, most: int = MAX_POINTS) -> np.ndarray:
    """Return up to `most` positions spread over ``range(n)``, the first and the last among them."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).round().astype(int))


def loss_curves(curves: list[Curve], *, height: int = 300) -> go.Figure:
    """Draw one panel per stage: the loss of each step (faint), its running mean, and held-out cells.

    Parameters
    ----------
    curves
        Stages in order of training. Each has its own axis: their losses are different quantities.
    height
        In pixels.
    """
    figure = make_subplots(1, max(len(curves), 1), subplot_titles=[c.title for c in curves], horizontal_spacing=0.09)
    for column, curve in enumerate(curves, start=1):
        _draw(figure, curve, column)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 58, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.17, "yanchor": "bottom"},
        hovermode="x unified",
        uirevision="loss",
    )
    figure.update_annotations(font_size=13)
    return figure


def overlaid_curves(runs: Mapping[str, Sequence[Curve]], *, height: int = 340) -> go.Figure:
    """Draw the losses of several runs over one another: one panel per stage, one colour per run.

    Parameters
    ----------
    runs
        Stages of each run in order of training, by the run's name. Stages of the same title share a panel.
    height
        In pixels.
    """
    stages = list(dict.fromkeys(curve.title for curves in runs.values() for curve in curves))
    figure = make_subplots(1, max(len(stages), 1), subplot_titles=stages, horizontal_spacing=0.09)
    for (name, curves), colour in zip(runs.items(), categorical(len(runs)), strict=True):
        for curve in curves:
            column = stages.index(curve.title) + 1
            keep = thin(len(curve.steps))
            training = {"color": colour, "width": 1.2, "dash": "dot"}
            figure.add_scatter(
                x=curve.steps[keep], y=smooth(curve.loss)[keep], mode="lines", line=training, name=name,
                legendgroup=name, showlegend=False, hovertemplate="%{y:.4g}, training", row=1, col=column,
            )  # fmt: skip
            figure.add_scatter(
                x=curve.validation_steps, y=curve.validation, mode="lines+markers", marker={"size": 5, "color": colour},
                line={"color": colour, "width": 2}, name=name, legendgroup=name, showlegend=curve is curves[0],
                hovertemplate="%{y:.4g}, validation", row=1, col=column,
            )  # fmt: skip
    for column, stage in enumerate(stages, start=1):
        ranges = [_range(curve) for curves in runs.values() for curve in curves if curve.title == stage]
        known = [one for one in ranges if one is not None]
        limits = [min(low for low, _ in known), max(high for _, high in known)] if known else None
        figure.update_yaxes(range=limits, row=1, col=column)
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="loss", row=1, col=1)
    style(figure, height=height)
    figure.update_layout(hovermode="x unified", legend={"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"})
    figure.update_annotations(font_size=13)
    return figure


def live_losses(curves: list[Curve]) -> dict[str, Any]:
    """Return the same panels for ECharts, which takes new points without drawing the chart anew: no flicker.

    Parameters
    ----------
    curves
        As for `loss_curves`.

    Returns
    -------
    dict
        An option of ECharts: plain values only.
    """
    n = max(len(curves), 1)
    width = 100 / n
    panels = range(len(curves))
    return {
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "legend": {"left": 0, "top": 0, "data": [TRAINING, VALIDATION], "selectedMode": False},
        "title": [
            {"text": c.title, "left": f"{(i + 0.5) * width}%", "top": 28, "textAlign": "center", "textStyle": _TITLE}
            for i, c in enumerate(curves)
        ],
        "grid": [{"left": f"{i * width + 5}%", "width": f"{width - 7}%", "top": 56, "bottom": 48} for i in panels],
        "xAxis": [
            {"type": "value", "gridIndex": i, "min": 0, "max": _end(c), "name": "step", **_AXIS_NAME}
            for i, c in enumerate(curves)
        ],
        "yAxis": [_y_axis(c, i) for i, c in enumerate(curves)],
        "series": [line for i, c in enumerate(curves) for line in _lines(c, i)],
    }


def _lines(curve: Curve, panel: int) -> list[dict[str, Any]]:
    place = {"type": "line", "xAxisIndex": panel, "yAxisIndex": panel}
    keep = thin(len(curve.steps))
    steps = curve.steps[keep]
    faint = {"color": TRAIN_COLOUR, "width": 1, "opacity": 0.3}
    strong = {"color": TRAIN_COLOUR, "width": 2.2}
    dotted = {"color": VALIDATION_COLOUR, "width": 1.5, "type": "dotted"}
    return [
        {**place, "name": "each step", "data": _pairs(steps, curve.loss[keep]), "lineStyle": faint, **_PLAIN},
        {
            **place,
            "name": TRAINING,
            "data": _pairs(steps, smooth(curve.loss)[keep]),
            "lineStyle": strong,
            "itemStyle": {"color": TRAIN_COLOUR},
            "showSymbol": False,
        },
        {
            **place,
            "name": VALIDATION,
            "data": _pairs(curve.validation_steps, curve.validation),
            "lineStyle": dotted,
            "itemStyle": {"color": VALIDATION_COLOUR},
            "symbol": "circle",
            "symbolSize": 6,
        },
    ]


def _y_axis(curve: Curve, panel: int) -> dict[str, Any]:
    low, high = _range(curve) or (None, None)
    limits = {} if low is None else {"min": float(f"{low:.3g}"), "max": float(f"{high:.3g}")}
    return {"type": "value", "gridIndex": panel, "scale": True, "axisLabel": _NO_ENDS, **limits}


def _pairs(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    return [[int(a), float(f"{b:.5g}")] for a, b in zip(x, y, strict=True)]


def _end(curve: Curve) -> int:
    return max(curve.total_steps, int(curve.steps[-1]) if len(curve.steps) else 1)


def _draw(figure: go.Figure, curve: Curve, column: int) -> None:
    keep = thin(len(curve.steps))
    lines = (
        ("each step", curve.loss, {"color": TRAIN_COLOUR, "width": 1}, 0.3),
        (TRAINING, smooth(curve.loss), {"color": TRAIN_COLOUR, "width": 2.2}, 1.0),
    )
    for name, values, line, opacity in lines:
        figure.add_scatter(
            x=curve.steps[keep],
            y=np.asarray(values)[keep],
            mode="lines",
            line=line,
            opacity=opacity,
            name=name,
            showlegend=column == 1 and name != "each step",
            hoverinfo="skip" if name == "each step" else None,
            hovertemplate=None if name == "each step" else "%{y:.4g}",
            row=1,
            col=column,
        )
    figure.add_scatter(
        x=curve.validation_steps,
        y=curve.validation,
        mode="lines+markers",
        marker={"size": 6, "color": VALIDATION_COLOUR},
        line={"color": VALIDATION_COLOUR, "width": 1.5, "dash": "dot"},
        name=VALIDATION,
        showlegend=column == 1,
        hovertemplate="%{y:.4g}",
        row=1,
        col=column,
    )
    figure.update_xaxes(title_text="step", range=[0, _end(curve)], row=1, col=column)
    figure.update_yaxes(title_text="loss" if column == 1 else None, range=_range(curve), row=1, col=column)


def _range(curve: Curve) -> list[float] | None:
    """Show the bulk of the losses: the first steps are often so high that they flatten all the rest."""
    later = curve.loss[max(1, len(curve.loss) // 50) :]
    values = np.concatenate([later, curve.validation])
    values = values[np.isfinite(values)]
    if len(values) < 5:
        return None
    low, high = np.quantile(values, [0.0, 0.985])
    pad = 0.08 * max(high - low, 1e-9)
    return [float(low - pad), float(high + pad)]
