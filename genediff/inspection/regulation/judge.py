"""Is a path stronger than in shuffled networks, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

LEVEL = 0.05

SUPPORTED = "supported"
ATTENTION_ONLY = "attention without effect"
EFFECT_ONLY = "effect without attention"
NOT_TOLD = "not told from chance"

WORDS = {
    SUPPORTED: "cutting it makes the prediction of the gene worse than cutting paths of shuffled networks does, and no "
    "less flows along it than along those",
    ATTENTION_ONLY: "the model looks along it more than chance has it, but cutting it costs the prediction no more "
    "than chance: attention and ablation disagree, believe the ablation",
    EFFECT_ONLY: "cutting it makes the prediction worse than chance has it, though less flows along it than along most "
    "paths of shuffled networks: attention and ablation disagree, believe the ablation",
    NOT_TOLD: "what cutting it costs does not stand out from paths of shuffled networks",
}


def empirical_p(values: np.ndarray, lengths: np.ndarray, null: np.ndarray, null_lengths: np.ndarray) -> np.ndarray:
    """Return (b + 1) / (n + 1) for each value: b of the n null values of the same length are at least as large.

    Parameters
    ----------
    values, lengths
        Of paths, and how many steps each has, (path,).
    null, null_lengths
        Of paths at the same gene in all shuffled networks.
    """
    p = np.ones(len(values))
    for length in np.unique(lengths):
        here = np.sort(null[null_lengths == length])
        mine = lengths == length
        reached = len(here) - np.searchsorted(here, values[mine], side="left")
        p[mine] = (reached + 1) / (len(here) + 1)
    return p


def adjusted(p: np.ndarray) -> np.ndarray:
    """Return the smallest false discovery rate at which each hypothesis falls (Benjamini and Hochberg 1995)."""
    if not len(p):
        return p.copy()
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(scaled)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return q


def verdicts(flow_p: np.ndarray, flow_q: np.ndarray, help_q: np.ndarray) -> list[str]:
    """Return what is said of each path.

    Supported are those whose cut costs more than in shuffled networks (q below 0.05), unless less flows along them than
    along most paths there (p above 0.5).
    """
    found = []
    for p, q, cost in zip(flow_p, flow_q, help_q, strict=True):
        if cost < LEVEL:
            found.append(SUPPORTED if p <= 0.5 else EFFECT_ONLY)
        else:
            found.append(ATTENTION_ONLY if q < LEVEL else NOT_TOLD)
    return found


def in_words(table: pd.DataFrame, gene: str, *, end: str, n_shuffled: int) -> str:
    """Say what the tests found in a table of paths, and where attention and ablation disagree."""
    counts = table["verdict"].value_counts()
    tested = f"{len(table):,} path{'s' if len(table) != 1 else ''} {'into' if end == 'target' else 'out of'} **{gene}**"
    if not counts.get(SUPPORTED, 0):
        said = (
            f"None of the {tested} costs the prediction more, when it is cut, than paths of {n_shuffled} shuffled "
            "networks."
        )
    else:
        best = ", ".join(table.loc[table["verdict"] == SUPPORTED, "path"].head(3))
        said = (
            f"{counts[SUPPORTED]} of the {tested} {'are' if counts[SUPPORTED] > 1 else 'is'} supported "
            f"against {n_shuffled} shuffled networks: {best}{' and others' if counts[SUPPORTED] > 3 else ''}."
        )
    return " ".join([said, *_disagreements(table)])


def _disagreements(table: pd.DataFrame) -> Sequence[str]:
    found = []
    for verdict, words in (
        (ATTENTION_ONLY, "the model looks, but cutting costs no more than chance"),
        (EFFECT_ONLY, "cutting costs the prediction, though little flows"),
    ):
        paths = table.loc[table["verdict"] == verdict, "path"]
        if len(paths):
            more = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
            found.append(f"Attention and ablation disagree on {', '.join(paths.head(2))}{more} ({words}).")
    return found
