"""Figures of tokens and regulators: ranges that few active cells still fill, and colours that are explained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genediff.plots import denoising_plots, palettes, regulation_plots, token_views


def test_the_range_of_what_few_cells_have_is_theirs_and_one_outlier_does_not_set_it():
    rng = np.random.default_rng(0)
    few = np.full(2000, -0.2)
    few[:20] = 6.0  # a gene of one cell in a hundred: 98% of the cells lie at its floor
    assert token_views.signed_range(few) >= 3.0
    usual = rng.normal(size=2000)
    with_outlier = np.append(usual, 500.0)
    assert token_views.signed_range(with_outlier) < 1.3 * token_views.signed_range(usual)
    assert token_views.signed_range(np.zeros(5)) > 0


def test_signed_bars_say_what_their_colours_mean_and_keep_the_order():
    table = pd.DataFrame({"regulator": [*"ABCD"], "effect": [3.0, 2.0, 1.0, 0.5], "slope": [1.0, -1.0, 1.0, np.nan]})
    fig = regulation_plots.bars(table, value="effect", title="effect", signed="slope")
    shown = {bar.name: list(bar.y) for bar in fig.data}
    assert shown == {"activates": ["A", "C"], "represses": ["B"], "not supported": ["D"]} and fig.layout.showlegend
    assert list(fig.layout.yaxis.categoryarray) == [*"ABCD"]


def test_a_type_keeps_its_colour_whichever_types_are_drawn():
    """NK wore Megakaryocyte's colour in the denoising view: colours went by the types that were present."""
    known = palettes.for_levels(["B", "Megakaryocyte", "NK"])
    draw = np.random.default_rng(0)
    figure = denoising_plots.scrubber(
        ["noise", "cells"], None, draw.normal(size=(2, 4, 2)), draw.normal(size=(2, 3, 2)),
        codes=np.array([0, 1, 1, 0]), groups=["B", "NK"], colours=known, rows=["a", "b", "c"], real_xy=None,
        real_tokens=draw.normal(size=(5, 2)), explained=np.array([0.5, 0.3]), unit="score",
    )  # fmt: skip
    legend = {trace.name: trace.marker.color for trace in figure.data if trace.name in known}
    assert legend == {"B": known["B"], "NK": known["NK"]}
    dots = next(trace for trace in figure.data if trace.text is not None)
    assert [known[name] for name in dots.text] == list(dots.marker.color)
