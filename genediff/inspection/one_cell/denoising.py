"""How cells come out of noise, step by step: on the map of real cells, in token space, and as pathway scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.diffusion import Recording
    from genediff.models.generative_model import GenerativeModel

    Score = Callable[[Tensor, np.ndarray], np.ndarray]  # tokens (cell, token, channel), z (cell, gene) -> (cell, row)

MEASURED = "counts"
MOST_ROWS = 24


@dataclass(frozen=True, eq=False)
class Denoising:
    """A recording, ready to be drawn. Frames are the noise, steps, the sample, and last the cell as it was drawn.

    Attributes
    ----------
    frames
        Names, such as "noise", "step 3", "counts".
    xy
        On the data set's map, (frame, cell, 2); None where it has no map.
    tokens
        First two principal components of real cells' tokens, (frame, cell, 2); the last frame repeats the one before.
    real_tokens
        Of real cells, (real cell, 2).
    explained
        Share of the real tokens' variance on each axis, (2,).
    rows
        Names of what is scored: pathways, or tokens with a name.
    scores
        Mean over the cells of a group, (frame, row, group).
    groups
        Names of the groups with cells, and ``codes`` (cell,) says which one a cell is in.
    """

    frames: tuple[str, ...]
    xy: np.ndarray | None
    tokens: np.ndarray
    real_tokens: np.ndarray
    explained: np.ndarray
    rows: tuple[str, ...]
    scores: np.ndarray
    groups: tuple[str, ...]
    codes: np.ndarray


def denoise(
    model: GenerativeModel,
    recording: Recording,
    drawn: np.ndarray,
    dataset: Dataset,
    *,
    real: Tensor,
    labels: Sequence[str],
    rows: Sequence[str],
    score: Score,
    place: Callable[[np.ndarray], np.ndarray] | None,
    progress: Callable[[float], None] = lambda share: None,
) -> Denoising:
    """Work out what every recorded state looks like.

    States on the way are decoded as if they were finished, without the chance of counting; the last frame is the cell
    as it was generated, counts and all.

    Parameters
    ----------
    drawn
        The same cells as they were generated, log-normalised, in the data set's genes, (cell, gene).
    real
        Tokens of real cells, (real cell, token, channel): they span the axes of token space.
    labels
        Group of each cell, (cell,).
    rows, score
        What is scored, and how: from tokens and standardised expression in the data set's genes to (cell, row).
        States are standardised by real cells that were decoded in the same way, and the last frame by real cells as
        they were measured: expected counts have higher logarithms than counted ones.
    place
        From principal components (cell, pc) to the map (cell, 2); None for data without a map.

    Raises
    ------
    InputError
        When the model lacks genes of the data set.
    """
    n_cells = recording.states.shape[1]
    values, scored, codes = [], [], []
    axes = _Axes.of(real)
    measured = _moments_of(dataset)
    decoded = _decoded_moments(model, real, dataset) if model.in_latent_space else measured
    steps = [*range(len(recording.steps)), len(recording.steps) - 1]
    for number, frame in enumerate(steps):
        state = recording.states[frame].to(model.device)
        tokens = model.tokens_of(state)
        last = number == len(steps) - 1
        x = drawn if last else _expression(model, state, dataset)  # (cell, gene)
        values.append(dataset.project(x))
        mean, std = measured if last else decoded
        scored.append(score(tokens, (x - mean) / std))
        codes.append(axes.project(tokens))
        progress(0.4 * (number + 1) / len(steps))
    xy = None
    if place is not None:
        # All frames at once: the placer's cost is mostly per call.
        xy = place(np.concatenate(values)).reshape(len(steps), n_cells, 2)
    progress(1.0)
    groups = tuple(sorted(set(labels)))
    of_cell = np.array([groups.index(label) for label in labels])
    means = np.stack([[one[of_cell == g].mean(0) for g in range(len(groups))] for one in scored])  # (frame, group, row)
    kept = telling_rows(means[-1].T)
    return Denoising(
        frames=_frames(model, recording),
        xy=xy,
        tokens=np.stack(codes).astype(np.float32),
        real_tokens=axes.project(real).astype(np.float32),
        explained=axes.explained,
        rows=tuple(rows[i] for i in kept),
        scores=means.transpose(0, 2, 1)[:, kept].astype(np.float32),
        groups=groups,
        codes=of_cell,
    )


def _frames(model: GenerativeModel, recording: Recording) -> tuple[str, ...]:
    """Return what frames are called: steps, or in count space how many molecules a typical cell has."""
    if not model.in_count_space:
        return ("noise", *(f"step {step}" for step in recording.steps[1:]), MEASURED)
    read = recording.states.sum(2).median(1).values.round().int().tolist()
    return (*(f"{n:,} molecules" for n in read), MEASURED)


def telling_rows(scores: np.ndarray, *, most: int = MOST_ROWS) -> np.ndarray:
    """Return the rows of (row, group) that differ most between groups, sorted by the group they are highest in."""
    spread = scores.std(1) if scores.shape[1] > 1 else np.abs(scores[:, 0])
    kept = np.argsort(-spread, kind="stable")[:most]
    best = scores[kept].argmax(1)
    return kept[np.lexsort((-scores[kept].max(1), best))]


def _expression(model: GenerativeModel, state: Tensor, dataset: Dataset) -> np.ndarray:
    """Return expected log-normalised expression in the data set's genes, (cell, gene)."""
    position = {gene: i for i, gene in enumerate(model.genes)}
    missing = [gene for gene in dataset.genes if gene not in position]
    if missing:
        raise InputError(f"The model lacks {len(missing)} genes of these cells ({missing[0]}, …), so they have no map.")
    expected = model.expected(state)[:, [position[gene] for gene in dataset.genes]].cpu().numpy()
    found: Any = dataset.normalise(expected) if dataset.info.has_counts else expected
    return np.asarray(found, dtype=np.float32)


def _moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of x (cell, gene), sparse or dense, (gene,) each."""
    mean = np.asarray(x.mean(axis=0)).ravel()
    square = np.asarray((x.multiply(x) if hasattr(x, "multiply") else x * x).mean(axis=0)).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 1e-4))


def _moments_of(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of a data set's training cells; of large ones block by block."""
    if not dataset.left_on_disk:
        return _moments(dataset.x("train"))
    mean, variance = dataset.x_moments("train")
    return mean, np.sqrt(np.maximum(variance, 1e-4))


def _decoded_moments(model: GenerativeModel, real: Tensor, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of real cells that were encoded, and decoded as states are, with a typical library."""
    import torch

    state = (real.flatten(1) - model.token_mean) / model.token_std
    if model.spec.has_counts:
        state = torch.cat([state, state.new_zeros(len(state), 1)], dim=1)
    return _moments(_expression(model, state, dataset))


@dataclass(frozen=True, eq=False)
class _Axes:
    """The two directions in which real cells' tokens differ most."""

    mean: np.ndarray
    directions: np.ndarray
    explained: np.ndarray

    @classmethod
    def of(cls, real: Tensor) -> _Axes:
        from sklearn.decomposition import PCA

        flat = real.flatten(1).double().cpu().numpy()
        if flat.shape[1] == 1:
            flat = np.column_stack([flat, np.zeros(len(flat))])
        fitted = PCA(2, svd_solver="randomized" if flat.shape[1] > 500 else "full", random_state=0).fit(flat)
        return cls(fitted.mean_, fitted.components_, fitted.explained_variance_ratio_)

    def project(self, tokens: Tensor) -> np.ndarray:
        """Map tokens (cell, token, channel) to (cell, 2)."""
        flat = tokens.flatten(1).double().cpu().numpy()
        if flat.shape[1] == 1:
            flat = np.column_stack([flat, np.zeros(len(flat))])
        return (flat - self.mean) @ self.directions.T
