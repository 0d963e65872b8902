"""Are generated cells new, or copies of training cells?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from genediff.evaluation.state_copies import StateCopies

COPIED_RATIO = 0.5
NEAR_RATIO = 0.9
COPIED_SHARE = 0.10
NEAR_SHARE = 0.05
COPIED_STATES, NEAR_STATES = 0.5, 0.25
CERTAIN = 3.0
"""Standard errors by which a share of copied states must exceed 0."""

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
    state_share, state_error
        Estimated share of cells with the state of a training cell and new counts, and its standard error; None where
        that was not tested.
    """

    level: Level
    ratio: float
    share: float
    sentence: str
    state_share: float | None = None
    state_error: float | None = None


def alarm(ratio: float, share: float, *, n: int, states: StateCopies | None = None) -> Memorisation:
    """Turn the figures into an alarm.

    Copied: the nearest-train ratio is below 0.5, or more than 10% of cells are suspiciously near a training cell, or
    half of them carry a training cell's state. Suspected: below 0.9, more than 5%, or a quarter. With few cells the
    shares must also exceed what is expected of new cells (1%; none) by three standard errors.

    Parameters
    ----------
    ratio
        Nearest-train ratio.
    share
        Share of cells suspiciously near a training cell.
    n
        Cells judged.
    states
        From `state_copies`.
    """
    # The 1% limit is itself estimated from n held-out cells, hence twice the binomial variance.
    noise = 0.01 + 3 * (2 * 0.01 * 0.99 / n) ** 0.5
    near = 0.0 if states is None or states.share < CERTAIN * states.error else states.share
    if ratio < COPIED_RATIO or share > max(COPIED_SHARE, noise) or near > COPIED_STATES:
        level: Level = "copied"
        what = "Generated cells include copies of training cells"
    elif ratio < NEAR_RATIO or share > max(NEAR_SHARE, noise) or near > NEAR_STATES:
        level = "suspected"
        what = "Generated cells lie closer to training cells than new real cells do, so some may be memorised"
    else:
        level = "none"
        what = "No sign of memorised training cells"
    sentence = (
        f"{what}: their distance to the nearest training cell is {ratio:.2f} times that of held-out cells (1 is "
        f"expected), and {share:.1%} of them are closer than 99% of held-out cells (1% is expected)."
    )
    if states is None:
        return Memorisation(level, ratio, share, sentence)
    sentence += (
        f" An estimated {max(states.share, 0.0):.0%} ± {states.error:.0%} of them carry the state (tokens) of a "
        "training cell with counts drawn anew."
    )
    return Memorisation(level, ratio, share, sentence, states.share, states.error)
