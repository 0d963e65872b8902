"""Steps of the tour that once failed: cells too few to be evaluated, and a ring that nobody saw."""

from __future__ import annotations

import pytest

from tests.browser.conftest import PATIENCE, visit

pytestmark = pytest.mark.browser

_RING = """() => [...document.querySelectorAll(".js-plotly-plot")].map(one => one._fullData || []).flatMap(traces => {
  const ring = traces.find(one => one.name === "this cell");
  const dots = traces.filter(one => one.mode === "markers" && one.x.length > 1);
  return ring ? [[...dots, ring].map(one => one.type)] : [];
})"""


def test_cells_that_are_too_few_to_be_evaluated_stay(server, open_browser):
    """Generating Megakaryocytes, a step of the tour, "stopped unexpectedly" and the drawn cells were gone."""
    page = open_browser(f"{server.url}/generate?model=pbmc3k-quick&n=200&c_cell_type_derived=Megakaryocyte")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text("200 generated cells").first.wait_for(timeout=4 * PATIENCE)
    page.get_by_text("3 Megakaryocyte test cells").wait_for(timeout=4 * PATIENCE)
    assert page.get_by_text("200 generated cells").first.is_visible()


def test_the_ring_around_a_cell_is_drawn_in_the_layer_of_the_dots(server, open_browser):
    """It was SVG below dots in WebGL, whatever their order: invisible."""
    page = open_browser(server.url)
    for address in ("tokenize?dataset=pbmc3k", "pathways?pathways_view=One+cell"):
        visit(page, f"{server.url}/{address}")
        page.wait_for_function(f"() => ({_RING})().length > 0")
        (types,) = page.evaluate(_RING)
        assert len(types) > 1 and len(set(types)) == 1, address
