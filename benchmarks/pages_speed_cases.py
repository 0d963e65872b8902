"""What `pages_speed.py` visits: pages, and what a reader changes on them, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

SCREEN = "screen"  # stands for a model where a page needs perturbed cells instead
LONGEST = 900_000  # ms, for what a page computes once


@dataclass(frozen=True)
class Change:
    """One choice that a reader changes: what is done before the clock runs, and what sets it off.

    ``local`` says that the browser does it alone, without the app: its clock runs from the press of the pointer.
    """

    name: str
    ready: Callable[[Page], None]
    act: Callable[[Page], None]
    local: bool = False


@dataclass(frozen=True)
class Visit:
    """A page, the strategy whose model it is shown, and what a reader changes on it, one after the other."""

    name: str
    strategy: str
    changes: tuple[Change, ...] = ()
    path: str = ""
    prepare: Callable[[Page], None] | None = None
    """Done once, before the caches are filled; the address that it leads to is then the page's."""


def choose(name: str, label: str, option: str) -> Change:
    """Choose an option of a select box."""

    def ready(page: Page) -> None:
        box = page.get_by_role("combobox", name=label).first
        box.click()
        box.fill(option)
        page.get_by_role("option", name=option).first.wait_for()

    return Change(name, ready, lambda page: page.get_by_role("option", name=option).first.click())


def press(name: str, text: str) -> Change:
    """Press a segment or a button."""

    def target(page: Page) -> None:
        page.get_by_test_id("stMain").get_by_text(text, exact=True).first.click()

    return Change(name, lambda page: None, target)


def lasso(name: str, *, shift: float = 0.0) -> Change:
    """Draw a lasso around the middle of the first chart."""

    def corners(page: Page) -> list[tuple[float, float]]:
        place = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
        assert place is not None
        x, y, w, h = place["x"], place["y"], place["width"], place["height"]
        shape = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.32))
        return [(x + (a + shift) * w, y + b * h) for a, b in shape]

    def ready(page: Page) -> None:
        page.locator(".js-plotly-plot .nsewdrag").first.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        first, *others = corners(page)
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=4)

    return Change(name, ready, lambda page: page.mouse.up())


def scrub(name: str, share: float) -> Change:
    """Take the slider under a chart to another step."""

    def ready(page: Page) -> None:
        rail = page.locator(".js-plotly-plot .slider-rail-touch-rect").first
        rail.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        place = rail.bounding_box()
        assert place is not None
        page.mouse.move(place["x"] + share * place["width"], place["y"] + place["height"] / 2)

    def act(page: Page) -> None:
        page.mouse.down()
        page.mouse.up()

    return Change(name, ready, act, local=True)


def slide(name: str, label: str, key: str) -> Change:
    """Take a slider of the app one step on, by a key."""

    def ready(page: Page) -> None:
        page.get_by_role("slider", name=label).focus(timeout=LONGEST)

    return Change(name, ready, lambda page: page.keyboard.press(key))


def generate(page: Page) -> None:
    """Make a thousand cells, and wait until they are judged."""
    page.get_by_role("button", name="Generate", exact=True).first.click()
    page.get_by_role("heading", name="1,000 generated cells").wait_for(timeout=LONGEST)
    page.get_by_role("heading", name="Look closer").wait_for(timeout=LONGEST)


NUMBER, GENE = "Counts per cell (selected genes)", "S100A9"
VISITS = (
    Visit("home", "latent"),
    Visit(
        "data",
        "latent",
        (
            choose("colour by a number", "Colour by", NUMBER),
            choose("colour by another label", "Colour by", "Split"),
            choose("colour by a gene", "or by genes", GENE),
            lasso("lasso"),
            lasso("another lasso", shift=0.1),
            press("another view", "Quality"),
        ),
    ),
    Visit("tokenize", "latent"),
    Visit("train", "latent"),
    Visit("models", "latent"),
    Visit("compare", "latent"),
    Visit(
        "tokens",
        "latent",
        (
            press("another view: one token", "One token"),
            lasso("lasso"),
            choose("another token", "Token", "z1"),
            press("another view: cells", "Cells by tokens"),
            choose("colour by a number", "Colour by", NUMBER),
            choose("colour by a gene", "or by a gene", GENE),
            press("another view: steer", "Steer"),
            slide("steer a token", "Shift of the token", "ArrowRight"),
            slide("and further", "Shift of the token", "ArrowRight"),
        ),
    ),
    Visit(
        "pathways",
        "pathway",
        (
            choose("another pathway", "Pathway", "Hypoxia"),
            press("another view: two groups", "Two groups"),
            lasso("lasso"),
            press("another view: names", "Token-pathway agreement"),
        ),
    ),
    Visit(
        "regulation",
        "grn",
        (
            choose("a target", "Target (or leave open)", "IL1B"),
            choose("a regulator as well", "Regulator (or leave open)", "JUN"),
            choose("another cell type", "Group", "cell_type: CD14 Mono"),
            press("another view: key regulators", "Key regulators"),
            press("another view: two cell types", "Two cell types"),
            choose("two types compared", "Group", "cell_type: NK"),
        ),
        path="&shuffled=19&looked=64",  # less of what is done before the clock runs; the tables are as long
    ),
    Visit(
        "perturb",
        SCREEN,
        (
            choose("another gene", "Gene", "SPI1"),
            choose("another cell type", "In which cells", "cell_type: CD14 Mono"),
        ),
        path="&gene=JUN",
    ),
    Visit(
        "generate",
        "latent",
        (
            press("colour by source", "Source"),
            press("panels on top", "On top"),
            press("colour by label", "Cell type"),
            lasso("lasso"),
            press("colour by a gene: the choice", "One gene"),
            choose("colour by a gene", "Gene", GENE),
            press("another view: out of noise", "Out of noise"),
            scrub("another step out of noise", 0.4),
            scrub("and another", 0.6),
        ),
        prepare=generate,
    ),
)
