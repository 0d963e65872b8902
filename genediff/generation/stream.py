"""Draw very many cells batch by batch: parts on disk, an even sample for judging, and the blocks of the final file."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from genediff.conditions import cells_at_once, draw_codes
from genediff.errors import InputError
from genediff.generation.parts import Cells, Part, list_parts, write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from anndata import AnnData

    from genediff.config import SampleConfig
    from genediff.model import GeneDiff

PART_SECONDS = 10.0
"""A part is closed after so many seconds: what a kill may cost."""
PART_BATCHES = 64
"""… or after so many batches: what is held in memory."""
FREE_BYTES = 1_000_000_000
"""Disk that is left to others."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which cells are drawn: everything that decides them, so that any worker draws the same.

    Attributes
    ----------
    codes
        Level codes (cell, column) in 16 or 32 bits: all that grows with the number of cells.
    """

    model: GeneDiff
    codes: torch.Tensor
    config: SampleConfig
    seed: int
    batch_size: int

    @classmethod
    def of(cls, model: GeneDiff, n: int, conditions: Mapping[str, str], config: SampleConfig, seed: int) -> Plan:
        """Return the plan of the cells that `generate` gives for these arguments."""
        if conditions:
            drawn = torch.from_numpy(draw_codes(model.spec, dict(conditions), n=n, seed=seed))
            codes = torch.where(drawn < 0, model.null.cpu(), drawn)
        else:
            codes = model.level_codes(n, None, seed=seed)
        most = max((len(levels) for levels in model.spec.levels.values()), default=0)
        narrow = torch.int16 if most < torch.iinfo(torch.int16).max else torch.int32
        return cls(model, codes.to(narrow), config, seed, cells_at_once(n))

    @property
    def n(self) -> int:
        """How many cells."""
        return len(self.codes)

    @property
    def n_batches(self) -> int:
        """How many batches."""
        return -(-self.n // self.batch_size)

    def end_of(self, n_batches: int) -> int:
        """Return how many cells the first batches hold."""
        return min(n_batches * self.batch_size, self.n)

    def obs(self, part: Part, cells: Cells) -> pd.DataFrame:
        """Return names, labels and library sizes of the cells of a part."""
        start, end = self.end_of(part.first), self.end_of(part.end)
        obs = pd.DataFrame(index=pd.Index([f"generated_{i}" for i in range(start, end)], dtype=object))
        for i, (name, levels) in enumerate(self.model.spec.levels.items()):
            taken = self.codes[start:end, i].numpy()
            obs[name] = pd.Categorical.from_codes(np.where(taken == len(levels), -1, taken).astype(int), list(levels))
        if self.model.spec.has_counts:
            obs["library"] = cells.library
        return obs


def draw(plan: Plan, folder: Path, *, progress: Callable[[int, float | None], None], check: Callable[[], None]) -> None:
    """Draw the batches that are not in `folder` yet.

    Parameters
    ----------
    folder
        Of the parts.
    progress
        Called with the number of cells that are drawn, and this worker's cells per second, after each batch.
    check
        Called after each step of the solver; what it raises ends the drawing once whole batches are on disk.

    Raises
    ------
    InputError
        When the disk is nearly full.
    """
    parts = list_parts(folder)
    begin = first = parts[-1].end if parts else 0
    progress(plan.end_of(begin), None)
    held: list[Cells] = []
    started = closed = time.monotonic()
    try:
        for number in range(begin, plan.n_batches):
            held.append(_batch(plan, number, check))
            done = plan.end_of(number + 1)
            progress(done, (done - plan.end_of(begin)) / (time.monotonic() - started))
            if len(held) >= PART_BATCHES or time.monotonic() - closed >= PART_SECONDS:
                check_disk(folder)
                first = write_part(folder, first, held).end
                held, closed = [], time.monotonic()
    finally:
        if held:
            write_part(folder, first, held)


def _batch(plan: Plan, number: int, check: Callable[[], None]) -> Cells:
    made = plan.model.batches(
        plan.codes,
        config=plan.config,
        seed=plan.seed,
        batch_size=plan.batch_size,
        numbers=[number],
        watch=lambda state: check(),
    )
    ((values, library),) = made
    return Cells(sparse.csr_matrix(values.numpy()).astype(np.float32), library.numpy())


def check_disk(folder: Path) -> None:
    """Raise an InputError when the disk of `folder` is nearly full."""
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise InputError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {folder}; make room there, and resume goes on from here."
        )


def blocks(plan: Plan, parts: list[Part]) -> Iterator[tuple[sparse.csr_matrix, pd.DataFrame]]:
    """Yield values and obs of all cells, one part at a time."""
    for part in parts:
        cells = part.read()
        yield cells.values, plan.obs(part, cells)


def sample(plan: Plan, parts: list[Part], size: int) -> AnnData:
    """Return some cells drawn evenly from all, the same ones each time; all of them where there are no more."""
    from anndata import AnnData, concat

    wanted = np.arange(plan.n)
    if plan.n > size:
        wanted = np.sort(np.random.default_rng(plan.seed).choice(plan.n, size, replace=False))
    taken = []
    for part in parts:
        start, end = plan.end_of(part.first), plan.end_of(part.end)
        rows = wanted[(wanted >= start) & (wanted < end)] - start
        if len(rows):
            cells = part.read()
            taken.append(AnnData(cells.values[rows], obs=plan.obs(part, cells).iloc[rows]))
    found = concat(taken)
    for name, levels in plan.model.spec.levels.items():
        found.obs[name] = found.obs[name].cat.set_categories(list(levels))
    found.var_names = list(plan.model.genes)
    found.uns["genediff"] = plan.model.provenance(plan.config, seed=plan.seed)
    return found
