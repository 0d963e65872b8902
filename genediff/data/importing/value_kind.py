"""Where in a file the counts are, and how one can tell; or what it holds instead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from genediff.data.matrices.matrix_stats import Values
from genediff.data.matrices.sparse_matrix import RoundedMatrix

if TYPE_CHECKING:
    from genediff.data.importing.read_file import CellFile
    from genediff.data.matrices.sparse_matrix import Matrix

ValueKind = Literal["counts", "lognorm", "normalised", "scaled"]
_COUNT_LAYERS = ("counts", "raw_counts", "count", "raw", "umi", "umis", "umi_counts")
_PARTS_OF_COUNTS = ("unspliced", "ambiguous", "nascent", "intronic", "spanning", "antisense")
"""Layers of velocity tools that hold only some of the molecules of a cell."""
_SAMPLED_TILES = 8
_MOST_COUNTS = 2.0**32
"""More molecules of a gene than any cell has; damaged files and sentinels have them."""
_EXACT = 2.0**24
_SAMPLED_CELLS = 500
_MOST_MULTIPLE = 40
_NEAR_WHOLE = 0.2
"""Mean distance to the next whole number below which decimals are corrected counts; it is 0.25 for any other."""
_MOST_LOGGED = 30.0
"""log1p of more than 1e13: nothing that was logged is larger."""


@dataclass(frozen=True)
class Found:
    """``where`` is the matrix to import, ``counts`` the same if it holds counts (else None), ``why`` in words.

    ``trouble`` is a sentence when the file cannot be imported at all; ``checked_all`` says whether every value was
    looked at or a sample; ``density`` is the share of values that are not zero. ``rounding`` says what it costs to
    round them where they are corrected counts with decimals (SoupX, CellBender), else None.
    """

    where: str
    counts: str | None
    kind: ValueKind
    why: str
    trouble: str | None
    warnings: tuple[str, ...]
    checked_all: bool
    density: float = 0.0
    rounding: str | None = None


def find_values(cells: CellFile, *, round_counts: bool = False) -> Found:
    """Look for counts in X, the layers and raw.X, in the order in which they are likeliest to be right.

    With ``round_counts`` corrected counts with decimals are rounded, in ``cells`` too, and are counts from then on.
    """
    found = _find(cells)
    if not round_counts or found.rounding is None:
        return found
    cells.matrices[found.where] = RoundedMatrix(cells.matrices[found.where])
    cells.notes.append(f"Corrected counts in {found.where} were rounded: {found.rounding}.")
    return _find(cells)


def _find(cells: CellFile) -> Found:
    places = sorted(cells.matrices, key=_rank)
    seen: dict[str, Values] = {}
    density: dict[str, float] = {}
    for where in places:
        seen[where], density[where] = _sample(cells.matrices[where])
        if seen[where].counts and seen[where].highest > 0 and not spoiled(where, seen[where]):
            return replace(_counts(cells, where, seen), density=density[where])
    found = _no_counts(cells, places, seen)
    return replace(found, density=density[found.where])


def _rank(where: str) -> tuple[int, str]:
    layer = where.removeprefix("layers/").lower()
    if where.startswith("layers/") and layer in _COUNT_LAYERS:
        return 0, f"{_COUNT_LAYERS.index(layer):02d}"
    if layer in _PARTS_OF_COUNTS:
        return 5, layer
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
    warnings = tuple(f"{place} was passed over: {spoiled(place, seen[place])}." for place in others
                     if spoiled(place, seen[place]))  # fmt: skip
    if values.highest == 1:
        warnings += (f"{where} holds only 0 and 1, so it may have been made binary; counts are wanted.",)
    if where.lower() == "layers/spliced":
        warnings += ("layers/spliced is imported: the spliced molecules alone, without the unspliced ones.",)
    if values.highest > _EXACT:
        warnings += (f"Counts above {_EXACT:,.0f} are kept to 7 digits.",)
    return Found(where, where, "counts", why + ".", None, warnings, matrix.n_tiles <= _SAMPLED_TILES)


def _no_counts(cells: CellFile, places: list[str], seen: dict[str, Values]) -> Found:
    complete = all(cells.matrices[place].n_tiles <= _SAMPLED_TILES for place in places)
    name = cells.path.name
    if all(values.n == 0 for values in seen.values()):
        trouble = f"{name} holds nothing but zeros in {_list(places)}, so there is nothing to learn from it."
        return Found(places[0], None, "counts", "All values are zero.", trouble, (), complete)
    bad = next((place for place in places if spoiled(place, seen[place])), None)
    if bad is not None:
        trouble = f"{name} cannot be imported: {bad} {spoiled(bad, seen[bad])}; mend it and try again."
        return Found(bad, None, "counts", "The counts are spoiled.", trouble, (), complete)
    usable = [place for place in ("X", "raw.X", *places) if place in seen and seen[place].n and not seen[place].n_nan]
    where = next((place for place in usable if seen[place].lowest >= 0), usable[0])
    kind, how, rounding = _kind(cells.matrices[where], seen[where])
    why = f"No counts anywhere: {_list(places)} {'holds' if len(places) == 1 else 'hold'} fractions. {where} {how}."
    return Found(where, None, kind, why, None, (), complete, rounding=rounding)


def spoiled(where: str, values: Values) -> str:
    """Say what spoils a matrix that ought to be used, or nothing."""
    if values.n_nan:
        return f"has {values.n_nan:,} values that are not numbers (NaN or infinite)"
    named = where.removeprefix("layers/").lower() in _COUNT_LAYERS
    if values.lowest < 0 and (values.whole or named):
        return f"has negative values (the lowest is {values.lowest:g}), so these are no counts"
    if values.highest >= _MOST_COUNTS:
        return f"has values up to {values.highest:.3g}, more molecules than a cell has"
    return ""


def _kind(matrix: Matrix, values: Values) -> tuple[ValueKind, str, str | None]:
    """Say what fractions are, how one can tell, and what rounding would cost where they are corrected counts.

    Counts that were divided by something per cell are multiples of the smallest value of their cell, before the
    logarithm as after undoing it. Corrected counts are not, and stay close to whole numbers.
    """
    if values.lowest < 0:
        return (
            "scaled",
            f"has negative values (down to {values.lowest:.3g}), so it was centred or scaled per gene",
            None,
        )
    rows = next(iter(matrix.sample(1))).values.tocsr()[:_SAMPLED_CELLS]
    logged = values.highest <= _MOST_LOGGED and (total := _steady_total(rows.expm1())) is not None
    if logged or (values.highest <= _MOST_LOGGED and _multiples(rows.expm1())[0]):
        how = f"goes from 0 to {values.highest:.3g}, so it was log-normalised"
        return "lognorm", how + (f" (undoing the log, cells add up to {total:,.0f})" if logged else ""), None
    multiples, same = _multiples(rows)
    near = float(np.abs(rows.data - np.rint(rows.data)).mean()) < _NEAR_WHOLE if rows.nnz else False
    if same or (near and not multiples and _steady_total(rows) is None):
        return "normalised", "holds counts with decimals, as corrections for ambient RNA make them", _cost(rows.data)
    if values.highest > _MOST_LOGGED:
        how = f"goes up to {values.highest:,.0f}, so it was normalised but not logged; log1p is taken"
        return "normalised", how, None
    return "lognorm", f"goes from 0 to {values.highest:.3g}, so it was log-normalised", None


def _steady_total(rows: Any) -> float | None:
    """Return what the values of a cell add up to where that is the same for all cells."""
    totals = np.asarray(rows.sum(axis=1)).ravel()
    totals = totals[totals > 0]
    steady = len(totals) > 1 and totals.std() < 0.02 * totals.mean()
    return float(totals.mean()) if steady else None


def _multiples(rows: Any) -> tuple[bool, bool]:
    """Say whether the values of a cell are multiples of its smallest one, and whether that one is all cells' own."""
    smallest, fits = [], []
    for low, high in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        values = rows.data[low:high].astype(np.float64)
        if len(values) < 5:
            continue
        times = values / values.min()
        times = times[times < _MOST_MULTIPLE]
        fits.append(bool((np.abs(times - np.rint(times)) < 0.02).mean() > 0.95) and times.max() > 1.5)
        smallest.append(values.min())
    if not fits or np.mean(fits) < 0.5:
        return False, False
    usual = np.median(smallest)
    return True, bool(np.mean(np.abs(np.array(smallest) / usual - 1) < 1e-3) > 0.9)


def _cost(data: np.ndarray) -> str:
    rounded = np.rint(data)
    lost, change = float((rounded == 0).mean()), float(rounded.sum() / data.sum() - 1)
    return f"{lost:.1%} of the values become 0 and all counts together change by {change:+.1%}"


def _list(places: list[str]) -> str:
    return places[0] if len(places) == 1 else ", ".join(places[:-1]) + " and " + places[-1]
