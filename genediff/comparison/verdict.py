"""What a row claims, and whether its figures bear that out, in one or two plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from genediff.comparison.figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.comparison.gain import Gain
    from genediff.comparison.store import StoredRow

Level = Literal["kept", "partly", "broken", "open"]


@dataclass(frozen=True)
class Verdict:
    """``level``: every claim kept, some, none, or still open (no results, one seed, nothing to compare with)."""

    level: Level
    sentence: str


def judge(
    row: StoredRow,
    gains: Mapping[str, Gain],
    over_control: Mapping[str, Gain],
    *,
    done: bool,
    flat: StoredRow | None,
    is_flat: bool,
    has_control: bool,
) -> Verdict:
    """Return what can be said of a row.

    Parameters
    ----------
    row
        What it is and what it claims.
    gains, over_control
        Over the flat vector, and over its own shuffled control.
    done
        Whether any of its models is finished.
    flat
        The row of the flat vector, None where there is none.
    is_flat
        Whether this is that strategy itself.
    has_control
        Whether a shuffled control is in the comparison.
    """
    if not done:
        return Verdict("open", "No model is finished yet.")
    if is_flat:
        return Verdict("open", "The baseline: what a cut into tokens has to beat.")
    if row.entry.shuffled:
        return Verdict("open", f"The control: same sizes, no biology. {_summary(gains)}".strip())
    if flat is None:
        return Verdict("open", "There is no MLP row to compare with; add one.")
    if not gains:
        return Verdict("open", "The MLP has no results yet.")
    sentence, level = _claims(row, gains)
    if row.space != flat.space:
        sentence += f" (The MLP ran in {flat.space} space.)"
    if has_control:
        sentence += f" {_control(row, over_control)}"
    return Verdict(level, f"{sentence} {_summary(gains)}".strip())


def _claims(row: StoredRow, gains: Mapping[str, Gain]) -> tuple[str, Level]:
    claims = [name for name in row.claims if name in FIGURES]
    known = [name for name in claims if name in gains and gains[name].finding != "unknown"]
    if not claims:
        return "It claims no figure.", "open"
    if not known:
        said = " and ".join(_title(name) for name in claims)
        return f"It claims {said}; one seed cannot tell whether that is more than chance.", "open"
    kept = [name for name in known if gains[name].finding == "better"]
    lost = [name for name in known if name not in kept]
    if not kept:
        return f"It does not beat the MLP in what it claims: {_listed(lost, gains)}.", "broken"
    sentence = f"Better than the MLP in what it claims: {_listed(kept, gains)}"
    return (f"{sentence}; not in {_listed(lost, gains)}.", "partly") if lost else (f"{sentence}.", "kept")


def _control(row: StoredRow, over: Mapping[str, Gain]) -> str:
    known = [name for name in row.claims if name in over and over[name].finding != "unknown"]
    if not row.claims:
        return ""
    if not known:
        return "Its shuffled control cannot be compared yet."
    better = [name for name in known if over[name].finding == "better"]
    if better:
        return f"Its biology counts: better than its shuffled control in {_listed(better, over)}."
    return "It does not beat its shuffled control there, so what it gains is not owed to the biology."


def _summary(gains: Mapping[str, Gain]) -> str:
    """Count the figures of generated cells; costs are not a matter of better."""
    found = [own.finding for name, own in gains.items() if FIGURES[name].group == "cells" and own.finding != "unknown"]
    if not found:
        return ""
    return (
        f"Of {len(found)} figures of its cells {found.count('better')} are better than the MLP's, "
        f"{found.count('worse')} worse, {found.count('same')} within the seeds' spread."
    )


def _listed(names: Sequence[str], gains: Mapping[str, Gain]) -> str:
    return ", ".join(f"{_title(name)}{_percent(gains[name])}" for name in names)


def _percent(own: Gain) -> str:
    return "" if own.percent is None else f" ({own.percent:+.0f}%)"


def _title(name: str) -> str:
    return FIGURES[name].title
