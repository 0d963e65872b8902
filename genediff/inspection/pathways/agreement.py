"""Token-pathway agreement: a token's activation against a score of the same gene set computed without the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from scipy.stats import t as student

from genediff.core.stats import false_discovery_rates
from genediff.inspection.pathways.set_scores import Ranks, dense, membership

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import scipy.sparse as sp

    from genediff.knowledge import GeneSets

DRAWS = 40
MOST_CELLS = 2000
INACTIVE = 0.02  # of the usual spread of an activation
CLEARLY = 0.1  # by how much another set has to correlate better
LEAST_R, LEAST_WITHIN = 0.3, 0.1  # below, over all cells or inside labels, a correlation is no agreement
LEVEL = 0.05
TWINS = 0.3  # sets that share more of their genes (Jaccard) cannot be distinguished
_LEVELS = 10
_GENES_PER_LEVEL = 50  # fewer levels where there are few genes, or the random sets are the sets themselves

VERDICTS = {
    "agrees": "Correlates with its gene set more than random sets do (FDR < 5%): r is 0.3 or more, 0.1 or more within "
    "cell types, and no other set correlates much better.",
    "weak": "Correlates with its gene set more than random sets do, but weakly: r below 0.3, or below 0.1 within cell "
    "types. It may separate cell types and little else.",
    "ambiguous": "Correlates with its gene set, but clearly better with another set of other genes.",
    "no agreement": "No stronger correlation with its gene set than with random sets of the same expression was "
    "detected: nothing shows that the name describes it.",
    "inactive": "Hardly varies between cells.",
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """How activations agree with an independent score.

    Attributes
    ----------
    table
        One row per token, in their order: ``token``; ``genes`` of its set that were measured; ``r``, Spearman's
        correlation over cells between activation and score, and its interval ``low`` to ``high``; ``r_within``, the
        same inside labels, their mean by size (NaN without labels); ``chance``, the 95% point of r for sets of as many
        random genes of the same mean expression; ``p`` of r against those (one-sided, t distribution of their
        standardised r) and ``fdr`` over tokens; ``rival``, the other set that it correlates with best, ``rival_r``;
        ``verdict``, a key of VERDICTS.
    scores
        The independent scores, float32 (token, cell).
    rows
        Which of the cells given they are of, (cell,).
    """

    table: pd.DataFrame
    scores: np.ndarray
    rows: np.ndarray


def agreement(
    values: np.ndarray,
    x: Any,
    gene_sets: GeneSets,
    genes: Sequence[str],
    *,
    kind: str = "ssgsea",
    labels: np.ndarray | None = None,
    draws: int = DRAWS,
    most: int = MOST_CELLS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Agreement:
    """Compare activations with scores of the same sets.

    Parameters
    ----------
    values
        Activations, (token, cell), in the order of the sets.
    x
        Log-normalised expression of the same cells, sparse or dense (cell, gene).
    gene_sets
        One set per token, of the same name.
    genes
        Names of the columns of x.
    kind
        The independent score: "ssgsea" or "ulm".
    labels
        A code per cell, (cell,), -1 for none: agreement is then also taken inside labels.
    draws
        How often sets of random genes are drawn.
    most
        Cells that are drawn at random, with a fixed seed, where there are more.
    progress
        Told the share that is done; may raise to stop.
    """
    if values.shape != (len(gene_sets.sets), x.shape[0]):
        raise ValueError(
            f"values {values.shape} are not one row per set ({len(gene_sets.sets)}) and cell ({x.shape[0]})"
        )
    draw = np.random.default_rng(seed)
    rows = np.sort(draw.permutation(x.shape[0])[:most])
    own, cells = np.asarray(values[:, rows], dtype=np.float64), x[rows]
    member = membership(gene_sets, genes)
    score = _scorer(kind, cells)
    scores = score(member)
    ranked = _ranked(own)
    r = ranked @ _ranked(scores).T / len(rows)  # (token, set)
    chance = np.empty((draws, len(own)))
    levels = _expression_levels(x)
    for i in range(draws):
        order = _shuffled_within(levels, draw)
        chance[i] = (ranked * _ranked(score(member[:, order]))).mean(1)
        progress((i + 1) / draws)
    within = _within(own, scores, None if labels is None else labels[rows])
    return Agreement(_table(list(gene_sets.sets), member, r, chance, own, within), scores, rows)


def against_chance(r: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return one-sided p-values of correlations (token,) against those of random sets, (draw, token).

    Standardised by their mean and spread, so that few draws give small p-values too (t distribution).
    """
    n = len(chance)
    if n < 3:
        return np.ones(len(r))
    spread = np.maximum(chance.std(0, ddof=1), 1e-9)
    return np.asarray(student.sf((r - chance.mean(0)) / (spread * np.sqrt(1 + 1 / n)), n - 1))


def spearman_interval(r: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the 95% interval of Spearman correlations over n cells (Bonett and Wright 2000)."""
    half = 1.96 * np.sqrt((1 + r**2 / 2) / max(n - 3, 1))
    z = np.arctanh(np.clip(r, -0.999999, 0.999999))
    return np.tanh(z - half), np.tanh(z + half)


def _scorer(kind: str, cells: Any) -> Callable[[sp.csr_matrix], np.ndarray]:
    if kind == "ulm":
        z = _standardised(dense(cells))  # (gene, cell)
        centre, spread = z.mean(0), np.maximum(z.std(0), 1e-6)

        def t_values(member: sp.csr_matrix) -> np.ndarray:
            # As `ulm`, from the point-biserial correlation: what does not depend on the sets is at hand.
            size = np.maximum(np.asarray(member.sum(1), dtype=np.float64), 1.0)
            n = len(z)
            r = (member @ z / size - centre) / spread * np.sqrt(size / np.maximum(n - size, 1))
            r = np.clip(r, -0.999999, 0.999999)
            return r * np.sqrt((n - 2) / (1 - r**2))

        return t_values
    if kind != "ssgsea":
        raise ValueError(f"unknown score {kind!r}; known: ssgsea, ulm")
    # Ranks are the costly part, and the same for all sets.
    return Ranks.of(dense(cells)).ssgsea


def _standardised(x: np.ndarray) -> np.ndarray:
    """Return each gene in its own standard deviations over the cells, float32 (gene, cell), of x (cell, gene)."""
    z = x - x.mean(0)
    spread = z.std(0)
    return np.ascontiguousarray((z / np.where(spread > 1e-6, spread, 1.0)).T, dtype=np.float32)


def _table(
    names: list[str], member: sp.csr_matrix, r: np.ndarray, chance: np.ndarray, own: np.ndarray, within: np.ndarray
) -> pd.DataFrame:
    size = np.asarray(member.sum(1)).ravel()
    shared = np.asarray((member @ member.T).todense())
    twins = shared > TWINS * (size[:, None] + size[None] - shared)
    others = np.where(twins, -np.inf, r)
    np.fill_diagonal(others, -np.inf)
    rival = others.argmax(1)
    rival_r = others[np.arange(len(names)), rival]
    mine = np.diag(r)
    low, high = spearman_interval(mine, own.shape[1])
    p = against_chance(mine, chance)
    fdr = false_discovery_rates(p)
    spread = own.std(1)
    verdict = np.where(mine - rival_r < -CLEARLY, "ambiguous", "agrees").astype(object)
    verdict[(mine < LEAST_R) | (within < LEAST_WITHIN)] = "weak"  # NaN, without labels, is not below
    verdict[fdr >= LEVEL] = "no agreement"
    verdict[spread <= INACTIVE * max(float(np.median(spread)), 1e-12)] = "inactive"
    known = np.isfinite(rival_r)
    return pd.DataFrame(
        {
            "token": names,
            "genes": size.astype(int),
            "r": mine,
            "low": low,
            "high": high,
            "r_within": within,
            "chance": np.quantile(chance, 0.95, axis=0),
            "p": p,
            "fdr": fdr,
            "rival": [names[i] if yes else "" for i, yes in zip(rival, known, strict=True)],
            "rival_r": np.where(known, rival_r, np.nan),
            "verdict": verdict,
        }
    )


def _within(own: np.ndarray, scores: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Return Spearman's r inside labels with 20 cells or more, the mean by size, (token,)."""
    if labels is None:
        return np.full(len(own), np.nan)
    found, sizes = [], []
    for code in np.unique(labels[labels >= 0]):
        here = labels == code
        if here.sum() >= 20:
            found.append((_ranked(own[:, here]) * _ranked(scores[:, here])).mean(1))
            sizes.append(here.sum())
    return np.average(found, axis=0, weights=sizes) if found else np.full(len(own), np.nan)


def _ranked(values: np.ndarray) -> np.ndarray:
    """Return ranks over cells with mean 0 and variance 1, (row, cell); zeros where nothing varies."""
    ranks = np.asarray(rankdata(values, axis=1))
    ranks = ranks - ranks.mean(1, keepdims=True)
    spread = ranks.std(1, keepdims=True)
    return np.divide(ranks, spread, out=np.zeros_like(ranks), where=spread > 0)


def _expression_levels(x: Any) -> np.ndarray:
    """Return for each gene which level of mean expression it is in, at most ten of as many genes, (gene,)."""
    place = np.argsort(np.argsort(np.asarray(x.mean(0)).ravel(), kind="stable"), kind="stable")
    n_levels = min(_LEVELS, max(1, len(place) // _GENES_PER_LEVEL))
    return place * n_levels // len(place)


def _shuffled_within(levels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return an order of genes in which each is replaced by one of its own level."""
    order = np.arange(len(levels))
    for level in np.unique(levels):
        here = np.flatnonzero(levels == level)
        order[here] = draw.permutation(here)
    return order
