"""Cells as a model meets them on the way from noise: what a network is asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.evaluation.reconstruction import normalise
from genediff.inspection.tokens.inspected_cells import read_cells

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from torch import Tensor

    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel

MOST_CELLS = 128
FEWEST_CELLS = 10


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
    n_genes
        How many of the numbers are genes.
    groups
        A code per cell, such as its cell type: tests compare cells within groups, (cell,).
    mix
        How much of the cell and of noise the path has at t: its alpha and sigma.
    """

    clean: Tensor
    state: Tensor
    t: Tensor
    codes: Tensor
    n_genes: int
    groups: np.ndarray
    mix: tuple[float, float] = (1.0, 0.0)

    @property
    def n_cells(self) -> int:
        """How many cells it holds."""
        return len(self.state)

    def take(self, rows: np.ndarray) -> Probe:
        """Return some of the cells, by position."""
        at = torch.from_numpy(rows)
        return Probe(
            self.clean[at],
            self.state[at],
            self.t[at],
            self.codes[at],
            self.n_genes,
            np.asarray(self.groups)[rows],
            self.mix,
        )

    def with_noise(self, draw: np.random.Generator, copies: int) -> list[Probe]:
        """Return the same cells with other noise, in pairs of a noise and its opposite, whose mean is free of it."""
        found = []
        for _ in range(copies // 2):
            own = torch.Generator().manual_seed(int(draw.integers(2**31)))
            noise = self.mix[1] * torch.randn(self.clean.shape, generator=own).to(self.clean.device)
            found += [replace(self, state=self.mix[0] * self.clean + sign * noise) for sign in (1, -1)]
        return found

    def exchanged(self, place: int, order: np.ndarray) -> Probe:
        """Return the same cells with the value of one gene from other cells, in the order given (cell,)."""
        state = self.state.clone()
        state[:, place] = state[torch.from_numpy(order), place]
        return replace(self, state=state)


def probe(
    model: GenerativeModel, dataset: Dataset, rows: np.ndarray, *, t: float = 0.6, most: int = MOST_CELLS, seed: int = 0
) -> Probe:
    """Put cells of a data set on a model's path.

    Parameters
    ----------
    model
        Its flow runs on expression.
    dataset
        Holds the model's genes.
    rows
        Which cells, as positions or (cell,) of bool; of more than ``most`` a sample is drawn.
    t
        Above 0 (noise), at most 1 (the cell itself).
    seed
        Of the sample and of the noise.

    Raises
    ------
    InputError
        When there are fewer than 10 cells, the data do not fit the model, or t is out of range.
    """
    rows = np.asarray(rows)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    if len(rows) < FEWEST_CELLS:
        raise InputError(f"this group has {len(rows)} cells and {FEWEST_CELLS} are needed; choose a larger one")
    if len(rows) > most:
        rows = np.sort(np.random.default_rng([seed, 3]).choice(rows, most, replace=False))
    x, library = read_cells(model, dataset).block(rows)
    label = dataset.info.label
    groups = None if label is None else dataset.codes(label)[rows]
    return _on_path(model, x, library, dataset.obs.iloc[rows], t=t, seed=seed, groups=groups)


def probe_generated(
    model: GenerativeModel, cells: AnnData, *, t: float = 0.6, most: int = MOST_CELLS, seed: int = 0
) -> Probe:
    """Put cells that the model generated on its path again; parameters and errors as in `probe`."""
    n = min(cells.n_obs, most)
    if n < FEWEST_CELLS:
        raise InputError(f"there are {n} generated cells and {FEWEST_CELLS} are needed; generate more")
    measured = torch.from_numpy(np.asarray(cells.X[:n].todense(), dtype=np.float32)).to(model.device)
    x, library = normalise(model, measured)
    return _on_path(model, model.standardise(x), library, cells.obs.iloc[:n], t=t, seed=seed)


def _on_path(
    model: GenerativeModel, x: Tensor, library: Tensor, obs: pd.DataFrame, *, t: float, seed: int,
    groups: np.ndarray | None = None,
) -> Probe:  # fmt: skip
    """Mix standardised expression (cell, gene) with noise as the model's path has it at t."""
    if not 0 < t <= 1:
        raise InputError(f"the time {t} is not above 0 (noise) and at most 1 (cells); choose one such as 0.6")
    clean = torch.cat([x, model.standardise_library(library)], dim=1)  # (cell, dim)
    times = torch.full((len(clean),), float(t), device=model.device)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
    c = model.objective.path(times[:, None])
    codes = _codes(model, obs)
    if groups is None:  # cells that were generated alike
        alike = np.unique(codes.numpy(), axis=0, return_inverse=True)[1]
        groups = alike.ravel() if codes.shape[1] else np.zeros(len(x))
    return Probe(
        clean, c.alpha * clean + c.sigma * noise, times, codes.to(model.device), x.shape[1], groups,
        (float(c.alpha[0, 0]), float(c.sigma[0, 0])),
    )  # fmt: skip


def _codes(model: GenerativeModel, obs: pd.DataFrame) -> Tensor:
    """Return the model's level codes of some cells (cell, column); the number of levels means "no label"."""
    columns = [torch.zeros(len(obs), 0, dtype=torch.long)]
    for name, levels in model.spec.levels.items():
        place = {level: code for code, level in enumerate(levels)}
        values = obs[name].astype(object).tolist() if name in obs else [None] * len(obs)
        columns.append(torch.tensor([[place.get(str(value), len(levels))] for value in values], dtype=torch.long))
    return torch.cat(columns, dim=1)
