"""How well measured cells predict measured cells: one half of a perturbation's cells against the other half."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.stats import false_discovery_rates

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp

    from genediff.perturbation.prediction_scores import Judge

REPLICATE = "replicate"
DUPLICATE = "duplicate"
REPLICATE_TITLE = "Replicate (half of the measured cells)"
CORRELATIONS = ("pearson_delta", "pearson_perturbed")


@dataclass(frozen=True, eq=False)
class Halves:
    """The measured cells of every perturbation and the controls, in two halves that share no cell.

    Attributes
    ----------
    judge
        By the first half of each perturbation's cells and of the controls; predictions are set against the second half
        of the controls. Perturbations with fewer than 4 cells are not in it.
    cells
        x of the second half of each perturbation's cells, CSR (cell, gene).
    controls
        Which controls are the second half, as positions.
    """

    judge: Judge
    cells: dict[str, sp.csr_matrix]
    controls: np.ndarray

    def replicate(self) -> pd.DataFrame:
        """Judge one half by the other, as ``Judge.judge`` does.

        A replicate is no ceiling: it carries noise of its own, so a good prediction may pass it. No cell and no control
        is in both halves, or the noise that they share would raise the correlation.
        """
        return self.judge.judge(lambda label: self.cells[label].toarray())

    def interpolated_duplicate(self) -> pd.DataFrame:
        """Judge one half, less its noise, by the other: what a very good prediction can reach on these data.

        The mean of the half is followed where a gene differs from the cells of all other perturbations, and the mean
        change of training perturbations elsewhere (`interpolate`). Measures of cells and of responding genes are those
        of the half as it is.
        """
        sums = {label: (_row(x.sum(0)), _row(x.multiply(x).sum(0))) for label, x in self.cells.items()}
        first, second = (np.sum([one[place] for one in sums.values()], axis=0) for place in (0, 1))
        n = sum(x.shape[0] for x in self.cells.values())
        shared = 0.0 if self.judge.shared is None else self.judge.shared
        baseline = self.judge.other_control_mean + shared

        def mean_of(label: str) -> np.ndarray:
            own = sums[label]
            rest = first - own[0], second - own[1], n - self.cells[label].shape[0]
            return interpolate(self.cells[label].toarray(), rest, baseline)

        return self.judge.judge(lambda label: self.cells[label].toarray(), mean_of=mean_of)


def split_halves(judge: Judge, *, seed: int) -> Halves:
    """Divide the measured cells of every perturbation, and the controls, into halves at random."""
    draw = np.random.default_rng([seed, 31])
    first, second = _halves(len(judge.control), draw)
    chosen = {label: _halves(cells.shape[0], draw) for label, cells in judge.real.items() if cells.shape[0] >= 4}
    real = {label: judge.real[label][one] for label, (one, _) in chosen.items()}
    halved = replace(judge, control=judge.control[first], other_control=judge.control[second], real=real)
    return Halves(halved, {label: judge.real[label][other] for label, (_, other) in chosen.items()}, second)


def interpolate(cells: np.ndarray, rest: tuple[np.ndarray, np.ndarray, int], baseline: np.ndarray) -> np.ndarray:
    """Return the interpolated duplicate of some cells, (gene,): their mean, mixed towards a baseline gene by gene.

    The weight of the mean is 1 - p, by Welch's t-test against the cells of all other perturbations, p adjusted over
    genes after Benjamini and Hochberg: genes that the perturbation moves are followed, noise of the others is not
    (Miller et al. 2025, doi:10.1101/2025.10.20.683304).

    Parameters
    ----------
    cells
        x, (cell, gene).
    rest
        Sum and sum of squares over all other perturbed cells, (gene,) each, and how many there are.
    baseline
        Mean x that a perturbation of which nothing is known would have, (gene,).
    """
    from scipy.stats import ttest_ind_from_stats

    n, n_rest = len(cells), rest[2]
    mean = cells.mean(0, dtype=np.float64)
    if n < 2 or n_rest < 2:
        return mean
    others = rest[0] / n_rest
    spread = np.sqrt(np.maximum(rest[1] / n_rest - others**2, 0.0) * n_rest / (n_rest - 1))
    own = cells.std(0, ddof=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        # As many cells on both sides, as in the paper: small groups are then not called different by chance.
        p = ttest_ind_from_stats(mean, own, n, others, spread, n, equal_var=False).pvalue
    weight = 1 - false_discovery_rates(np.where(np.isfinite(p), p, 1.0))
    return weight * mean + (1 - weight) * baseline


def _row(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).ravel()


def _halves(n: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = draw.permutation(n)
    return order[: n // 2], order[n // 2 : 2 * (n // 2)]
