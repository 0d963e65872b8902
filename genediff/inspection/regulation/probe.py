"""Cells as a model meets them on the way from noise: what a network is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.data.view import in_genes
from genediff.errors import InputError

if TYPE_CHECKING:
    import scipy.sparse as sp
    from torch import Tensor

    from genediff.data import Dataset
    from genediff.model import GeneDiff

MOST_CELLS = 256
FEWEST_CELLS = 8


@dataclass(frozen=True, eq=False)
class Probe:
    """Some cells at one time t between noise (0) and cells (1).

    Attributes
    ----------
    clean
        Standardised expression, and the library size where there are counts, (cell, dim).
    state
        The same with noise, as the path has it at t, (cell, dim).
    t
        The time of every cell, (cell,).
    codes
        Level codes of the conditions, (cell, column).
    """

    clean: Tensor
    state: Tensor
    t: Tensor
    codes: Tensor

    @property
    def n_cells(self) -> int:
        """How many cells it holds."""
        return len(self.state)


def probe(
    model: GeneDiff, dataset: Dataset, rows: np.ndarray, *, t: float = 0.7, most: int = MOST_CELLS, seed: int = 0
) -> Probe:
    """Put cells of a data set on a model's path.

    Parameters
    ----------
    model
        Its flow runs on expression.
    dataset
        Holds the model's genes.
    rows
        Which cells, as positions; of more than ``most`` a sample is drawn.
    t
        From 0 (noise) to 1 (the cell itself).
    seed
        Of the sample and of the noise.

    Raises
    ------
    InputError
        When there are fewer than 8 cells, a gene of the model is missing, or t is not between 0 and 1.
    """
    rows = np.asarray(rows)
    if len(rows) < FEWEST_CELLS:
        raise InputError(
            f"this group has {len(rows)} cells and at least {FEWEST_CELLS} are needed; choose a larger one"
        )
    draw = np.random.default_rng([seed, 3])
    if len(rows) > most:
        rows = np.sort(draw.choice(rows, most, replace=False))
    view = in_genes(dataset, model.genes)
    if tuple(view.genes) != tuple(model.genes):
        raise InputError(
            f"{dataset.info.name!r} lacks {len(model.genes) - len(set(view.genes) & set(model.genes))} of the model's "
            "genes; choose the data the model was trained on"
        )
    values = view.counts() if model.spec.has_counts else view.x()
    codes = (
        torch.stack([_codes(view, column, levels, rows) for column, levels in model.spec.levels.items()], dim=1)
        if model.spec.levels
        else torch.zeros(len(rows), 0, dtype=torch.long)
    )
    return of_values(model, values[rows], codes, t=t, seed=seed)


def of_values(model: GeneDiff, values: sp.csr_matrix, codes: Tensor, *, t: float = 0.7, seed: int = 0) -> Probe:
    """Put cells given as counts (log-normalised values for a model without counts) on a model's path.

    ``values`` is (cell, gene) in the model's genes; ``codes`` (cell, column) are the model's level codes.
    """
    if not 0 < t <= 1:
        raise InputError(f"the time {t} is not between 0 (noise) and 1 (cells); choose one such as 0.7")
    measured = torch.from_numpy(np.asarray(values.todense(), dtype=np.float32)).to(model.device)
    library = measured.new_ones(len(measured))
    if model.spec.has_counts:
        library = measured.sum(1).clamp(min=1)  # (cell,)
        measured = torch.log1p(measured * (model.spec.target_sum / library)[:, None])
    clean = torch.cat([model.standardise(measured), model.standardise_library(library)], dim=1)  # (cell, dim)
    times = torch.full((len(clean),), float(t), device=model.device)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
    c = model.objective.path(times[:, None])
    return Probe(clean, c.alpha * clean + c.sigma * noise, times, codes.to(model.device))


def _codes(dataset: Dataset, column: str, levels: tuple[str, ...], rows: np.ndarray) -> Tensor:
    """Return the model's level codes of some cells; the number of levels means "no label"."""
    if column not in dataset.obs.columns:
        return torch.full((len(rows),), len(levels))
    place = {level: code for code, level in enumerate(levels)}
    values = dataset.obs[column].astype(object).to_numpy()[rows]
    return torch.tensor([place.get(str(value), len(levels)) for value in values], dtype=torch.long)
