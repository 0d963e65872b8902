import numpy as np
import plotly.graph_objects as go

from genediff.plots import embedding
from genediff.plots.screen import FEW, few_as_svg, for_phone, for_screen


def _dots(n):
    return np.random.default_rng(0).normal(size=(n, 2))


def _map(n):
    return embedding.by_label(_dots(n), np.arange(n) % 3, ["B", "NK", "T"])


def _kinds(fig):
    return [trace.type for trace in fig.data]


def test_few_dots_need_no_webgl_and_look_the_same():
    fig = _map(200)
    light = few_as_svg(fig)
    assert "scattergl" in _kinds(fig) and set(_kinds(light)) == {"scatter"}
    for before, after in zip(fig.data, light.data, strict=True):
        told = [{k: v for k, v in trace.to_plotly_json().items() if k != "type"} for trace in (before, after)]
        np.testing.assert_equal(*told)
    assert light.layout == fig.layout


def test_many_dots_keep_webgl_and_so_do_the_few_beside_them():
    # SVG lies above WebGL: a few grey cells that should lie beneath would come to lie on top.
    fig = go.Figure([*_map(FEW).data, go.Scattergl(x=[0.0], y=[0.0], mode="markers")])
    assert few_as_svg(fig) is fig


def test_a_few_dots_over_a_picture_of_very_many_need_no_webgl():
    fig = _map(30_000)
    fig.add_scattergl(x=[0.0], y=[0.0], mode="markers", marker={"color": "red", "symbol": "circle-open"})
    shown = for_screen(fig)
    assert len(shown.layout.images) == 1 and "scattergl" not in _kinds(shown)


def test_a_figure_without_webgl_stays_the_same():
    fig = go.Figure(go.Bar(x=["a"], y=[1]))
    assert for_screen(fig) is fig


def test_a_phone_has_the_legend_below_and_titles_of_several_lines():
    """Beside a map of 390 pixels it left 160 for the cells, and long titles ran out of the window."""
    fig = _map(200).update_xaxes(title_text="million operations per cell and step (log scale)")
    shown = for_phone(fig)
    assert shown.layout.legend.orientation == "h"
    assert (shown.layout.legend.yref, shown.layout.legend.y, shown.layout.legend.yanchor) == ("container", 0, "bottom")
    taller = shown.layout.height - (fig.layout.height or 450)
    assert shown.layout.margin.b >= taller + 2 * 20, "ticks and both lines of the title stand above the legend"
    assert "<br>" in shown.layout.xaxis.title.text
    roomy = for_phone(_map(200).update_layout(margin={"b": 120}))
    assert roomy.layout.margin.b >= 120, "the room of a slider below the plot"
    assert fig.layout.legend.orientation is None and "<br>" not in fig.layout.xaxis.title.text
