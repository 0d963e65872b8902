"""Does the true value of a regulator improve the prediction of a gene, more than another cell's value does?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

CLIPPED = 5.0  # standard deviations, or one cell with a gene that is hardly ever seen would decide


@dataclass(frozen=True, eq=False)
class GainTest:
    """Share of the squared error that the true values remove, and its one-sided p-value, (item,) each."""

    gain: np.ndarray
    p: np.ndarray


def within_groups(groups: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return an order of cells in which each is replaced by another of its group, (cell,)."""
    order = np.arange(len(groups))
    for code in np.unique(groups):
        shifted = draw.permutation(np.flatnonzero(groups == code))
        order[shifted] = np.roll(shifted, 1)
    return order


def improvements(truth: np.ndarray, own: np.ndarray, exchanged: np.ndarray) -> np.ndarray:
    """Return how far what the true value changes points towards the gene, (cell, item): above 0 on average if it helps.

    Parameters
    ----------
    truth
        What the gene is, (cell, item).
    own, exchanged
        Predictions from a regulator's own value, and from that of another cell of the same group; several copies with
        other noise and other cells each, (copy, cell, item).

    Notes
    -----
    The product of a change, own - exchanged (with the same noise), and an error, truth - exchanged, of which the two
    halves of the copies give one each, in turn. Copies are averaged before they are multiplied, so that noise that was
    added to the cells does not bury a weak edge; means are those of the fall in squared error of one prediction. If the
    value says nothing of the gene within a group, own and exchanged predictions are exchangeable and the product is
    symmetric around zero, whatever else the predictions share. A prediction *without* a path is no such partner: an
    edge also takes part in how a gene reads its own noisy value, and cutting it costs even where nothing is learned of
    the regulator.
    """
    half = len(exchanged) // 2
    first, second = exchanged[:half].mean(0), exchanged[half:].mean(0)
    return (own[:half].mean(0) - first) * (truth - second) + (own[half:].mean(0) - second) * (truth - first)


def gain_test(truth: np.ndarray, own: np.ndarray, exchanged: np.ndarray) -> GainTest:
    """Test whether true values improve predictions; parameters of `improvements`."""
    error = ((truth - exchanged) ** 2).mean((0, 1))
    gain = error - ((truth - own) ** 2).mean((0, 1))
    share = np.divide(gain, error, out=np.zeros_like(error), where=error > 0)
    return GainTest(share, _p(improvements(truth, own, exchanged)))


def joint_p(improved: np.ndarray) -> float:
    """Return the one-sided p-value for one regulator over several genes (cell, gene), which count alike.

    A t-test over cells, so that genes that move together do not count as independent.
    """
    spread = improved.std(0)
    there = spread > 1e-15
    if not there.any():
        return 1.0
    return float(_p((improved[:, there] / spread[there]).mean(1)[:, None])[0])


def _p(improved: np.ndarray) -> np.ndarray:
    limit = CLIPPED * improved.std(0)
    clipped = np.clip(improved, -limit, limit)  # symmetric, as they are under the null hypothesis
    n = len(clipped)
    error = clipped.std(0, ddof=1) / np.sqrt(n)
    t = np.divide(clipped.mean(0), error, out=np.zeros(clipped.shape[1]), where=error > 1e-15)
    return np.where(error > 1e-15, student.sf(t, n - 1), 1.0)
