"""Copies that hide behind counting noise: generated cells whose state, not whose counts, is that of a training cell.

A generator that takes the state (tokens) of a training cell and draws new counts from it passes every test of distances
between counts. Its cells, encoded again, lie nearer to training cells than they should: how much nearer a copy lies
than a cell of the same making whose source is taken away is measured on copies that are made for the purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import linregress

from genediff.evaluation.memorisation import StateCopies
from genediff.evaluation.reconstruction import normalise

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from genediff.data.cells.dataset import CellRows, Dataset
    from genediff.models.generative_model import GenerativeModel

MOST = 2000
"""Cells that are measured, of each kind."""
WIDEST = 4096
"""Numbers in a cell's tokens; of more the distances take too long."""
FEWEST = 50


@torch.no_grad()
def state_copies(
    model: GenerativeModel, generated: csr_matrix | CellRows, dataset: Dataset, *, seed: int = 0
) -> StateCopies | None:
    """Estimate how many cells are redrawn from the states of training cells.

    Each cell's distance in tokens to the nearest training cell is held against what is expected of a new cell that lies
    as far from its nearest validation cell: a regression of log distances over cells redrawn from training cells
    (encoded, decoded, counts drawn anew) whose source is taken away. Where the source stays, the same cells are copies.
    A plain ratio of the distances called 40% of copies among new cells none: it falls with the distance itself. Cells
    that lie off the real ones read below 0, and hide copies among them.

    Parameters
    ----------
    model
        Whose autoencoder the states are of.
    generated
        Measured values, ``(cell, gene)``, in the genes of the model.
    dataset
        Of the same genes.
    seed
        Of samples and redrawn counts.

    Returns
    -------
    StateCopies or None
        None where the model has no autoencoder, tokens too many for distances, or there are too few cells.
    """
    splits = {name: dataset.measured(name) for name in ("train", "validation")}
    few = min(generated.shape[0], *(cells.shape[0] for cells in splits.values())) < FEWEST
    if model.autoencoder is None or few or tuple(dataset.genes) != model.genes:
        return None
    if model.tokenizer.layout.size > WIDEST:
        return None
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    training = _dense(splits["train"], rng, 4 * MOST)
    validation = _tokens(model, _dense(splits["validation"], rng, MOST))
    tokens = _tokens(model, training)
    sources = rng.permutation(len(training))[:MOST]
    redrawn = _tokens(model, _redrawn(model, training[sources], generator))
    to_training = cdist(redrawn, tokens)  # (redrawn cell, training cell)
    to_validation, copies = _nearest(cdist(redrawn, validation)), _nearest(to_training)
    to_training[np.arange(len(sources)), sources] = np.inf
    others = _nearest(to_training)
    if np.ptp(to_validation) == 0:
        return None
    new = linregress(to_validation, others)
    cells = _tokens(model, _dense(generated, rng, MOST))
    expected = new.intercept + new.slope * _nearest(cdist(cells, validation))
    nearer = expected - _nearest(cdist(cells, tokens))
    span = float((others - copies).mean())
    if span <= 0:
        return None
    left = others - new.intercept - new.slope * to_validation
    error = np.hypot(nearer.std() / len(nearer) ** 0.5, left.std() / len(left) ** 0.5)
    return StateCopies(float(nearer.mean()) / span, float(error) / span)


def _nearest(distances: np.ndarray) -> np.ndarray:
    """Return the log of the distance to the nearest cell, (cell,), of distances (cell, other cell)."""
    return np.log(np.maximum(distances.min(1), 1e-9))


def _dense(values: csr_matrix | CellRows, rng: np.random.Generator, most: int) -> np.ndarray:
    rows = np.sort(rng.permutation(values.shape[0])[:most])
    return np.asarray(values[rows].toarray(), dtype=np.float32)


def _encode(model: GenerativeModel, values: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the tokens (cell, token, channel) and library sizes (cell,) of measured values (cell, gene)."""
    x, library = normalise(model, torch.from_numpy(values).to(model.device))
    return model.tokenizer.encode(model.standardise(x)), library


def _tokens(model: GenerativeModel, values: np.ndarray) -> np.ndarray:
    blocks = np.array_split(values, max(1, len(values) // 512))
    return np.concatenate([_encode(model, block)[0].flatten(1).double().cpu().numpy() for block in blocks])


def _redrawn(model: GenerativeModel, values: np.ndarray, generator: torch.Generator) -> np.ndarray:
    assert model.autoencoder is not None
    parts = []
    for block in np.array_split(values, max(1, len(values) // 512)):
        tokens, library = _encode(model, block)
        logits = model.autoencoder.tokenizer.decode(tokens)  # (cell, gene)
        parts.append(model.autoencoder.head.sample(logits, library, generator=generator).cpu().numpy())
    return np.concatenate(parts).astype(np.float32)
