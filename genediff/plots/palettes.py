"""Colours that readers with colour-blindness can tell apart, on light and dark ground.

The first colours are those of Okabe & Ito (2008, "Color universal design"), the next are chosen between them after Paul
Tol's "muted" scheme. Black and pale yellow are left out: one vanishes on dark ground, the other on light. Beyond about
eight classes no palette is safe for every reader, so class names are written into every figure as well.
"""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORICAL = (
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # green
    "#CC79A7",  # pink
    "#E69F00",  # orange
    "#56B4E9",  # sky
    "#AA4466",  # wine
    "#8C9A2E",  # olive
    "#7B6FD0",  # violet
    "#44AA99",  # teal
    "#A6761D",  # brown
    "#B07AA1",  # mauve
)
GREY = "#98A2AD"  # "everything else": quiet on light and dark ground alike
REAL = "#8A94A0"
GENERATED = "#D55E00"
SOURCES = {"real": REAL, "generated": GENERATED}
_GREY_TO_BLUE = {  # lightness alone tells the order, away from the ground: safe for every kind of colour-blindness
    "light": ["#DCE1E6", "#A9C1D9", "#6C9BC9", "#2F6FB0", "#123E7C", "#081D45"],
    "dark": ["#3A434E", "#3F6285", "#5089B5", "#7FB3D0", "#BFDDE0", "#FFF6C8"],
}
SEQUENTIAL_NAMES = ("Grey to blue", "Cividis", "Viridis")  # Cividis: Nuñez et al. 2018
DIVERGING = "RdBu_r"
# Both are quiet in the middle, but never the ground itself: a cell at zero stays in sight.
_LIGHT_DIVERGING = ["#053061", "#2868AC", "#7FA6CB", "#D2D7DC", "#E09A78", "#BF4A30", "#67001F"]
_DARK_DIVERGING = ["#8CC8F0", "#4A94D0", "#2F5F8C", "#39424C", "#96502A", "#DE7A34", "#FFC08A"]
SELECTED, SELECTED_COLOUR = "selected cells", "#AA4466"  # as a group of their own; their outline on maps
NO_LABEL = "no label"


def sequential(name: str, *, dark: bool = False) -> str | list[str]:
    """Return a colour scale as Plotly takes it.

    Parameters
    ----------
    name
        One of ``SEQUENTIAL_NAMES``.
    dark
        Whether the ground is dark: the lowest value is then dark too, and never invisible.
    """
    if name not in SEQUENTIAL_NAMES:
        raise ValueError(f"unknown colour scale {name!r}; known: {', '.join(SEQUENTIAL_NAMES)}")
    return _GREY_TO_BLUE["dark" if dark else "light"] if name == "Grey to blue" else name


def diverging(*, dark: bool = False) -> list[str]:
    """Return a colour scale from blue over the ground to red, as Plotly takes it, for numbers around zero.

    Parameters
    ----------
    dark
        Whether the ground is dark: zero is then dark too, and not the brightest of all.
    """
    return _DARK_DIVERGING if dark else _LIGHT_DIVERGING


def categorical(n: int) -> list[str]:
    """Return n colours; beyond the twelve of the palette, lighter and darker shades of them.

    Parameters
    ----------
    n
        How many classes, 0 or more.
    """
    shades = []
    for i in range(n):
        colour = CATEGORICAL[i % len(CATEGORICAL)]
        rounds = i // len(CATEGORICAL)
        shades.append(colour if rounds == 0 else _shade(colour, rounds))
    return shades


def for_levels(levels: Sequence[str]) -> dict[str, str]:
    """Give each class its colour by its place among all levels of its column; cells without a label are grey.

    A colour belongs to a level of a data set: pass all levels of the column, not those that a plot shows, and look
    the shown ones up. By the shown ones, NK cells once wore the colour of megakaryocytes beside a plot that had both.

    Parameters
    ----------
    levels
        All levels of the column in the data set, in their order.
    """
    named = [level for level in levels if level != NO_LABEL]
    colours = dict(zip(named, categorical(len(named)), strict=True))
    if NO_LABEL in levels:
        colours[NO_LABEL] = GREY
    return colours


def _shade(colour: str, rounds: int) -> str:
    """Return the colour lighter on odd rounds, darker on even ones, further each time."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    step = 0.14 * ((rounds + 1) // 2)
    light = min(0.82, light + step) if rounds % 2 else max(0.22, light - step)
    return "#" + "".join(f"{round(255 * c):02X}" for c in colorsys.hls_to_rgb(hue, light, saturation))
