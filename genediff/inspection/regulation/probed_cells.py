"""Cells, real or generated, put on the path of a model as it met their kind in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.evaluation.reconstruction import normalise
from genediff.inspection.regulation.count_probe import count_probe
from genediff.inspection.regulation.edge_probe import Probe
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.models.count_denoiser import CountDenoiser

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from torch import Tensor

    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel

MOST_CELLS = 128
FEWEST_CELLS = 10


def probe(
    model: GenerativeModel, dataset: Dataset, rows: np.ndarray, *, t: float = 0.6, most: int = MOST_CELLS, seed: int = 0
) -> Probe:
    """Put cells of a data set on a model's path.

    Parameters
    ----------
    model
        Of gene tokens, in gene or count space.
    dataset
        Holds the model's genes.
    rows
        Which cells, as positions or (cell,) of bool; of more than ``most`` a sample is drawn.
    t
        Above 0 (noise), at most 1 (the cell itself); in count space the share of molecules that were read, below 1.
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
    cells, label = read_cells(model, dataset), dataset.info.label
    measured = torch.from_numpy(cells.measured[rows].toarray()).to(model.device)
    groups = None if label is None else dataset.codes(label)[rows]
    return _on_path(
        model, measured, *cells.standardised(measured), dataset.obs.iloc[rows], t=t, seed=seed, groups=groups
    )


def probe_generated(
    model: GenerativeModel, cells: AnnData, *, t: float = 0.6, most: int = MOST_CELLS, seed: int = 0
) -> Probe:
    """Put cells that the model generated on its path again; parameters and errors as in `probe`."""
    n = min(cells.n_obs, most)
    if n < FEWEST_CELLS:
        raise InputError(f"there are {n} generated cells and {FEWEST_CELLS} are needed; generate more")
    measured = torch.from_numpy(np.asarray(cells.X[:n].todense(), dtype=np.float32)).to(model.device)
    x, library = normalise(model, measured)
    return _on_path(model, measured, model.standardise(x), library, cells.obs.iloc[:n], t=t, seed=seed)


def _on_path(
    model: GenerativeModel, measured: Tensor, x: Tensor, library: Tensor, obs: pd.DataFrame, *, t: float, seed: int,
    groups: np.ndarray | None = None,
) -> Probe:  # fmt: skip
    """Put cells, as they were measured and standardised (cell, gene), on the model's path at t."""
    if not 0 < t <= 1:
        raise InputError(f"the time {t} is not above 0 (noise) and at most 1 (cells); choose one such as 0.6")
    codes = _codes(model, obs)
    if groups is None:  # cells that were generated alike
        alike = np.unique(codes.numpy(), axis=0, return_inverse=True)[1]
        groups = alike.ravel() if codes.shape[1] else np.zeros(len(x))
    codes = codes.to(model.device)
    if isinstance(model.denoiser, CountDenoiser):
        if t == 1:
            raise InputError("at t = 1 all molecules are read and nothing is left to predict; choose 0.9 or less")
        return count_probe(model.denoiser, measured, x, codes, groups, t=t, seed=seed)
    clean = torch.cat([x, model.standardise_library(library)], dim=1)  # (cell, dim)
    times = torch.full((len(clean),), float(t), device=model.device)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
    c = model.objective.path(times[:, None])
    return Probe(
        clean, c.alpha * clean + c.sigma * noise, times, codes, x.shape[1], groups,
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
