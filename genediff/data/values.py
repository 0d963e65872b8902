"""Where in a file the counts are, and how one can tell; or what it holds instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.data.survey import Values

if TYPE_CHECKING:
    from genediff.data.io import CellFile
    from genediff.data.matrix import Matrix

ValueKind = Literal["counts", "lognorm", "normalised", "scaled"]
_COUNT_LAYERS = ("counts", "raw_counts", "count", "raw", "umi", "umis", "umi_counts")
_SAMPLED_TILES = 8
_MOST_LOGGED = 30.0
"""log1p of more than 1e13: nothing that was logged is larger."""


@dataclass(frozen=True)
class Found:
    """``where`` is the matrix to import, ``counts`` the same if it holds counts (else None), ``why`` in words.

    ``trouble`` is a sentence when the file cannot be imported at all; ``checked_all`` says whether every value was
    looked at or a sample; ``density`` is the share of values that are not zero.
    """

    where: str
    counts: str | None
    kind: ValueKind
    why: str
    trouble: str | None
    warnings: tuple[str, ...]
    checked_all: bool
    density: float = 0.0


def find_values(cells: CellFile) -> Found:
    """Look for counts in X, the layers and raw.X, in the order in which they are likeliest to be right."""
    places = sorted(cells.matrices, key=_rank)
    seen: dict[str, Values] = {}
    density: dict[str, float] = {}
    for where in places:
        seen[where], density[where] = _sample(cells.matrices[where])
        if seen[where].counts and seen[where].highest > 0:
            return replace(_counts(cells, where, seen), density=density[where])
    found = _no_counts(cells, places, seen)
    return replace(found, density=density[found.where])


def _rank(where: str) -> tuple[int, str]:
    layer = where.removeprefix("layers/").lower()
    if where.startswith("layers/") and layer in _COUNT_LAYERS:
        return 0, f"{_COUNT_LAYERS.index(layer):02d}"
    return {"X": 1, "raw.X": 2}.get(where, 3), where


def _sample(matrix: Matrix) -> tuple[Values, float]:
    values, area = Values(), 0
    for tile in matrix.sample(_SAMPLED_TILES):
        values.add(tile.values.data)
        area += tile.values.shape[0] * tile.values.shape[1]
    return values, values.n / max(1, area)


def _counts(cells: CellFile, where: str, seen: dict[str, Values]) -> Found:
    values, matrix = seen[where], cells.matrices[where]
    why = f"{where} holds whole numbers from 0 to {values.highest:,.0f}"
    if not matrix.integer:
        why += ", stored as decimals"
    others = [place for place in seen if place != where and seen[place].n]
    if others:
        why += f"; {_list(others)} {'does' if len(others) == 1 else 'do'} not"
    warnings = tuple(f"{place} was passed over: {_spoiled(place, seen[place])}." for place in others
                     if _spoiled(place, seen[place]))  # fmt: skip
    if values.highest == 1:
        warnings += (f"{where} holds only 0 and 1, so it may have been made binary; counts are wanted.",)
    return Found(where, where, "counts", why + ".", None, warnings, matrix.n_tiles <= _SAMPLED_TILES)


def _no_counts(cells: CellFile, places: list[str], seen: dict[str, Values]) -> Found:
    complete = all(cells.matrices[place].n_tiles <= _SAMPLED_TILES for place in places)
    name = cells.path.name
    if all(values.n == 0 for values in seen.values()):
        trouble = f"{name} holds nothing but zeros in {_list(places)}, so there is nothing to learn from it."
        return Found(places[0], None, "counts", "All values are zero.", trouble, (), complete)
    spoiled = next((place for place in places if _spoiled(place, seen[place])), None)
    if spoiled is not None:
        trouble = f"{name} cannot be imported: {spoiled} {_spoiled(spoiled, seen[spoiled])}; mend it and try again."
        return Found(spoiled, None, "counts", "The counts are spoiled.", trouble, (), complete)
    usable = [place for place in ("X", "raw.X", *places) if place in seen and seen[place].n and not seen[place].n_nan]
    where = next((place for place in usable if seen[place].lowest >= 0), usable[0])
    kind, how = _kind(cells.matrices[where], seen[where])
    why = f"No counts anywhere: {_list(places)} {'holds' if len(places) == 1 else 'hold'} fractions. {where} {how}."
    return Found(where, None, kind, why, None, (), complete)


def _spoiled(where: str, values: Values) -> str:
    """Say what spoils a matrix that ought to be used, or nothing."""
    if values.n_nan:
        return f"has {values.n_nan:,} values that are not numbers (NaN or infinite)"
    named = where.removeprefix("layers/").lower() in _COUNT_LAYERS
    if values.lowest < 0 and (values.whole or named):
        return f"has negative values (the lowest is {values.lowest:g}), so these are no counts"
    return ""


def _kind(matrix: Matrix, values: Values) -> tuple[ValueKind, str]:
    if values.lowest < 0:
        return "scaled", f"has negative values (down to {values.lowest:.3g}), so it was centred or scaled per gene"
    if values.highest > _MOST_LOGGED:
        return "normalised", f"goes up to {values.highest:,.0f}, so it was normalised but not logged; log1p is taken"
    total = _undone_total(matrix)
    how = f"goes from 0 to {values.highest:.3g}, so it was log-normalised"
    return "lognorm", how + (f" (undoing the log, cells add up to {total:,.0f})" if total else "")


def _undone_total(matrix: Matrix) -> float | None:
    if matrix.layout == "csc":
        return None
    tile = next(iter(matrix.sample(1)))
    totals = np.asarray(tile.values.expm1().sum(axis=1)).ravel()
    totals = totals[totals > 0]
    steady = len(totals) > 1 and totals.std() < 0.02 * totals.mean()
    return float(totals.mean()) if steady else None


def _list(places: list[str]) -> str:
    return places[0] if len(places) == 1 else ", ".join(places[:-1]) + " and " + places[-1]
