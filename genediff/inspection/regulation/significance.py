"""Which paths are supported, how sure that is, and how it is put into words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

LEVEL = 0.05

SUPPORTED = "supported"
ATTENTION_ONLY = "attention only"
NOT_SIGNIFICANT = "not significant"

WORDS = {
    SUPPORTED: "at each of its edges the regulator's true value predicts the target better than another cell's (FDR "
    "< 5% over all edges of the network)",
    ATTENTION_ONLY: "more attention flows along it than in shuffled networks, but at one of its edges no better "
    "prediction was detected: attention alone is no evidence",
    NOT_SIGNIFICANT: "at one of its edges no better prediction was detected",
}

Tested = Literal["edge", "regulator"]
# What each test finds of what is planted, by the model's space and cells looked at, on cells of `genediff simulate` as
# it stands: a model of GRN tokens trained on the planted network (benchmarks/regulation_power.md).
POWER: dict[str, dict[Tested, tuple[tuple[int, float], ...]]] = {
    "counts": {
        "edge": ((64, 0.0), (128, 0.01), (256, 0.14), (512, 0.47), (800, 0.69)),
        "regulator": ((64, 0.29), (128, 0.67), (256, 0.75), (512, 0.96), (800, 1.0)),
    },
    "gene": {
        "edge": ((64, 0.02), (128, 0.18), (256, 0.44), (512, 0.68), (800, 0.73)),
        "regulator": ((64, 0.46), (128, 0.62), (256, 0.83), (512, 0.96), (800, 0.96)),
    },
}
ON_SIMULATED = "On simulated cells, which are simpler than real ones, the test finds about"
ASSOCIATED = "A regulator that only shares a cause with a gene predicts it too, so support is no proof of regulation."


def power(n_cells: int, what: Tested, *, space: str) -> float:
    """Return the share of what is planted that the test finds with so many cells, 0 to 1, on simulated cells."""
    cells, shares = zip(*POWER[space][what], strict=True)
    return float(np.interp(np.log(max(n_cells, 1)), np.log(cells), shares))


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


def verdicts(q: np.ndarray, flow_q: np.ndarray) -> list[str]:
    """Return the verdict on each path, from its false discovery rate and that of its flow (NaN: not measured)."""
    return [
        SUPPORTED if own < LEVEL else ATTENTION_ONLY if flow < LEVEL else NOT_SIGNIFICANT
        for own, flow in zip(q, flow_q, strict=True)
    ]


def in_words(table: pd.DataFrame, gene: str, *, end: str, n_cells: int, space: str) -> str:
    """Say what the tests found in a table of paths; a null result with the power that the test had."""
    where = f"{'into' if end == 'target' else 'out of'} **{gene}**"
    paths = table.loc[table["verdict"] == SUPPORTED].sort_values("p", kind="stable")["path"]
    if len(paths):
        first = ", ".join(paths.head(3))
        return (
            f"**{len(paths)}** of {len(table):,} paths {where} {'are' if len(paths) > 1 else 'is'} supported at every "
            f"edge in {n_cells:,} cells (FDR < 5% over all edges): {first}{' and others' if len(paths) > 3 else ''}."
        )
    none = f"None of {len(table):,} paths {where} is supported at every edge in {n_cells:,} cells"
    return f"{none} (FDR < 5% over all edges). {null_result(n_cells, 'edge', space=space)}"


def null_result(n_cells: int, what: Tested, *, space: str) -> str:
    """Say how much a null result means."""
    return (
        f"{ON_SIMULATED} {power(n_cells, what, space=space):.0%} of planted {what}s with so many cells; "
        f"a{'n' * (what == 'edge')} {what} that is not supported may still be real."
    )


def best(verdicts_of_paths: Sequence[str]) -> str:
    """Return the strongest of some verdicts."""
    return next((one for one in WORDS if one in verdicts_of_paths), verdicts_of_paths[0])
