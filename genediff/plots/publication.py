"""Any of our Plotly figures, drawn again with matplotlib for print: vector text and axes, points as a bitmap.

Plotly itself needs a browser to write a file. Matplotlib writes a 100,000-point SVG of 0.2 MB in 0.2 s, with text that
can be edited in Inkscape or Illustrator.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = {"dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3)), None: "-", "solid": "-"}
_MARKERS = {"circle": "o", "square": "s", "diamond": "D", "cross": "P", "x": "X", "triangle-up": "^", None: "o"}


def from_plotly(fig: go.Figure) -> Figure:
    """Return the same figure for print: white ground, black text, points rasterized at 300 dpi.

    Parameters
    ----------
    fig
        A figure of scatter, scattergl, bar, histogram, box, violin and heatmap traces on any grid of axes.

    Raises
    ------
    ValueError
        When a trace is of another type.
    """
    from matplotlib.figure import Figure

    panels = _panels(fig)
    height = (fig.layout.height or 400) / 100
    drawn = Figure(figsize=(max(6.4, 1.55 * height), height), dpi=150)
    for (x_id, y_id), traces in panels.items():
        x_axis, y_axis = _layout_axis(fig, "x", x_id), _layout_axis(fig, "y", y_id)
        left, right = x_axis.domain or (0, 1)
        low, high = y_axis.domain or (0, 1)
        axes = drawn.add_axes((0.1 + 0.68 * left, 0.14 + 0.74 * low, 0.68 * (right - left), 0.74 * (high - low)))
        for trace in traces:
            _DRAW.get(trace.type, _unknown)(axes, trace, fig)
        _dress(axes, x_axis, y_axis)
    _write_texts(drawn, fig)
    _legend(drawn)
    return drawn


def to_bytes(drawn: Figure, kind: str) -> bytes:
    """Return a matplotlib figure as a file.

    Parameters
    ----------
    drawn
        The figure.
    kind
        "svg" (text stays text) or "png" (300 dpi).
    """
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "font.family": "sans-serif"}):
        drawn.savefig(buffer, format=kind, dpi=300, bbox_inches="tight", facecolor="white")
    return buffer.getvalue()


def table_of(fig: go.Figure) -> pd.DataFrame:
    """Return the numbers of a figure in long form: one row per point, with the name of its trace."""
    parts = []
    for trace in fig.data:
        columns: dict[str, Any] = {}
        if trace.type == "heatmap":
            z = np.asarray(trace.z, dtype=float)
            y = np.arange(z.shape[0]) if trace.y is None else np.asarray(trace.y)
            x = np.arange(z.shape[1]) if trace.x is None else np.asarray(trace.x)
            columns = {"x": np.tile(x, z.shape[0]), "y": np.repeat(y, z.shape[1]), "value": z.ravel()}
        else:
            for name in ("x", "y"):
                values = getattr(trace, name)
                if values is not None:
                    columns[name] = np.asarray(values)
            colour = getattr(getattr(trace, "marker", None), "color", None)
            if (
                colour is not None
                and _is_numbers(colour)
                and columns
                and len(colour) == len(next(iter(columns.values())))
            ):
                columns["value"] = np.asarray(colour)
        if columns and not _is_legend_entry(trace):
            parts.append(pd.DataFrame({"trace": trace.name or "", **columns}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"trace": []})


def _is_legend_entry(trace: Any) -> bool:
    """Say whether a trace is there for the legend only: one point that is nowhere."""
    return trace.x is not None and len(trace.x) == 1 and trace.x[0] is None


def _panels(fig: go.Figure) -> dict[tuple[str, str], list[Any]]:
    panels: dict[tuple[str, str], list[Any]] = {}
    for trace in fig.data:
        panels.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
    return panels


def _layout_axis(fig: go.Figure, letter: str, axis_id: str) -> Any:
    return fig.layout[f"{letter}axis{axis_id[1:]}"]


def _scatter(axes: Axes, trace: Any, fig: go.Figure) -> None:
    if trace.x is None or trace.y is None or len(trace.x) == 0:
        return
    mode = trace.mode or "lines+markers"
    name = _name(trace)
    x, y = np.asarray(trace.x), np.asarray(trace.y)
    if trace.fill in ("toself", "tozeroy", "tonexty"):
        axes.fill(x, y, color=_colour(trace.fillcolor or trace.line.color)[0], alpha=0.2, linewidth=0, label=name)
        return
    if "lines" in mode:
        colour, alpha = _colour(trace.line.color)
        style = _DASHES.get(trace.line.dash, "-")
        axes.plot(x, y, color=colour, alpha=alpha, linestyle=style, linewidth=trace.line.width or 1.5, label=name)
        name = None
    if "markers" in mode:
        _points(axes, trace, x, y, name)
    for letter in ("x", "y"):
        error = getattr(trace, f"error_{letter}")
        if error.array is not None:
            below = error.array if error.arrayminus is None else error.arrayminus
            spread = np.asarray([below, error.array], dtype=float)
            across, along = (spread, None) if letter == "x" else (None, spread)
            axes.errorbar(x, y, xerr=across, yerr=along, fmt="none", ecolor="0.4", elinewidth=0.8, capsize=2)


def _points(axes: Axes, trace: Any, x: np.ndarray, y: np.ndarray, name: str | None) -> None:
    marker = trace.marker
    size = float(marker.size) if isinstance(marker.size, int | float) else 5.0
    area = (0.75 * size) ** 2
    symbol = _MARKERS.get(marker.symbol if isinstance(marker.symbol, str | None) else None, "o")
    many = len(x) > 200
    if _is_numbers(marker.color):
        drawn = axes.scatter(
            x, y, c=np.asarray(marker.color), cmap=_colormap(marker.colorscale), vmin=marker.cmin, vmax=marker.cmax,
            s=area, linewidths=0, rasterized=many, alpha=trace.opacity if marker.opacity is None else marker.opacity,
            marker=symbol,
        )  # fmt: skip
        if marker.showscale:
            bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
            bar.set_label(_text((marker.colorbar.title.text if marker.colorbar.title else "") or ""))
        return
    if _is_list(marker.color):
        colour: Any = [_colour(one)[0] for one in marker.color]
        alpha = None
    else:
        colour, alpha = _colour(marker.color)
    if _is_legend_entry(trace):
        x, y = x[:0], y[:0]
    axes.scatter(x, y, color=colour, s=area, linewidths=0, rasterized=many, label=name, marker=symbol,
                 alpha=alpha if marker.opacity is None else marker.opacity)  # fmt: skip


def _bar(axes: Axes, trace: Any, fig: go.Figure) -> None:
    siblings = [t for t in fig.data if t.type == "bar" and t.xaxis == trace.xaxis and t.yaxis == trace.yaxis]
    place = siblings.index(trace)
    flat = trace.orientation == "h"
    where, length = (trace.y, trace.x) if flat else (trace.x, trace.y)
    length = np.asarray(length, dtype=float)
    names = isinstance(where[0], str) if len(where) else False
    base = np.arange(len(where)) if names else np.asarray(where, dtype=float)
    stacked = fig.layout.barmode in ("stack", "relative")
    step = float(np.min(np.diff(np.sort(base)))) if len(base) > 1 else 1.0
    width = 0.8 * step if stacked or fig.layout.barmode == "overlay" else 0.8 * step / len(siblings)
    at = base if stacked or fig.layout.barmode == "overlay" else base + (place - (len(siblings) - 1) / 2) * width
    below = sum((np.asarray(t.x if flat else t.y, dtype=float) for t in siblings[:place]), np.zeros(len(length)))
    start = below if stacked else np.zeros(len(length)) if trace.base is None else np.asarray(trace.base, dtype=float)
    colours = trace.marker.color
    if _is_numbers(colours):
        import matplotlib as mpl

        scale = mpl.colors.Normalize(trace.marker.cmin, trace.marker.cmax)
        colour: Any = _colormap(trace.marker.colorscale)(scale(np.asarray(colours, dtype=float)))
    else:
        colour = [_colour(one)[0] for one in colours] if _is_list(colours) else _colour(colours)[0]
    error = trace.error_x if flat else trace.error_y
    spread = None if error.array is None else np.asarray(error.array, dtype=float)
    if flat:
        axes.barh(at, length, width, left=start, color=colour, label=_name(trace), xerr=spread)
    else:
        axes.bar(at, length, width, bottom=start, color=colour, label=_name(trace), yerr=spread)
    if names:
        (axes.set_yticks if flat else axes.set_xticks)(base, [_text(str(one)) for one in where])
        if not flat and sum(len(str(one)) for one in where) > 50:
            axes.tick_params(axis="x", rotation=40)


def _histogram(axes: Axes, trace: Any, fig: go.Figure) -> None:
    flat = trace.x is None
    values = np.asarray(trace.y if flat else trace.x, dtype=float)
    bins = (trace.nbinsy if flat else trace.nbinsx) or "auto"
    axes.hist(values[np.isfinite(values)], bins=bins, color=_colour(trace.marker.color)[0], label=_name(trace),
              orientation="horizontal" if flat else "vertical", alpha=trace.opacity)  # fmt: skip


def _box(axes: Axes, trace: Any, fig: go.Figure) -> None:
    flat = trace.orientation == "h"
    if trace.type == "box" and trace.median is not None:
        _quantile_box(axes, trace, flat=flat)
        return
    values = np.asarray(trace.x if flat else trace.y, dtype=float)
    groups = trace.y if flat else trace.x
    colour = _colour(trace.line.color or trace.fillcolor or trace.marker.color)[0]
    names = list(dict.fromkeys(groups)) if groups is not None else [trace.name or ""]
    for name in names:
        chosen = values if groups is None else values[np.asarray(groups) == name]
        chosen = chosen[np.isfinite(chosen)]
        if not len(chosen):
            continue
        ticks, labels = _ticks(axes, flat)
        at = ticks[labels.index(str(name))] if str(name) in labels else len(labels)
        if trace.type == "violin" and len(chosen) > 1 and np.ptp(chosen) > 0:
            parts = axes.violinplot([chosen], [at], orientation="horizontal" if flat else "vertical", widths=0.8,
                                    showextrema=False, showmedians=True)  # fmt: skip
            bodies: Any = parts["bodies"]
            for body in bodies:
                body.set(facecolor=colour, alpha=0.6)
            parts["cmedians"].set(color="0.15")
        else:
            axes.boxplot([chosen], positions=[at], orientation="horizontal" if flat else "vertical", widths=0.6,
                         showfliers=False, manage_ticks=False, medianprops={"color": colour})  # fmt: skip
        if str(name) not in labels:
            (axes.set_yticks if flat else axes.set_xticks)([*ticks, at], [*labels, str(name)])
    if not flat and len(_ticks(axes, flat)[1]) > 4:
        axes.tick_params(axis="x", rotation=40)


def _quantile_box(axes: Axes, trace: Any, *, flat: bool) -> None:
    """Draw boxes that come as quantiles, not as points."""
    names = [str(one) for one in (trace.y if flat else trace.x)]
    ticks, labels = _ticks(axes, flat)
    at = [len(labels) + i for i in range(len(names))]
    ends = zip(trace.lowerfence, trace.q1, trace.median, trace.q3, trace.upperfence, strict=True)
    stats = [dict(zip(("whislo", "q1", "med", "q3", "whishi"), five, strict=True)) for five in ends]
    colour = {"color": _colour(trace.line.color)[0]}
    axes.bxp(stats, positions=at, orientation="horizontal" if flat else "vertical", widths=0.6, showfliers=False,
             manage_ticks=False, boxprops=colour, medianprops=colour, whiskerprops=colour, capprops=colour)  # fmt: skip
    (axes.set_yticks if flat else axes.set_xticks)([*ticks, *at], [*labels, *names])


def _ticks(axes: Axes, flat: bool) -> tuple[list[float], list[str]]:
    """Return the places and names that boxes of this panel have taken so far."""
    axis = axes.yaxis if flat else axes.xaxis
    labels = [text.get_text() for text in axis.get_ticklabels()]
    if not any(labels) or not hasattr(axis.get_major_locator(), "locs"):
        return [], []
    return [float(at) for at in axis.get_majorticklocs()], labels


def _heatmap(axes: Axes, trace: Any, fig: go.Figure) -> None:
    z = np.asarray(trace.z, dtype=float)
    scale = _colormap(trace.colorscale)
    drawn = axes.imshow(z, aspect="auto", cmap=scale, vmin=trace.zmin, vmax=trace.zmax, interpolation="nearest")
    if trace.x is not None:
        axes.set_xticks(range(len(trace.x)), [_text(str(one)) for one in trace.x], rotation=40, ha="right")
    if trace.y is not None:
        axes.set_yticks(range(len(trace.y)), [_text(str(one)) for one in trace.y])
    if trace.showscale is not False:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.7)


def _unknown(axes: Axes, trace: Any, fig: go.Figure) -> None:
    raise ValueError(f"cannot draw a trace of type {trace.type!r} for print; known: {', '.join(sorted(_DRAW))}")


_DRAW = {
    "scatter": _scatter,
    "scattergl": _scatter,
    "bar": _bar,
    "histogram": _histogram,
    "box": _box,
    "violin": _box,
    "heatmap": _heatmap,
}


def _dress(axes: Axes, x_axis: Any, y_axis: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    sides: tuple[tuple[Literal["x", "y"], Any], ...] = (("x", x_axis), ("y", y_axis))
    for letter, axis in sides:
        if axis.title.text:
            axes.set(**{f"{letter}label": _text(axis.title.text)})
        if axis.type == "log":
            axes.set(**{f"{letter}scale": "log"})
        if axis.range is not None:
            limits = [float(end) for end in axis.range]
            axes.set(**{f"{letter}lim": [10**end for end in limits] if axis.type == "log" else limits})
        elif axis.autorange == "reversed":
            getattr(axes, f"invert_{letter}axis")()
        if axis.ticktext is not None:
            low, high = sorted(getattr(axes, f"get_{letter}lim")())
            told = [(at, text) for at, text in zip(axis.tickvals, axis.ticktext, strict=True) if low <= at <= high]
            getattr(axes, f"set_{letter}ticks")([at for at, _ in told], [_text(text) for _, text in told])
        if axis.showticklabels is False:
            axes.tick_params(axis=letter, length=0, **{"labelbottom" if letter == "x" else "labelleft": False})
    axes.tick_params(labelsize=8)


def _write_texts(drawn: Figure, fig: go.Figure) -> None:
    if fig.layout.title.text:
        drawn.suptitle(_text(fig.layout.title.text), fontsize=11)
    for note in fig.layout.annotations:
        if note.xref == "paper" and note.yref == "paper":
            drawn.text(0.1 + 0.68 * note.x, 0.14 + 0.74 * note.y + 0.01, _text(note.text), ha="center", fontsize=9)
        elif drawn.axes and (note.xref or "x") == "x":
            drawn.axes[0].text(note.x, note.y, _text(note.text), fontsize=8, ha="center", va="center")


def _legend(drawn: Figure) -> None:
    from matplotlib.collections import PathCollection

    entries: dict[str, Any] = {}
    for axes in drawn.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if len(entries) > 1:
        legend = drawn.legend(entries.values(), entries.keys(), loc="center left", bbox_to_anchor=(0.8, 0.5),
                              frameon=False, fontsize=8)  # fmt: skip
        for marks in legend.legend_handles:
            if isinstance(marks, PathCollection):
                marks.set_sizes([22])


def _name(trace: Any) -> str | None:
    return _text(trace.name) if trace.name and trace.showlegend is not False else None


def _text(text: str) -> str:
    """Return a Plotly text without its tags; matplotlib's own dollar signs are made harmless."""
    return re.sub(r"<br ?/?>", "\n", text).replace("$", r"\$") if "<br" in text else _strip(text)


def _strip(text: str) -> str:
    return re.sub(r"<[^>]+>", "", text).replace("$", r"\$")


def _colour(colour: Any) -> tuple[Any, float | None]:
    """Return a CSS colour as matplotlib takes it, and its opacity where it names one."""
    if not isinstance(colour, str):
        return None, None
    numbers = re.findall(r"[\d.]+", colour) if colour.startswith("rgb") else []
    if len(numbers) >= 3:
        rgb = tuple(float(one) / 255 for one in numbers[:3])
        return rgb, float(numbers[3]) if len(numbers) == 4 else None
    return colour, None


def _colormap(scale: Any) -> Any:
    import matplotlib as mpl

    if not scale:
        return "cividis"
    stops = [(float(at), _colour(colour)[0]) for at, colour in scale]
    return mpl.colors.LinearSegmentedColormap.from_list("plotly", stops)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)


def _is_numbers(value: Any) -> bool:
    return _is_list(value) and len(value) > 0 and not isinstance(value[0], str)
