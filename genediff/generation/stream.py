"""Draw very many cells batch by batch: parts on disk, an even sample for judging, and the blocks of the final file."""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from genediff.core.errors import Cancelled, InputError
from genediff.core.interruption import checked
from genediff.distributed import ALONE
from genediff.generation.generated_parts import Cells, Part, list_parts, missing, write_part
from genediff.models.conditions import cells_at_once, draw_codes
from genediff.models.config import SpeedConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from anndata import AnnData

    from genediff.distributed import Ranks
    from genediff.models.config import SampleConfig
    from genediff.models.generative_model import GenerativeModel

STOP = "stop"
"""A file beside the parts by which processes that draw together tell one another to stop."""
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

    model: GenerativeModel
    codes: torch.Tensor
    config: SampleConfig
    seed: int
    batch_size: int
    speed: SpeedConfig = SpeedConfig()

    @classmethod
    def of(
        cls,
        model: GenerativeModel,
        n: int,
        conditions: Mapping[str, str],
        config: SampleConfig,
        seed: int,
        speed: SpeedConfig | None = None,
    ) -> Plan:
        """Return the plan of the cells that `generate` gives for these arguments."""
        if conditions:
            drawn = torch.from_numpy(draw_codes(model.spec, dict(conditions), n=n, seed=seed))
            codes = torch.where(drawn < 0, model.null.cpu(), drawn)
        else:
            codes = model.level_codes(n, None, seed=seed)
        most = max((len(levels) for levels in model.spec.levels.values()), default=0)
        narrow = torch.int16 if most < torch.iinfo(torch.int16).max else torch.int32
        return cls(model, codes.to(narrow), config, seed, cells_at_once(n), speed or SpeedConfig())

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

    def cells_in(self, batches: Sequence[int]) -> int:
        """Return how many cells some batches hold."""
        return sum(self.end_of(number + 1) - self.end_of(number) for number in batches)

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


def draw(
    plan: Plan,
    folder: Path,
    *,
    progress: Callable[[int, float | None], None],
    check: Callable[[], None],
    ranks: Ranks = ALONE,
) -> None:
    """Draw the batches that are not in `folder` yet.

    Parameters
    ----------
    folder
        Of the parts.
    progress
        Called with the number of cells that are drawn, and cells per second, after each batch.
    check
        Called after each step of the solver and before each layer of the network; what it raises ends the drawing once
        whole batches are on disk.
    ranks
        Processes that share the batches, each a stretch of those that are left. A drawing may go on with another
        number of them. Progress is that of all.

    Raises
    ------
    Cancelled
        Where `check` raised it in one of the processes.
    InputError
        When the disk is nearly full.
    """
    stop = folder / STOP
    if ranks.first:
        stop.unlink(missing_ok=True)
    left = ranks.gather(missing(list_parts(folder), plan.n_batches))[0]  # as the first one sees it
    before = plan.n - plan.cells_in(left)
    progress(before, None)

    def check_all() -> None:
        check()
        if ranks.size > 1 and stop.exists():
            raise Cancelled

    started, own = time.monotonic(), 0
    problem: Exception | None = None
    drawing = _draw(plan, folder, ranks.stretch(left), check=check, after_step=check_all)
    with contextlib.closing(drawing):
        for _ in range(-(-len(left) // ranks.size) + 1):  # once more for the last part to be on disk
            try:
                own = next(drawing, own)
            except (Cancelled, InputError) as error:
                problem = error
                stop.touch()  # so that the others leave within a step and not after their batch
            done, stopped = ranks.sum(torch.tensor([own, float(problem is not None)], dtype=torch.double)).tolist()
            if stopped:
                break
            progress(before + int(done), done / (time.monotonic() - started) if done else None)
    problems = [one for one in ranks.gather(problem) if one is not None]
    for one in sorted(problems, key=lambda one: isinstance(one, Cancelled)):  # a full disk says more than a stop
        raise one


def _draw(
    plan: Plan, folder: Path, numbers: list[int], *, check: Callable[[], None], after_step: Callable[[], None]
) -> Generator[int, None, None]:
    """Yield the number of cells that are drawn after each batch; parts are on disk once this ends or is closed."""
    held: list[Cells] = []
    first, closed, done = 0, time.monotonic(), 0
    try:
        for number in numbers:
            if held and number != first + len(held):
                held = _close(folder, first, held)
            if not held:
                first = number
            held.append(_batch(plan, number, check=check, after_step=after_step))
            done += plan.cells_in([number])
            if len(held) >= PART_BATCHES or time.monotonic() - closed >= PART_SECONDS:
                check_disk(folder)
                held, closed = _close(folder, first, held), time.monotonic()
            yield done
    finally:
        _close(folder, first, held)


def _close(folder: Path, first: int, held: list[Cells]) -> list[Cells]:
    if held:
        write_part(folder, first, held)
    return []


def _batch(plan: Plan, number: int, *, check: Callable[[], None], after_step: Callable[[], None]) -> Cells:
    made = plan.model.batches(
        plan.codes,
        config=plan.config,
        seed=plan.seed,
        batch_size=plan.batch_size,
        numbers=[number],
        speed=plan.speed,
        watch=lambda state: after_step(),
    )
    # A compiled network may not be looked into; between its steps the stop is heard all the same.
    inside = contextlib.nullcontext() if plan.speed.compiled else checked(plan.model.denoiser, check)
    with inside:
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
    found.uns["genediff"] = plan.model.provenance(plan.config, seed=plan.seed, speed=plan.speed)
    return found
