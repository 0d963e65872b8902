"""In a real browser: a cloud that arrives as a picture has its lasso, its zoom and its legend, and needs no WebGL."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SCRIPT = """
import numpy as np
import streamlit as st
from genediff.plots import embedding
from genediff.ui.kit import figures

xy = np.random.default_rng(0).uniform(0, 10, size=(25_000, 2))
st.title("Cells")
colour = st.segmented_control("Colour by", ["class", "value"], default="class")
fig = (
    embedding.by_label(xy, (xy[:, 0] > 5).astype(int), ["left", "right"])
    if colour == "class"
    else embedding.by_value(xy, xy[:, 1], title="height")
)
found = figures.show_figure(fig, how_to_read="Dots.", name="map", select=("lasso", "box"))
for one in [*found["lasso"], *found["box"]]:
    st.markdown(f"{int(embedding.inside(one, xy).sum())} cells between {min(one['x']):.2f} and {max(one['x']):.2f}")
"""


def test_a_lasso_on_a_picture_holds_all_cells_inside_it(serve_script, open_browser):
    page = open_browser(serve_script(SCRIPT).url)
    page.locator(".js-plotly-plot image").first.wait_for()
    expect(page.locator(".gl-canvas-focus")).to_have_count(0)
    expect(page.get_by_text("left · 12,")).to_have_count(1)
    box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    points = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        for x, y in ((0.25, 0.01), (0.75, 0.01), (0.75, 0.99), (0.25, 0.99), (0.25, 0.02))
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()
    said = page.get_by_text("cells between")
    said.wait_for()
    number, low, high = re.match(r"(\d+) cells between ([\d.]+) and ([\d.]+)", said.inner_text()).groups()
    xy = np.random.default_rng(0).uniform(0, 10, size=(25_000, 2))
    expected = ((xy[:, 0] > float(low)) & (xy[:, 0] < float(high))).sum()
    assert 11_000 < int(number) < 14_000 and abs(int(number) - expected) < 0.02 * expected
    before = page.locator(".js-plotly-plot image").first.get_attribute("href")
    page.get_by_text("value", exact=True).click()
    page.get_by_text("height", exact=True).wait_for()
    page.wait_for_function(
        "old => document.querySelector('.js-plotly-plot image').getAttribute('href') !== old", arg=before
    )
    expect(page.locator(".gl-canvas-focus")).to_have_count(0)
