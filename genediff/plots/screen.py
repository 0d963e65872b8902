"""What of a figure goes to the screen: very many dots as a picture, few as SVG, and WebGL only for what lies between.

A browser holds few WebGL charts at once, and draws them in software where it has no graphics card; some hundred circles
it draws as quickly without.
"""

from __future__ import annotations

from textwrap import wrap

import plotly.graph_objects as go

from genediff.plots.picture import WIDTH, with_pictures

_PHONE = 340  # pixels that a legend has there
FEW = 2_500  # dots of a whole figure that are still drawn as quickly as SVG


def for_screen(fig: go.Figure, *, width: int = WIDTH) -> go.Figure:
    """Return a figure as light as can be: `with_pictures`, then `few_as_svg`. The one given stays as it is.

    Parameters
    ----------
    width
        In pixels, about what the figure will have on the screen.
    """
    return few_as_svg(with_pictures(fig, width=width))


def for_phone(fig: go.Figure) -> go.Figure:
    """Return a figure whose legend stands below it, not beside it, and whose titles wrap: for narrow windows.

    It is as much taller as the legend needs, so that the plot keeps its room.
    """
    fig = go.Figure(fig)
    fig.for_each_xaxis(lambda axis: axis.title.update(text="<br>".join(wrap(axis.title.text or "", 34)) or None))
    lines = max((axis.title.text.count("<br>") + 1 for axis in fig.select_xaxes() if axis.title.text), default=0)
    named = [trace.x for trace in fig.data if trace.x is not None and len(trace.x) and isinstance(trace.x[0], str)]
    ticks = min(230, 44 + 7 * max((len(str(name)) for x in named for name in x), default=0))  # names stand upright
    below = max(fig.layout.margin.b or 0, ticks + 20 * lines)  # a figure's own room may hold a slider
    names = [len(trace.name) for trace in fig.data if trace.name and trace.showlegend is not False]
    beside = max(1, _PHONE // (40 + 7 * max(names, default=0)))
    legend = 22 * -(-len(names) // beside) if len(names) > 1 or fig.layout.showlegend else 0
    fig.update_layout(
        height=(fig.layout.height or 450) + legend,
        margin={"b": below + legend},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "yref": "container", "y": 0, "yanchor": "bottom"},
    )
    return fig


def few_as_svg(fig: go.Figure, *, limit: int = FEW) -> go.Figure:
    """Return a figure without WebGL where its scattergl traces have at most `limit` dots together; else the same one.

    All or none: what is SVG lies above what is WebGL, whatever their order.
    """
    webgl = [trace for trace in fig.data if trace.type == "scattergl"]
    if not webgl or sum(len(trace.x) for trace in webgl if trace.x is not None) > limit:
        return fig
    traces = [_as_svg(trace) if trace.type == "scattergl" else trace for trace in fig.data]
    return go.Figure(data=traces, layout=fig.layout, frames=fig.frames or None)


def _as_svg(trace: go.Scattergl) -> go.Scatter:
    told = trace.to_plotly_json()
    del told["type"]
    return go.Scatter(**told)
