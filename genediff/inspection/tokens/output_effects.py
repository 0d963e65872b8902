"""Which genes each token drives, how sure that is, and whether another model of the same cells says the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from genediff.inspection.tokens.probe import Probe, some_rows
from genediff.inspection.tokens.sensitivity import sensitivity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.tokens.token_store import Activations

PROBED = 64  # cells in each half
N_DRAWS, EXCEEDING = 99, 5  # of mixtures that tokens are held against, and how many may be more alike: 5 of 100
SHARE, FEWEST, MOST = 0.05, 5, 50  # of the genes that make up one end of a token


@dataclass(frozen=True, eq=False)
class OutputEffects:
    """What some tokens do to genes.

    Attributes
    ----------
    tokens
        Their positions among the model's tokens, (token,).
    names
        Of these tokens.
    genes
        Of the model.
    change
        Change of expected log-normalised expression per standard deviation of the token, mean over the probed cells,
        (token, gene).
    repeats
        Pearson's r over genes between the changes in two halves of the probed cells, (token,): near 1 where a token
        does the same in every cell, lower where it depends on the cell.
    """

    tokens: np.ndarray
    names: tuple[str, ...]
    genes: tuple[str, ...]
    change: np.ndarray
    repeats: np.ndarray

    @property
    def n_listed(self) -> int:
        """How many genes make up one end of a token: a twentieth of all, 5 to 50."""
        return int(np.clip(round(SHARE * len(self.genes)), FEWEST, MOST))

    def listed(self) -> np.ndarray:
        """Return which genes each end of each token drives most, bool (token, end, gene): those up, then those down."""
        return ends(self.change, self.n_listed)

    def strength(self) -> np.ndarray:
        """Return how much a token moves genes on the whole: the root of the summed squares, (token,)."""
        return np.sqrt(np.square(self.change, dtype=np.float64).sum(1))


def measure_output_effects(
    cells: ReadCells,
    found: Activations,
    tokens: Sequence[int] | None = None,
    *,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> OutputEffects:
    """Measure which genes tokens drive, on up to 128 cells (always the same ones for the same seed).

    Parameters
    ----------
    tokens
        Positions of the tokens that are asked about; all where None.
    """
    asked = np.arange(len(found.names)) if tokens is None else np.asarray(tokens, dtype=np.int64)
    rows = found.rows[some_rows(len(found.rows), 2 * PROBED, seed=seed)]
    rows = np.random.default_rng(seed).permutation(rows)
    halves = []
    for i, half in enumerate(np.array_split(rows, 2)):
        probe = Probe.of(cells, np.sort(half), seed=seed + i)
        halves.append(sensitivity(probe, found.loadings, asked.tolist(), progress=partial(_in_half, progress, i)))
    repeats = _row_correlation(halves[0], halves[1])
    names = tuple(found.names[i] for i in asked)
    return OutputEffects(asked, names, cells.model.genes, (halves[0] + halves[1]) / 2, repeats)


def ends(change: np.ndarray, most: int) -> np.ndarray:
    """Return which genes rise most and which fall most, bool (token, 2, gene); a gene that stays is in neither.

    Parameters
    ----------
    change
        (token, gene)
    most
        Genes per end.
    """
    out = np.zeros((len(change), 2, change.shape[1]), dtype=bool)
    for end, sign in enumerate((1.0, -1.0)):
        top = np.argsort(-sign * change, axis=1, kind="stable")[:, :most]
        np.put_along_axis(out[:, end], top, np.take_along_axis(sign * change, top, axis=1) > 0, axis=1)
    return out


def matched(own: OutputEffects, other: OutputEffects) -> tuple[np.ndarray, np.ndarray]:
    """Return for each token the place of the other model's token that drives genes most alike, and how alike.

    Alike is the absolute Pearson correlation over the genes that both models have (a token and its mirror image say the
    same), (token,) each. Latent tokens have no order and no sign, so only the best partner means anything; with many
    tokens to choose from, some likeness comes by chance.
    """
    mine, theirs = _shared(own, other)
    r = np.abs(_scaled(mine) @ _scaled(theirs).T)  # (token, token)
    best = r.argmax(1)
    return best, r[np.arange(len(r)), best]


def likeness_by_chance(own: OutputEffects, other: OutputEffects, *, seed: int = 0) -> np.ndarray:
    """Return how alike a token is to the best of as many random mixtures of the other model's tokens, (token,).

    The 95% point over 99 draws of mixtures: where a token is more alike to a token than that, it is to that token and
    not to the space that the tokens of both models span. The median, which stood here before, is exceeded by half of
    the tokens of any two models of one space.
    """
    mine, theirs = _shared(own, other)
    mine, draw = _scaled(mine), np.random.default_rng(seed)
    mixed = (draw.normal(size=(len(theirs), len(theirs))) @ theirs for _ in range(N_DRAWS))
    best = np.stack([np.abs(mine @ _scaled(one).T).max(1) for one in mixed])  # (draw, token)
    return np.asarray(np.sort(best, axis=0)[-EXCEEDING])


def _shared(own: OutputEffects, other: OutputEffects) -> tuple[np.ndarray, np.ndarray]:
    """Return the effects of both on the genes that both models have, (token, gene) each."""
    place = {gene: position for position, gene in enumerate(other.genes)}
    pairs = [(i, place[gene]) for i, gene in enumerate(own.genes) if gene in place]
    return own.change[:, [i for i, _ in pairs]], other.change[:, [j for _, j in pairs]]


def _in_half(progress: Callable[[float], None], half: int, share: float) -> None:
    progress((half + share) / 2)


def _row_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (_scaled(a) * _scaled(b)).sum(1)


def _scaled(a: np.ndarray) -> np.ndarray:
    """Return rows without their mean and of length one; rows that do not vary are zero."""
    a = a.astype(np.float64) - a.mean(1, keepdims=True, dtype=np.float64)
    length = np.sqrt((a**2).sum(1, keepdims=True))
    return np.divide(a, length, out=np.zeros_like(a), where=length > 1e-12)
