"""Are generated cells new, or copies of training cells?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

COPIED_RATIO = 0.5
NEAR_RATIO = 0.9
COPIED_SHARE = 0.10
NEAR_SHARE = 0.05
COPIED_STATES, NEAR_STATES = 0.5, 0.25
CERTAIN = 3.0
"""Standard errors by which a share of copied states must exceed 0."""

Level = Literal["none", "suspected", "copied"]


@dataclass(frozen=True)
class StateCopies:
    """How many generated cells carry the state of a training cell.

    Parameters
    ----------
    share
        Estimated share: 0 like new cells, 1 where all are copies. Noise may bring it below 0 or above 1.
    error
        Its standard error.
    is_lower_bound
        Whether some copies, or even all, may go unseen.
    """

    share: float
    error: float
    is_lower_bound: bool = False

    @property
    def excess(self) -> float:
        """The share, where it is above 0 beyond chance; else 0."""
        return self.share if self.share > self.least else 0.0

    @property
    def least(self) -> float:
        """The smallest share that is detected; at 1 or more copies cannot be distinguished from new cells."""
        return CERTAIN * self.error

    @property
    def missed(self) -> str:
        """What may be there though nothing was detected, in words."""
        detected = (CERTAIN + 0.84) * self.error
        if self.is_lower_bound or detected > 1:
            return "but this test can miss many of them"
        return f"a share of {detected:.0%} would be detected in 8 of 10 cases"

    @property
    def can_tell(self) -> bool:
        """Whether copies would show: not where fewer than all would be missed, or cells lie off the real ones."""
        return self.least < 1 and (self.is_lower_bound or self.share > -CERTAIN * self.error)


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
        that could not be tested.
    """

    level: Level
    ratio: float
    share: float
    sentence: str
    state_share: float | None = None
    state_error: float | None = None


def alarm(ratio: float, share: float, *, n: int, states: Sequence[StateCopies] = ()) -> Memorisation:
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
        From `state_copies` and `near_training`: the largest that is beyond chance counts, else the most sensitive.
    """
    # The 1% limit is itself estimated from n held-out cells, hence twice the binomial variance.
    noise = 0.01 + 3 * (2 * 0.01 * 0.99 / n) ** 0.5
    able = [one for one in states if one.can_tell]
    state = max(able, key=lambda one: (one.excess, not one.is_lower_bound, -one.error), default=None)
    near = 0.0 if state is None else state.excess
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
    copies = "Copies of the states of training cells with counts drawn anew"
    if state is None:
        return Memorisation(level, ratio, share, f"{sentence} {copies} could not be distinguished from new cells here.")
    found = (
        f"{copies}: an estimated {min(near, 1.0):.0%} ± {state.error:.0%} of them."
        if near
        else f"{copies} were not detected; {state.missed}."
    )
    return Memorisation(level, ratio, share, f"{sentence} {found}", state.share, state.error)
