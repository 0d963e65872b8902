"""Generated cells while one of their tokens is moved: where they lie, what they resemble, which genes follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.data.cells.training_neighbours import TrainingNeighbours, commonest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.inspection.tokens.token_store import Loadings
    from genediff.models.generative_model import GenerativeModel

N_CELLS = 120
AMOUNTS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""How far a token is moved, in standard deviations of its activity over real cells."""
NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class Start:
    """Generated cells before a token is moved; the same for every token of a model.

    Attributes
    ----------
    tokens
        As the model generated them, (cell, token, channel).
    library
        What belongs to a state beside its tokens, (cell, 0 or 1).
    expected
        Log-normalised expression that is expected of them, (cell, gene).
    seed
        Of the counts that are drawn.
    """

    tokens: Tensor
    library: Tensor
    expected: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class Steered:
    """The same generated cells with one token moved by each amount.

    Attributes
    ----------
    token
        Position of the token that was moved.
    amounts
        In standard deviations of the token's activity, (amount,).
    xy
        On the data set's map, (amount, cell, 2); None where it has none.
    change
        Mean over cells of the change of expected log-normalised expression from amount 0, (amount, gene).
    nearest
        The label that most of the 15 nearest training cells have, as a number, (amount, cell); -1 for none.
    """

    token: int
    amounts: tuple[float, ...]
    xy: np.ndarray | None
    change: np.ndarray
    nearest: np.ndarray


@torch.no_grad()
def start_cells(model: GenerativeModel, dataset: Dataset, *, n_cells: int = N_CELLS, seed: int = 0) -> Start:
    """Generate the cells whose tokens are to be moved.

    Raises
    ------
    InputError
        When the model does not generate tokens, or has other genes than the data set.
    """
    if not model.in_latent_space:
        raise InputError("Only models in latent space generate tokens that can be moved; choose another model.")
    if tuple(model.genes) != tuple(dataset.genes):
        raise InputError("The model has other genes than these cells, so generated cells have no place among them.")
    codes = model.level_codes(n_cells, None, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    states = model.states(codes, config=model.sample_config(), generator=generator)
    tokens, library = model.tokens_of(states), states[:, model.tokenizer.layout.size :]
    return Start(tokens, library, _log_expected(model, _state(model, tokens, library)), seed)


@torch.no_grad()
def steer(
    model: GenerativeModel,
    dataset: Dataset,
    loadings: Loadings,
    start: Start,
    token: int,
    *,
    place: Callable[[np.ndarray], np.ndarray] | None,
    amounts: Sequence[float] = AMOUNTS,
    progress: Callable[[float], None] = lambda share: None,
) -> Steered:
    """Decode generated cells again with a token moved along its first principal component.

    All other tokens stay as they were generated. Counts are drawn from the same random numbers at each amount, so that
    cells lie among real ones (expected counts, which have no zeros, do not) and what moves is the token's doing; the
    change of genes is that of what is expected.

    Parameters
    ----------
    start
        The cells, from `start_cells` with the same model and data.
    token
        Position of the token to move.
    place
        From principal components (cell, pc) to the map (cell, 2); None for data without one.
    """
    shift = torch.from_numpy(loadings.direction[token] * loadings.spread[token]).to(start.tokens)  # (channel,)
    pcs, change = [], []
    for number, amount in enumerate(amounts):
        moved = start.tokens.clone()
        moved[:, token] += amount * shift
        state = _state(model, moved, start.library)
        change.append((_log_expected(model, state) - start.expected).mean(0))
        values, _ = model.to_cells(state, generator=torch.Generator().manual_seed(start.seed))  # (cell, gene)
        x = dataset.normalise(values.numpy()) if model.spec.has_counts else values.numpy()
        pcs.append(np.asarray(dataset.project(x)))
        progress(0.5 * (number + 1) / len(amounts))
    all_pcs = np.concatenate(pcs)
    label = dataset.info.label
    codes = np.full(dataset.info.n_cells, -1) if label is None else dataset.codes(label)
    _, rows = TrainingNeighbours(dataset).of(all_pcs, NEIGHBOURS)
    nearest = commonest(codes[rows])
    progress(0.6)
    xy = None if place is None else place(all_pcs)  # in one call: much of the cost is per call
    return Steered(
        token=token,
        amounts=tuple(amounts),
        xy=None if xy is None else xy.reshape(len(amounts), -1, 2),
        change=np.stack(change).astype(np.float32),
        nearest=nearest.reshape(len(amounts), -1),
    )


def _state(model: GenerativeModel, tokens: Tensor, library: Tensor) -> Tensor:
    return torch.cat([(tokens.flatten(1) - model.token_mean) / model.token_std, library], dim=1)


def _log_expected(model: GenerativeModel, state: Tensor) -> np.ndarray:
    mean = model.expected(state)  # (cell, gene)
    return model.log_normalise(mean, mean.sum(1).clamp(min=1e-9)).cpu().numpy()
