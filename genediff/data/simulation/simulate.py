"""Cells drawn from a known world: every regulator, pathway and perturbation effect in them is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.data.simulation.truth import CONTROL, Perturbation, to_uns
from genediff.data.simulation.truth_draw import draw_truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from genediff.data.simulation.truth import Truth

UNS_KEY = "simulation"


@dataclass(frozen=True)
class Noise:
    """What makes two cells of one type differ; each can be 0.

    Attributes
    ----------
    depth, depth_spread
        Median counts of a cell in which nothing is moved, and the standard deviation of their logarithm.
    dispersion
        Counts have variance mean + dispersion x mean².
    ambient
        Share of a cell's counts that comes from the mean profile of all cells.
    regulators, pathways
        Standard deviations over the cells of a type: of the regulators' levels and of the pathways' activities.
    """

    depth: float = 600.0
    depth_spread: float = 0.3
    dispersion: float = 0.1
    ambient: float = 0.02
    regulators: float = 0.4
    pathways: float = 0.8

    def __post_init__(self) -> None:
        spreads = (self.depth_spread, self.dispersion, self.regulators, self.pathways)
        if self.depth <= 0 or min(spreads) < 0 or not 0 <= self.ambient < 1:
            raise InputError("depth is above 0, spreads are 0 or more, and the ambient share is from 0 to below 1")


def simulate(
    truth: Truth | None = None,
    *,
    n_cells: int = 2000,
    perturbations: Sequence[Perturbation] = (),
    controls: float = 0.3,
    noise: Noise | None = None,
    seed: int = 0,
) -> AnnData:
    """Draw cells from a known world.

    Types and perturbations come in equal numbers, every perturbation in every type. The expected counts of a gene are
    depth x base share x exp(level), so what is not downstream of a perturbation keeps its expected counts exactly.

    Parameters
    ----------
    truth
        The world; None draws the usual one from the seed.
    perturbations
        What is done to cells; none: all are controls.
    controls
        Share of the cells that nothing is done to, where there are perturbations.
    noise
        None: that of a droplet experiment.
    seed
        The same seed gives the same cells.

    Returns
    -------
    AnnData
        Counts as CSR float32; ``obs``: cell_type, perturbation ("control", "A", "A+B"), depth; ``var``: role, base;
        ``obsm``: the cells' true activities in "pathways" and log folds in "regulators"; ``uns["simulation"]``: the
        truth (``planted_truth`` reads it).

    Raises
    ------
    InputError
        When there are too few cells, or a perturbation is of a gene that is not there.
    """
    import scipy.sparse as sp
    from anndata import AnnData

    truth, noise = truth or draw_truth(seed=seed), noise or Noise()
    draw = np.random.default_rng([seed, 1])
    obs, done = _plan(truth, n_cells, perturbations, controls, draw)
    means = truth.pathway_means.loc[obs["cell_type"]].to_numpy()
    activity = means + noise.pathways * draw.normal(size=means.shape)  # (cell, pathway)
    own = truth.type_levels.loc[obs["cell_type"]].to_numpy() + activity @ truth.loadings.to_numpy()  # (cell, gene)
    acting = pd.Index(truth.genes).get_indexer(list(truth.regulators))
    own[:, acting] += noise.regulators * draw.normal(size=(n_cells, len(acting)))
    folds = np.exp(truth.levels(own, done))  # (cell, gene)
    shares = truth.base * folds
    depth = noise.depth * np.exp(noise.depth_spread * draw.normal(size=n_cells))  # (cell,)
    ambient = shares.mean(0)  # (gene,)
    counts = _counts(depth[:, None] * ((1 - noise.ambient) * shares + noise.ambient * ambient), noise, draw)
    obs["depth"] = depth
    cells = AnnData(sp.csr_matrix(counts), obs=obs, var=_var(truth))
    cells.obsm["pathways"] = pd.DataFrame(activity, index=obs.index, columns=list(truth.loadings.index))
    cells.obsm["regulators"] = pd.DataFrame(folds[:, acting], index=obs.index, columns=list(truth.regulators))
    cells.uns[UNS_KEY] = to_uns(truth)
    return cells


def perturbation_plan(truth: Truth, *, n_singles: int, n_doubles: int = 0, seed: int = 0) -> tuple[Perturbation, ...]:
    """Choose knock-outs: single regulators, and pairs of them, the planted ones first.

    Both members of every pair are among the singles. Pairs that are not planted act independently of each other, so
    that their effects add up.

    Raises
    ------
    InputError
        When the world has not that many.
    """
    draw = np.random.default_rng([seed, 2])
    planted = list(dict.fromkeys(zip(truth.gates["first"], truth.gates["second"], strict=True)))
    pairs = planted[:n_doubles]
    singles = list(dict.fromkeys(gene for pair in pairs for gene in pair))
    rest = [gene for gene in truth.regulators if gene not in singles]
    draw.shuffle(rest)
    singles += rest[: max(0, n_singles - len(singles))]
    free = [
        (first, second)
        for place, first in enumerate(singles)
        for second in singles[place + 1 :]
        if truth.additive(first, second)
    ]
    draw.shuffle(free)
    pairs += [(str(first), str(second)) for first, second in free[: n_doubles - len(pairs)]]
    if len(singles) != n_singles or len(pairs) != n_doubles:
        raise InputError(
            f"with these regulators there are {len(singles)} singles and {len(pairs)} pairs that can be told apart, "
            f"not {n_singles} and {n_doubles}; ask for fewer pairs, or for more singles or regulators"
        )
    return (*(Perturbation((gene,)) for gene in singles), *(Perturbation(pair) for pair in pairs))


def _plan(
    truth: Truth, n_cells: int, perturbations: Sequence[Perturbation], controls: float, draw: np.random.Generator
) -> tuple[pd.DataFrame, list[Perturbation | None]]:
    """Deal types and perturbations out to cells."""
    types = list(truth.types.index)
    done: list[Perturbation | None] = [None, *perturbations]
    if n_cells < len(types) * len(done):
        raise InputError(
            f"{n_cells} cells are too few for {len(done) - 1} perturbations and controls in {len(types)} cell types; "
            f"ask for at least {len(types) * len(done)}"
        )
    n_controls = round(controls * n_cells) if perturbations else n_cells
    which = np.zeros(n_cells, dtype=int)
    which[n_controls:] = 1 + np.arange(n_cells - n_controls) % max(1, len(perturbations))
    kind = np.zeros(n_cells, dtype=int)
    for number in range(len(done)):  # within each perturbation, types in turn
        rows = np.flatnonzero(which == number)
        kind[rows] = np.arange(len(rows)) % len(types)
    order = draw.permutation(n_cells)
    which, kind = which[order], kind[order]
    labels = [CONTROL if p is None else p.label for p in done]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(kind, types),
            "perturbation": pd.Categorical.from_codes(which, labels),
        },
        index=[f"cell{number}" for number in range(n_cells)],
    )
    return obs, [done[number] for number in which]


def _counts(mean: np.ndarray, noise: Noise, draw: np.random.Generator) -> np.ndarray:
    """Draw counts (cell, gene): a gamma rate where there is dispersion, then a Poisson."""
    if noise.dispersion:
        mean = mean * draw.gamma(1 / noise.dispersion, noise.dispersion, mean.shape)
    return draw.poisson(mean).astype(np.float32)


def _var(truth: Truth) -> pd.DataFrame:
    regulators, fed = set(truth.regulators), set(truth.edges["target"])
    role = ["regulator" if g in regulators else "target" if g in fed else "free" for g in truth.genes]
    return pd.DataFrame({"role": pd.Categorical(role), "base": truth.base}, index=list(truth.genes))
