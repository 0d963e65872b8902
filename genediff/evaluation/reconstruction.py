"""How much of a cell its tokens keep: held-out cells through encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel

BLOCK = 256


@dataclass(frozen=True)
class Reconstruction:
    """How held-out cells come back from their tokens.

    Parameters
    ----------
    correlation
        Pearson's r between measured and expected log expression over cells, the mean over genes that vary. A gene whose
        expectation never changes counts as 0. It stays below 1 for a perfect model too: counting is noisy.
    nll
        Negative log-likelihood of what was measured, in nats per cell and gene.
    n_cells
        Cells it was measured on.
    """

    correlation: float
    nll: float
    n_cells: int


@torch.no_grad()
def reconstruct(
    model: GenerativeModel, dataset: Dataset, *, split: str = "test", most: int = 2000
) -> Reconstruction | None:
    """Encode and decode cells of a part of the data set; None in gene space, where no tokens stand for a cell.

    Parameters
    ----------
    model
        Trained on data of the same genes.
    dataset
        The cells; `most` of them are drawn with a fixed seed where there are more.

    Raises
    ------
    InputError
        When the data set has other genes.
    """
    if model.autoencoder is None:
        return None
    if tuple(dataset.genes) != model.genes:
        raise InputError(f"The model {model.spec.id!r} has other genes than {dataset.info.name!r}; train one on these.")
    values = dataset.measured(split)  # (cell, gene)
    rows = np.random.default_rng(0).permutation(values.shape[0])[:most]
    seen, expected, total = [], [], 0.0
    for start in range(0, len(rows), BLOCK):
        measured = torch.from_numpy(values[np.sort(rows[start : start + BLOCK])].toarray()).to(model.device)
        x, x_back, nll = _pass(model, measured)
        seen.append(x.cpu().numpy())
        expected.append(x_back.cpu().numpy())
        total += float(nll.sum())
    r = gene_correlation(np.concatenate(seen), np.concatenate(expected))
    return Reconstruction(r, total / (len(rows) * values.shape[1]), len(rows))


def gene_correlation(seen: np.ndarray, expected: np.ndarray) -> float:
    """Return the mean over genes of Pearson's r over cells, both ``(cell, gene)``.

    Genes that do not vary in `seen` are left out; those that do not vary in `expected` count as 0.
    """
    a = seen.astype(np.float64) - seen.mean(0, dtype=np.float64)
    b = expected.astype(np.float64) - expected.mean(0, dtype=np.float64)
    a_size, b_size = np.sqrt((a**2).sum(0)), np.sqrt((b**2).sum(0))  # (gene,)
    varies = a_size > 1e-9
    if not varies.any():
        return 0.0
    product = (a * b).sum(0)
    r = np.divide(product, a_size * b_size, out=np.zeros_like(product), where=varies & (b_size > 1e-9))
    return float(r[varies].mean())


def normalise(model: GenerativeModel, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-normalised expression (cell, gene) and library sizes (cell,) of what was measured (cell, gene)."""
    if not model.spec.has_counts:
        return measured, measured.new_ones(len(measured))
    library = measured.sum(1).clamp(min=1)
    return model.log_normalise(measured, library), library


def _pass(model: GenerativeModel, measured: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return x and its expectation (cell, gene), and the negative log-likelihood of each cell (cell,)."""
    assert model.autoencoder is not None
    tokenizer, head = model.autoencoder.tokenizer, model.autoencoder.head
    x, library = normalise(model, measured)
    logits = tokenizer.decode(tokenizer.encode(model.standardise(x)))  # (cell, gene)
    mean = head.mean(logits, library)
    nll = -head.log_prob(logits, library, measured).sum(1)
    return x, model.log_normalise(mean, library), nll
