"""The bench that cells are judged on: real cells to match, floor and baselines to stand beside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import Cancelled
from genediff.data.cells.dataset import CellRows
from genediff.evaluation import cache as store
from genediff.evaluation import real_cells as source
from genediff.evaluation.baselines import make_baseline
from genediff.evaluation.matching import Target, match, n_draws
from genediff.evaluation.prepared_cells import Comparison, Reference
from genediff.evaluation.real_cells import Source
from genediff.evaluation.scoring import Scores, score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.evaluation.baseline import Baseline

OTHER_HALF = {"test": "validation", "validation": "test"}
NOT_ASKED = -2


@dataclass(frozen=True)
class Result:
    """One row at one seed."""

    scores: Scores
    sizes: dict[str, int]


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything but the generated cells."""

    dataset: Dataset
    real: Source
    label: str | None
    by_label: bool
    classes: dict[str, int]
    against: str
    seeds: tuple[int, ...]
    cache: Path | None
    cancelled: Callable[[], bool] | None

    @cached_property
    def reference(self) -> Reference:
        """What is known from training cells."""
        return source.reference(self.dataset)

    def keys(self, codes: np.ndarray) -> np.ndarray:
        """Return what cells are matched by: their label, or nothing; `NOT_ASKED` for others."""
        if not self.by_label:
            return np.zeros(len(codes), dtype=np.int64)
        return np.where(np.isin(codes, list(self.classes.values())), codes, NOT_ASKED)

    @cached_property
    def real_keys(self) -> np.ndarray:
        """What the real cells are matched by."""
        return self.keys(self.real.codes)

    def compare(self, cells: Source, target: Target, seed: int) -> Comparison:
        """Draw equally many cells on both sides."""
        part = (self.seeds.index(seed), len(self.seeds))
        generated, real = match(self.keys(cells.codes), self.real_keys, target, seed=seed, part=part)
        own, real_cells = cells.cells(generated, self.reference), self.real.cells(real, self.reference)
        return Comparison(own, real_cells, self.reference, seed)

    def result(self, cells: Source, target: Target, seed: int, *, by_class: bool = True) -> Result:
        """Score cells at one seed."""
        comparison = self.compare(cells, target, seed)
        classes = self.classes if self.by_label else {}
        scores, sizes = score(comparison, classes, by_class=by_class, cancelled=self.cancelled)
        return Result(scores, sizes)


def row_results(
    bench: Bench, row: str, cells: Source, target: Target, *, only: Sequence[int]
) -> Iterator[tuple[int, Result]]:
    """Score a row at each seed; the floor and the baselines are taken from the cache where they are there.

    Each draw of generated cells is scored label by label too; comparisons that share cells, floor and baselines at the
    first seed only, since other folds of the same few cells say little more.

    Parameters
    ----------
    bench
        Real cells, cache and the rest.
    row
        "model", "floor" or the name of a baseline.
    cells
        The generated cells, scored in row "model".
    target
        How many cells of each label.
    only
        Those of the seeds that are worked out here, where processes share them.
    """
    if row == "model":
        draws = n_draws(bench.keys(cells.codes), bench.real_keys, target, most=len(bench.seeds))
        for seed in only:
            yield seed, bench.result(cells, target, seed, by_class=bench.seeds.index(seed) < draws)
        return
    makers: dict[str, Callable[[int], Source]] = {}
    for seed in only:
        by_class = row == "floor" and seed == bench.seeds[0]
        path = _cache_path(bench, row, target, seed, by_class=by_class)
        kept = store.read(path)
        if kept is None:
            if row not in makers:
                makers[row] = _maker(bench, row, target)
            result = bench.result(makers[row](seed), target, seed, by_class=by_class)
            store.write(path, asdict(result))
        else:
            result = Result(kept["scores"], kept["sizes"])
        yield seed, result


def _maker(bench: Bench, row: str, target: Target) -> Callable[[int], Source]:
    """Return what makes the cells of a row from a seed; the real or fitted part is made once."""
    if row == "floor":
        held_out = source.of_split(bench.dataset, OTHER_HALF[bench.against], bench.label)
        held_out = held_out if bench.real.are_counts else without_counts(held_out)
        return lambda seed: held_out
    if bench.cancelled is not None and bench.cancelled():
        raise Cancelled("the evaluation was cancelled")
    # One fit for all seeds, so that the spread over seeds is that of the comparison, as it is for the model.
    fitted = make_baseline(row).fit(bench.dataset, label=bench.label, seed=0)
    return lambda seed: _baseline_cells(bench, fitted, target, seed)


def _baseline_cells(bench: Bench, fitted: Baseline, target: Target, seed: int) -> Source:
    names = () if bench.label is None else bench.dataset.vocabulary(bench.label)
    if bench.by_label:
        codes = target.codes
    else:
        known = bench.real.codes[bench.real.codes >= 0]
        codes = np.random.default_rng(seed).choice(known, target.n) if len(known) else np.zeros(target.n, dtype=int)
    asked = pd.DataFrame({bench.label: [names[code] for code in codes]} if names else {"cell": codes})
    cells = source.of_anndata(fitted.generate(asked, seed=seed), bench.dataset, bench.label)
    return cells if bench.real.are_counts else without_counts(cells)


def _cache_path(bench: Bench, row: str, target: Target, seed: int, *, by_class: bool) -> Path:
    assert bench.cache is not None
    key = store.key(
        content=bench.dataset.content_hash,
        label=bench.label,
        by_label=bench.by_label,
        against=bench.against,
        counts=bench.real.are_counts,
        target=target.sizes,
        seed=seed,
        part=(bench.seeds.index(seed), len(bench.seeds)) if row == "floor" else None,
        by_class=by_class,
    )
    return bench.cache / bench.dataset.info.id / f"{row}-{key}.json"


def without_counts(cells: Source) -> Source:
    """Return the same cells as log-normalised expression alone."""
    if not cells.are_counts:
        return cells
    values = cells.values
    x = values.normalised() if isinstance(values, CellRows) else cells.dataset.normalise(values)
    return Source(cells.dataset, x, False, cells.codes, cells.notes)
