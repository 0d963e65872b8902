"""Figures of a cell that is followed through a model."""

from __future__ import annotations

import numpy as np

from genediff.plots.token_plots import attention_heat, gene_dots


def test_each_version_of_a_cell_has_its_marks_and_each_place_its_row() -> None:
    versions = {"measured": np.array([2.0, 1.0]), "decoded": np.array([1.5, 1.0]), "denoised": np.array([1.0, 0.5])}
    figure = gene_dots(["LYZ", "CD3E"], versions)
    assert [trace.name for trace in figure.data] == list(versions)
    assert len({(trace.marker.symbol, trace.marker.color) for trace in figure.data}) == 3
    np.testing.assert_array_equal(figure.data[1].x, versions["decoded"].astype(np.float32))
    heat = attention_heat(["first", "second"], np.array([[0.25, 0.75], [1.0, 0.0]])).data[0]
    assert heat.z[0, 1] == 0.75 and list(heat.y) == ["first", "second"]
