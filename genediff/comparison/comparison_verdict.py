"""What a row claims, and whether its figures bear that out, in one or two plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from genediff.comparison.table_metrics import FIGURES, GROUPS
from genediff.models.config import SPACE_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.comparison.comparison_store import StoredRow
    from genediff.comparison.gain_over_baseline import Gain

Level = Literal["kept", "partly", "broken", "open"]


@dataclass(frozen=True)
class Verdict:
    """``level``: every claim kept, some, none, or still open (no results, too few seeds, nothing to compare with)."""

    level: Level
    sentence: str


def judge(
    row: StoredRow,
    gains: Mapping[str, Gain],
    claimed: Mapping[str, Gain],
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
    gains
        Over the flat vector, in all figures.
    claimed, over_control
        Over the flat vector and over its own shuffled control in what it claims, corrected over all claims.
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
        return Verdict("open", "The baseline: no tokens.")
    if row.entry.shuffled:
        return Verdict("open", f"Shuffled control: same sizes and degrees, no biology. {_summary(gains)}".strip())
    if flat is None:
        return Verdict("open", "There is no MLP row to compare with; add one.")
    if not gains:
        return Verdict("open", "The MLP has no results yet.")
    sentence, level = _claims(row, claimed)
    if row.space != flat.space:
        sentence += f" (The MLP ran in {SPACE_NAMES[flat.space]}.)"
    if has_control and row.claims:
        sentence += f" {_control(over_control)}"
    return Verdict(level, f"{sentence} {_summary(gains)}".strip())


def _claims(row: StoredRow, claimed: Mapping[str, Gain]) -> tuple[str, Level]:
    claims = [name for name in row.claims if name in FIGURES]
    known = _with(claimed, "better", "worse", "same")
    if not claims:
        return "It is meant to improve no figure in particular.", "open"
    if not known:
        return f"Meant to improve {_titles(claims)}; with fewer than three seeds that cannot be tested.", "open"
    better, worse, same = _with(claimed, "better"), _with(claimed, "worse"), _with(claimed, "same")
    parts = [f"better than the MLP in {_listed(better, claimed)}"] if better else []
    parts += [f"worse {'' if better else 'than the MLP '}in {_listed(worse, claimed)}"] * bool(worse)
    parts += [f"no difference detected in {_undetected(same, claimed)}"] * bool(same)
    level: Level = "broken" if not better else "partly" if worse or same else "kept"
    return f"In what it is meant to improve: {'; '.join(parts)}.", level


def _control(over: Mapping[str, Gain]) -> str:
    better, worse, same = _with(over, "better"), _with(over, "worse"), _with(over, "same")
    if not (better or worse or same):
        return "Its shuffled control cannot be compared yet."
    if better:
        return f"The biological prior helps: better than its shuffled control in {_listed(better, over)}."
    if worse:
        return f"Worse than its shuffled control in {_listed(worse, over)}."
    return f"No advantage over its shuffled control was detected: {_undetected(same, over)}."


def _summary(gains: Mapping[str, Gain]) -> str:
    """Count the figures of generated cells; costs are not a matter of better."""
    found = [gains[name].finding for name in GROUPS["cells"] if name in gains and gains[name].finding != "unknown"]
    if not found:
        return ""
    return (
        f"Of {len(found)} figures of its cells {found.count('better')} are better than the MLP's, "
        f"{found.count('worse')} worse; in {found.count('same')} no difference was detected."
    )


def _with(gains: Mapping[str, Gain], *findings: str) -> list[str]:
    return [name for name, own in gains.items() if own.finding in findings]


def _titles(names: Sequence[str]) -> str:
    titles = [FIGURES[name].title for name in names]
    return " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))


def _listed(names: Sequence[str], gains: Mapping[str, Gain]) -> str:
    return ", ".join(f"{FIGURES[name].title} ({difference(name, gains[name])})" for name in names)


def _undetected(names: Sequence[str], gains: Mapping[str, Gain]) -> str:
    """Name figures with the difference that these seeds would have found in four cases of five."""
    least = {name: f"{gains[name].detectable or 0.0:.{FIGURES[name].digits}f}" for name in names}
    return ", ".join(f"{FIGURES[name].title} (detectable: {least[name]})" for name in names)


def difference(name: str, own: Gain) -> str:
    """Write a gain as "+20%", or in the figure's own unit where per cent mean nothing: "+0.02"."""
    return f"{own.difference:+.{FIGURES[name].digits}f}" if own.percent is None else f"{own.percent:+.0f}%"
