"""Real cells read deeper: a model in count space goes on from where their sequencing ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack

from genediff.core.errors import InputError
from genediff.models.conditions import level_codes
from genediff.models.count_denoiser import CountDenoiser

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel

BATCH = 256


def deeper_cells(
    model: GenerativeModel,
    dataset: Dataset,
    *,
    split: str = "test",
    rows: np.ndarray | None = None,
    library: int = 0,
    times: float = 3.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> AnnData:
    """Continue cells of a data set: X is what they may hold once read deeper, the layer "measured" what was measured.

    Parameters
    ----------
    split
        "train", "validation" or "test".
    rows
        Which of its cells, by place; all unless given.
    library
        Total counts of each cell afterwards; 0: ``times`` its own.

    Raises
    ------
    InputError
        When the data lack counts of the model's genes, or for what `read_deeper` refuses.
    """
    import pandas as pd
    from anndata import AnnData

    if not dataset.info.has_counts or tuple(dataset.genes) != tuple(model.genes):
        raise InputError("the data set needs counts of the model's genes; choose the data set that it was trained on")
    chosen = np.arange(len(dataset.rows(split))) if rows is None else rows
    counts = dataset.counts(split).tocsr()[chosen]
    own = np.asarray(counts.sum(1)).ravel()
    deeper = read_deeper(
        model,
        counts,
        level_codes(model, dataset, split)[torch.from_numpy(chosen)],
        library=np.full(len(own), float(library)) if library else times * own,
        seed=seed,
        progress=progress,
    )
    obs: pd.DataFrame = dataset.obs.iloc[dataset.rows(split)[chosen]].copy()
    cells = AnnData(deeper.astype(np.float32), obs=obs, var=pd.DataFrame(index=list(model.genes)))
    cells.layers["measured"] = counts.astype(np.float32)
    cells.uns["genediff"] = {"read_deeper": True, "model_id": model.spec.id, "seed": seed}
    return cells


def read_deeper(
    model: GenerativeModel,
    counts: csr_matrix,
    codes: Tensor,
    *,
    library: np.ndarray,
    seed: int = 0,
    n_steps: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> csr_matrix:
    """Continue real cells molecule by molecule: counts (cell, gene) that hold all that was measured, and more.

    Parameters
    ----------
    model
        In count space.
    counts
        What was measured, (cell, gene), in the model's genes.
    codes
        Level codes (cell, column); the number of levels means "no label", and is always allowed.
    library
        Total counts that each cell shall have, (cell,); cells that have more already stay as they are.
    seed
        Of the molecules; several seeds show how much is certain.
    n_steps
        Batches of molecules; the model's own unless given.
    progress
        Called with (cells done, cells in all).

    Raises
    ------
    InputError
        When the model is of another space, or counts are not whole numbers.
    """
    check_counts(model, counts)
    config, parts = model.sample_config(n_steps=n_steps), []
    for number, start in enumerate(range(0, counts.shape[0], BATCH)):
        rows = slice(start, start + BATCH)
        generator = torch.Generator().manual_seed(_mixed(seed, number))
        deeper = model.states(
            codes[rows],
            config=config,
            generator=generator,
            library=torch.as_tensor(library[rows], dtype=torch.float).round(),
            start=torch.from_numpy(counts[rows].toarray()).float(),
        )
        parts.append(csr_matrix(deeper.numpy()))
        if progress is not None:
            progress(min(start + BATCH, counts.shape[0]), counts.shape[0])
    return vstack(parts, format="csr")


@torch.no_grad()
def expected_shares(
    model: GenerativeModel, counts: csr_matrix, codes: Tensor, *, library: np.ndarray, closed_form: bool = False
) -> np.ndarray:
    """Return the expected share of each gene in the unread molecules of cells, (cell, gene): `read_deeper` on average.

    With ``closed_form`` the mixture is asked, which the model starts from. Other parameters and errors are those of
    `read_deeper`.
    """
    check_counts(model, counts)
    assert isinstance(model.denoiser, CountDenoiser)
    asked = model.denoiser.start.log_shares if closed_form else model.denoiser
    parts = []
    for start in range(0, counts.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        read = torch.from_numpy(counts[rows].toarray()).float().to(model.device)
        full = torch.maximum(torch.as_tensor(library[rows], dtype=torch.float).to(model.device), read.sum(1))
        parts.append(asked(read, full, codes[rows].to(model.device)).exp().cpu().numpy())
    return np.concatenate(parts)


def check_counts(model: GenerativeModel, counts: csr_matrix) -> None:
    """Raise an InputError unless a model can go on from these counts."""
    if not model.in_count_space:
        raise InputError(
            f"{model.spec.title!r} is in {model.spec.run.model.space_name}; cells are read deeper by a model in count "
            "space (train --space counts)"
        )
    if counts.shape[0] == 0:
        raise InputError("there are no cells to read deeper")
    if counts.nnz and ((counts.data < 0).any() or not np.array_equal(counts.data, np.round(counts.data))):
        raise InputError("cells are read deeper from counts; these values are not whole numbers")


def _mixed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint32)[0])
