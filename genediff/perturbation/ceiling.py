"""What could be reached at best: one half of the measured cells as the prediction of the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from genediff.perturbation.judge import Judge

CEILING = "ceiling"
CORRELATIONS = ("pearson_delta", "pearson_perturbed")


def ceiling(judge: Judge, *, seed: int) -> pd.DataFrame:
    """Judge half of each perturbation's cells by the other half, each against controls of its own.

    Half a sample is noisier than the whole, so this is a cautious ceiling: a good prediction may pass it. No cell and
    no control is in both halves, or the noise that they share would raise the correlation.

    Returns
    -------
    pandas.DataFrame
        As ``Judge.judge``; perturbations with fewer than 4 cells are not in it.
    """
    draw = np.random.default_rng([seed, 31])
    first, second = _halves(len(judge.control), draw)
    chosen = {label: _halves(cells.shape[0], draw) for label, cells in judge.real.items() if cells.shape[0] >= 4}
    real = {label: judge.real[label][one] for label, (one, _) in chosen.items()}
    halves = replace(judge, control=judge.control[first], other_control=judge.control[second], real=real)
    return halves.judge(lambda label: judge.real[label][chosen[label][1]].toarray(), seed=seed)


def full_depth(r: float) -> float:
    """Return the correlation of two samples of full size from that of two halves (Spearman and Brown).

    NaN where the halves have nothing in common.
    """
    return 2 * r / (1 + r) if r > 0 else float("nan")


def _halves(n: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = draw.permutation(n)
    return order[: n // 2], order[n // 2 : 2 * (n // 2)]
