"""The verdict on a transfer in words, with the thresholds it goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from genediff.inspection.transfer.transfer_report import Row

# Shares of the correlation, and of the tokens that meant their name, that are left.
LITTLE_LOST, MOST_LOST = 0.9, 0.5
MOST_NAMED = 6

OPENING = {
    "little": "Little was lost.",
    "part": "A part was lost.",
    "most": "Most was lost.",
}


def level(rows: Mapping[str, Row], tokens: pd.DataFrame | None) -> str:
    """Return how much was lost: "little", "part" or "most".

    "most": the model describes the other cells no better than their average does, even with each gene's level set right
    (the interval of what it saves reaches zero), or less than half of the correlation or of the names is left.
    "little": it does so without that, and at least 90% of both are left.
    The yardstick of the correlation is a model trained on these cells where there is one, else the model on its own.
    """
    kept = shares_kept(rows, tokens)
    gain, with_levels = rows["new"].gain, rows["new_levels"].gain
    assert gain is not None and with_levels is not None
    if max(gain.low, with_levels.low) <= 0 or any(share < MOST_LOST for share in kept):
        return "most"
    return "little" if gain.low > 0 and all(share >= LITTLE_LOST for share in kept) else "part"


def shares_kept(rows: Mapping[str, Row], tokens: pd.DataFrame | None) -> list[float]:
    """Return which share of the correlation is left, and of the tokens that meant their name and did not lose it."""
    yardstick = rows.get("native") or rows.get("own")
    found = []
    if yardstick is not None and yardstick.correlation.value > 0:
        found.append(rows["new"].correlation.value / yardstick.correlation.value)
    if tokens is not None and (had := int((tokens["own_verdict"] == "agrees").sum())):
        found.append(1 - int((tokens["outcome"] == "lost").sum()) / had)
    return found


def sentence(
    rows: Mapping[str, Row], tokens: pd.DataFrame | None, *, n_shared: int, n_genes: int, depth: tuple[float, float]
) -> str:
    """Return the whole verdict."""
    said = [OPENING[level(rows, tokens)]]
    said.append(f"The model reads {n_shared:,} of its {n_genes:,} genes in these cells.")
    said += _correlation(rows, depth)
    said.append(_against_averages(rows))
    if tokens is not None:
        said.append(_names(tokens))
    return " ".join(said)


def _correlation(rows: Mapping[str, Row], depth: tuple[float, float]) -> list[str]:
    new, own, hidden, native = (rows.get(key) for key in ("new", "own", "own_hidden", "native"))
    assert new is not None
    said = f"What it expects of held-out cells follows what was measured by r = {new.correlation.text(3)}"
    if own is None:
        out = [f"{said}; its own cells are not in this workspace, so there is nothing to compare that with."]
    else:
        out = [f"{said}, against {own.correlation.text(3)} on its own cells."]
        if hidden is not None:
            genes = hidden.correlation.value - own.correlation.value
            cells = new.correlation.value - hidden.correlation.value
            out.append(
                f"Taking the missing genes from it on its own cells changes r by {genes:+.3f}; the other cells, by "
                f"{cells:+.3f}."
            )
    if native is not None:
        share = new.correlation.value / max(native.correlation.value, 1e-9)
        out.append(f"A model trained on these cells reaches {native.correlation.text(3)}: {share:.0%} of that is here.")
    elif own is not None and depth[0] == depth[0]:
        out.append(
            f"Its own cells have {depth[0]:,.0f} counts in these genes and the others {depth[1]:,.0f} (medians); where "
            "fewer are counted, noise alone lowers r, so a model trained on these cells is the fair yardstick."
        )
    return out


def _against_averages(rows: Mapping[str, Row]) -> str:
    gain, with_levels = rows["new"].gain, rows["new_levels"].gain
    assert gain is not None and with_levels is not None
    size = f"{abs(gain.value):.4f} nats per gene"
    if gain.low > 0:
        return f"It describes a cell better than the average of these cells does, by {size}."
    worse = f"worse, by {size}, than" if gain.high < 0 else "no better than"
    said = f"It describes a cell {worse} the average of these cells does"
    if with_levels.low > 0:
        return (
            f"{said}: levels of genes differ between the two. With each gene's level set by these cells it saves "
            f"{with_levels.value:.4f}: it still distinguishes cells, but its levels are not to be trusted."
        )
    return f"{said}, and setting each gene's level by these cells does not help: it does not distinguish them."


def _names(tokens: pd.DataFrame) -> str:
    count = tokens["outcome"].value_counts()
    keys = ("kept", "lost", "gained", "unsure", "never", "unknown", "not here", "not asked")
    kept, lost, gained, unsure, never, unknown, not_here, not_asked = (int(count.get(key, 0)) for key in keys)
    if unknown + not_here:
        said = f"{unknown:,} of {unknown + not_here:,} named tokens agree with their gene set here."
    else:
        said = (
            f"{kept:,} of {kept + lost + gained + unsure + never:,} named tokens agree with their gene set on both, "
            f"{lost:,} only on the model's cells, {gained:,} only here, {never:,} on neither; of {unsure:,} one side "
            "agrees by a difference that may be chance."
        )
    if lost:
        names = tokens.loc[tokens["outcome"] == "lost", "token"].tolist()
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        said += f" No longer in agreement with their names: {', '.join(names[:MOST_NAMED])}{more}."
    if not_asked:
        said += f" {not_asked:,} could not be tested: too few genes of their sets were measured."
    return said
