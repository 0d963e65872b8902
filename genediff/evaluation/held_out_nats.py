"""Nats per molecule of held-out cells at each depth of reading: one currency for every tokenization in count space.

Of a held-out cell ``depth`` molecules are read, and the model is asked which gene each of the rest belongs to. Beside
it stand what it has to beat on the same molecules: two closed forms, independent genes (a negative binomial per
condition) and the mixture of sub-clusters whose number held-out cells chose, the profile of the nearest training cells,
and the model's own start: the same mixture recalibrated gene by gene, before tokens say anything. What a model is ahead
of its start is what its tokens know of genes together. Differences are paired, cell by cell.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.diffusion.thinning import read_molecules, unread_loss
from genediff.evaluation.knn_smoother import KnnSmoother
from genediff.models.conditions import level_codes
from genediff.models.count_denoiser import CountDenoiser
from genediff.models.count_mixture import CLUSTER_SIZES, fit_count_mixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_matrix
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel

DEPTHS = (10, 30, 100, 300, 1000)
"""Molecules read before the next one is asked for."""
USUAL_DEPTH = 100
"""The depth that stands for all where there is room for one figure."""
LEAST_LEFT = 1.2
"""A cell is asked at a depth if its library is so many times larger."""
FEWEST = 20
"""Cells that a depth needs to be reported."""
MOST_CELLS, BATCH = 1000, 128


@dataclass(frozen=True)
class Gain:
    """How much less a model is surprised than a baseline, in nats per molecule: positive where the model is ahead."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class NatsAtDepth:
    """Held-out nats per molecule after ``depth`` molecules, over ``n_cells`` cells; intervals are 95 % (t, paired)."""

    depth: int
    n_cells: int
    model: float
    mixture: float
    independent: float
    smoother: float
    start: float
    over_mixture: Gain
    over_independent: Gain
    over_smoother: Gain
    over_start: Gain
    mixture_over_independent: Gain
    start_over_independent: Gain


@dataclass(frozen=True)
class HeldOutNats:
    """What a model in count space adds over the closed forms at each depth."""

    model_id: str
    dataset_id: str
    split: str
    rows: tuple[NatsAtDepth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    def measures(self) -> dict[str, float]:
        """Return the gains over start and closed forms after `USUAL_DEPTH` molecules, in thousandths of a nat."""
        row = min(self.rows, key=lambda row: abs(row.depth - USUAL_DEPTH))
        return {
            "nats_over_independent": 1000 * row.over_independent.mean,
            "nats_over_mixture": 1000 * row.over_mixture.mean,
            "nats_over_start": 1000 * row.over_start.mean,
        }

    def to_text(self) -> str:
        """Return a table to read; gains in thousandths of a nat per molecule."""
        lines = [
            f"Held-out nats per molecule ({self.split} cells), and the gain in thousandths [95 % interval]",
            f"{'read':>6} {'cells':>6} {'model':>8} {'mixture':>8} {'indep.':>8} {'kNN':>8} {'start':>8}  "
            f"{'over start':<23} {'over mixture':<23} {'over independent genes':<23} over nearest training cells",
        ]
        for row in self.rows:
            gains = [
                f"{1000 * g.mean:+7.2f} [{1000 * g.low:+.2f}, {1000 * g.high:+.2f}]"
                for g in (row.over_start, row.over_mixture, row.over_independent, row.over_smoother)
            ]
            nats = (row.model, row.mixture, row.independent, row.smoother, row.start)
            figures = " ".join(f"{one:8.4f}" for one in nats)
            lines.append(f"{row.depth:6,} {row.n_cells:6,} {figures}  {' '.join(f'{gain:<23}' for gain in gains)}")
        return "\n".join(lines)


def held_out_nats(
    model: GenerativeModel,
    dataset: Dataset,
    *,
    split: str = "test",
    depths: tuple[int, ...] = DEPTHS,
    max_cells: int = MOST_CELLS,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
) -> HeldOutNats:
    """Measure a model in count space on held-out cells, with what it has to beat on the same molecules.

    Parameters
    ----------
    model
        In count space; the data set must have its genes and conditions.
    split
        "test", or "validation" while a model is still being tuned.
    depths
        Molecules read; depths that fewer than 20 cells exceed are left out.
    max_cells
        Evenly spaced cells of the split, at most.
    seed
        Of the molecules that are read.

    Raises
    ------
    InputError
        When the model is of another space, or the data lack counts, genes or cells.
    """
    if not model.in_count_space:
        space = model.spec.run.model.space_name
        raise InputError(f"held-out nats compare models in count space, and {model.spec.title!r} is in {space}")
    if tuple(dataset.genes) != tuple(model.genes):
        raise InputError("the data set does not have the model's genes; choose the data set that it was trained on")
    codes = {name: level_codes(model, dataset, name) for name in ("train", "validation", split)}
    train, held = dataset.counts("train"), dataset.counts("validation")
    sizes = model.null.tolist()
    rivals: list[Any] = [
        fit_count_mixture(
            train, codes["train"], sizes, cluster_sizes=tried, held_out=held, held_out_codes=codes["validation"]
        )
        for tried in ((0,), CLUSTER_SIZES)
    ]
    rivals.append(KnnSmoother(train))
    cells = dataset.counts(split)
    rows = np.unique(np.linspace(0, cells.shape[0] - 1, min(cells.shape[0], max_cells)).astype(int))
    was_training = model.training
    model.eval()
    found = []
    for number, depth in enumerate(depths):
        generator = torch.Generator().manual_seed(seed + depth)
        losses = _losses(model, rivals, cells[rows], codes[split][rows], depth, generator)
        if losses.shape[1] >= FEWEST:
            found.append(_row(depth, losses))
        if progress is not None:
            progress((number + 1) / len(depths), f"{depth:,} molecules read")
    model.train(was_training)
    if not found:
        raise InputError(f"no depth is below the library of {FEWEST} {split} cells; ask for smaller depths")
    return HeldOutNats(model.spec.id, dataset.info.id, split, tuple(found))


@torch.no_grad()
def _losses(
    model: GenerativeModel, rivals: list[Any], counts: csr_matrix, codes: Tensor, depth: int, generator: torch.Generator
) -> np.ndarray:
    """Return nats per unread molecule of the model and its rivals, (row, cell), of cells deep enough."""
    assert isinstance(model.denoiser, CountDenoiser)
    deep = np.flatnonzero(np.asarray(counts.sum(1)).ravel() > LEAST_LEFT * depth)
    parts = []
    for start in range(0, len(deep), BATCH):
        rows = deep[start : start + BATCH]
        whole = torch.from_numpy(counts[rows].toarray()).float()
        read = read_molecules(whole, torch.full((len(rows),), float(depth)), generator=generator)
        library, own = whole.sum(1), codes[torch.from_numpy(rows)]
        there = [part.to(model.device) for part in (read, library, own)]
        asked = [model.denoiser(*there).cpu(), model.denoiser.start_log_shares(*there).cpu()]
        asked += [rival.log_shares(read, library, own) for rival in rivals]
        parts.append(torch.stack([unread_loss(share, whole, read) for share in asked]))
    return torch.cat(parts, 1).double().numpy() if parts else np.zeros((2 + len(rivals), 0))


def _row(depth: int, losses: np.ndarray) -> NatsAtDepth:
    own, start, independent, mixture, smoother = losses
    means = [float(mean) for mean in losses.mean(1)]
    return NatsAtDepth(
        depth=depth,
        n_cells=losses.shape[1],
        model=means[0],
        start=means[1],
        independent=means[2],
        mixture=means[3],
        smoother=means[4],
        over_start=paired_gain(start - own),
        start_over_independent=paired_gain(independent - start),
        over_mixture=paired_gain(mixture - own),
        over_independent=paired_gain(independent - own),
        over_smoother=paired_gain(smoother - own),
        mixture_over_independent=paired_gain(independent - mixture),
    )


def paired_gain(differences: np.ndarray) -> Gain:
    """Return the mean of differences (cell,) with its 95 % interval by Student's t."""
    from scipy import stats

    n, mean = len(differences), float(differences.mean())
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    return Gain(mean, mean - half, mean + half)
