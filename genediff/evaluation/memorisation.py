"""Are generated cells new, or copies of training cells?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

COPIED_RATIO = 0.5
NEAR_RATIO = 0.9
COPIED_SHARE = 0.10
NEAR_SHARE = 0.05

Level = Literal["none", "suspected", "copied"]


@dataclass(frozen=True)
class Memorisation:
    """The memorisation alarm.

    Parameters
    ----------
    level
        "none", "suspected" or "copied".
    ratio
        Nearest-train ratio, 1 = like held-out cells.
    share
        Share of cells nearer to a training cell than 99% of held-out cells.
    sentence
        What that means.
    """

    level: Level
    ratio: float
    share: float
    sentence: str


def alarm(ratio: float, share: float, *, n: int) -> Memorisation:
    """Turn the two figures into an alarm.

    Copied: the nearest-train ratio is below 0.5, or more than 10% of cells are suspiciously near a training cell.
    Suspected: below 0.9, or more than 5%. With few cells the share must also exceed its expectation of 1% by three
    standard errors.

    Parameters
    ----------
    ratio
        Nearest-train ratio.
    share
        Share of cells suspiciously near a training cell.
    n
        Cells judged.
    """
    # The 1% limit is itself estimated from n held-out cells, hence twice the binomial variance.
    noise = 0.01 + 3 * (2 * 0.01 * 0.99 / n) ** 0.5
    if ratio < COPIED_RATIO or share > max(COPIED_SHARE, noise):
        level: Level = "copied"
        what = "Some generated cells look like copies of training cells"
    elif ratio < NEAR_RATIO or share > max(NEAR_SHARE, noise):
        level = "suspected"
        what = "Generated cells lie closer to training cells than new real cells do, so some may be memorised"
    else:
        level = "none"
        what = "No sign of copied training cells"
    sentence = (
        f"{what}: their distance to the nearest training cell is {ratio:.2f} times that of held-out cells (1 is "
        f"expected), and {share:.1%} of them are closer than 99% of held-out cells (1% is expected)."
    )
    return Memorisation(level, ratio, share, sentence)
