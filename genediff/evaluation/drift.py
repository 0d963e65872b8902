"""Genes whose generated values are distributed least like the real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_SWAPS, EXCEEDING = 59, 3
"""Times that cells change sides, and how many of them may come further: 3 of 60 is 5%."""
_BLOCK = 500  # genes


@dataclass(frozen=True)
class Drift:
    """One gene that drifted.

    Parameters
    ----------
    gene
        Its name.
    distance
        Kolmogorov-Smirnov distance between generated and real log-normalised expression, 0 to 1.
    mean_generated, mean_real
        Mean log-normalised expression.
    zeros_generated, zeros_real
        Share of cells without a count.
    direction
        What is wrong, in words.
    """

    gene: str
    distance: float
    mean_generated: float
    mean_real: float
    zeros_generated: float
    zeros_real: float
    direction: str


def ks_distances(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance of each gene, `(gene,)`.

    Parameters
    ----------
    generated, real
        Log-normalised expression, `(cell, gene)`.
    """
    distances = np.empty(generated.shape[1])
    generated, real = np.sort(generated, axis=0), np.sort(real, axis=0)
    for gene in range(generated.shape[1]):
        g, r = generated[:, gene], real[:, gene]
        points = np.concatenate([g, r])
        below_g = np.searchsorted(g, points, side="right") / len(g)
        below_r = np.searchsorted(r, points, side="right") / len(r)
        distances[gene] = np.abs(below_g - below_r).max()
    return distances


def chance_distance(
    generated: np.ndarray, real: np.ndarray, generated_codes: np.ndarray, real_codes: np.ndarray, *, seed: int = 0
) -> float:
    """Return the distance that the furthest of all genes exceeds by chance in 5% of cases.

    Cells change sides at random within their types, and the largest distance of any gene is noted each time
    (single-step maxT, Westfall and Young 1993). The largest distance between two real samples, which stood here
    before, is itself exceeded in half of all cases.

    Parameters
    ----------
    generated, real
        Log-normalised expression, `(cell, gene)`.
    generated_codes, real_codes
        Types as numbers, `(cell,)`.
    seed
        Of the changes of sides.
    """
    n, m = len(generated), len(real)
    codes, own = np.concatenate([generated_codes, real_codes]), np.repeat([True, False], [n, m])
    rng, sides = np.random.default_rng(seed), np.empty((N_SWAPS, n + m), dtype=np.float32)
    for swapped in sides:
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code)
            swapped[rows] = np.where(rng.permutation(own[rows]), 1 / n, -1 / m)
    largest = np.zeros(N_SWAPS)
    for start in range(0, generated.shape[1], _BLOCK):
        values = np.concatenate([part[:, start : start + _BLOCK] for part in (generated, real)])
        order = np.argsort(values, axis=0, kind="stable")  # (cell, gene)
        values = np.take_along_axis(values, order, axis=0)
        last = np.ones(values.shape, dtype=bool)  # of a run of ties: distribution functions step there only
        last[:-1] = values[1:] != values[:-1]
        for number, swapped in enumerate(sides):
            apart = np.abs(np.cumsum(swapped[order], axis=0))
            largest[number] = max(largest[number], float(apart.max(where=last, initial=0.0)))
    return float(np.sort(largest)[-EXCEEDING])


def most_drifted(generated: np.ndarray, real: np.ndarray, genes: tuple[str, ...], *, n: int = 50) -> tuple[Drift, ...]:
    """Return the genes with the largest distance, worst first.

    Parameters
    ----------
    generated, real
        Log-normalised expression, `(cell, gene)`.
    genes
        Their names.
    n
        How many.
    """
    distances = ks_distances(generated, real)
    worst = np.argsort(-distances, kind="stable")[:n]
    return tuple(_describe(genes[g], float(distances[g]), generated[:, g], real[:, g]) for g in worst)


def _describe(gene: str, distance: float, generated: np.ndarray, real: np.ndarray) -> Drift:
    mean_g, mean_r = float(generated.mean()), float(real.mean())
    zeros_g, zeros_r = float((generated == 0).mean()), float((real == 0).mean())
    shift = mean_g - mean_r
    if abs(zeros_g - zeros_r) > 0.6 * distance:
        direction = "too often zero" if zeros_g > zeros_r else "too rarely zero"
    elif abs(shift) > 0.2 * float(real.std() + 1e-8):
        direction = "too high" if shift > 0 else "too low"
    else:
        direction = "too variable" if generated.std() > real.std() else "too little variable"
    return Drift(gene, distance, mean_g, mean_r, zeros_g, zeros_r, direction)
