import numpy as np
import plotly.graph_objects as go

from genediff.plots import embedding
from genediff.plots.style import style


def test_a_legend_that_only_names_colours_does_not_answer_to_clicks():
    # A click faded the entry and left the cells as they were.
    fig = embedding.by_label(np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 3, ["B", "NK", "T"])
    assert fig.layout.legend.itemclick is False and fig.layout.legend.itemdoubleclick is False


def test_a_legend_of_traces_hides_them_as_always():
    fig = style(go.Figure([go.Scatter(x=[1, 2], y=[1, 2], name="loss"), go.Bar(x=["a"], y=[1], name="bars")]))
    assert fig.layout.legend.itemclick is None
