"""Analyses of a trained model (`genediff.tl`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.inspection.pathways.decoded_sets import decoded_scores
from genediff.inspection.regulation.circuit import network_of
from genediff.inspection.regulation.probed_cells import probe, probe_generated
from genediff.inspection.regulation.regulators import regulators_of
from genediff.inspection.tokens.activations import activations
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.inspection.tokens.probe import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.api.generator import GeneDiff
    from genediff.api.user_cells import Cells

MOST_CELLS = 20_000


def regulators(
    model: GeneDiff,
    gene: str,
    cells: Cells | None = None,
    *,
    n_cells: int = 128,
    t: float = 0.6,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:
    """Rank the regulators of a gene by how much the model's prediction of it depends on each.

    For models of gene tokens (``tokenizers.GRN``) in count or gene space: each regulator is given the value of another
    cell of the same group, and the change of the predicted gene is measured.

    Parameters
    ----------
    cells
        Through which the model is watched; cells that it generates where None.
    n_cells
        How many of them.
    t
        The time between noise (0) and data (1) at which the network is asked; in count space the share of molecules
        that it is shown.

    Returns
    -------
    pandas.DataFrame
        By regulator, strongest first: ``effect`` (standard deviations of the gene), ``slope`` (above 0: activates),
        ``direct`` (whether the network has an edge between them), ``gain`` (share of the gene's squared error that its
        own value removes), ``p`` and ``q`` (over regulators that reach the gene). In 128 cells only the strongest are
        found: more cells are slower and tell more.

    Raises
    ------
    InputError
        When the model has no network, or has no such gene.
    """
    network = model.network
    network_of(network)
    if gene not in network.genes:
        raise InputError(f"{gene} is none of the {len(network.genes):,} genes of this model; see `model.genes`.")
    if cells is None:
        given = probe_generated(network, network.generate(n_cells, seed=seed), t=t, most=n_cells, seed=seed)
    else:
        given = probe(network, cells.dataset, np.arange(len(cells)), t=t, most=n_cells, seed=seed)
    return regulators_of(network, given, gene, progress=progress).set_index("regulator")


def pathways(
    model: GeneDiff,
    cells: Cells,
    *,
    gene_sets: str = "hallmark",
    groupby: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame:
    """Return how active pathways are in each group of cells, as the model sees them.

    Of pathway tokens it is the mean of what a token adds to the logits of its genes. Other models in latent space
    decode the cells again, and it is the mean expression of a set's genes, in standard deviations of training cells.

    Parameters
    ----------
    gene_sets
        Which collection, for models whose tokens have no names.
    groupby
        Column of obs; the label of the cells where None.

    Returns
    -------
    pandas.DataFrame
        A row per pathway, the ones that differ most between groups first; a column per group.

    Raises
    ------
    InputError
        When there are no groups, or the model can neither name nor decode pathways.
    """
    network, dataset = model.network, cells.dataset
    groupby = dataset.info.label if groupby is None else groupby
    if groupby is None:
        raise InputError("These cells have no label to compare by; name a column of obs, such as groupby='batch'.")
    sets = network.tokenizer.sets
    if sets is not None:
        found = activations(network, dataset, cells.workspace.root / "cache", progress=progress)
        rows, values = found.rows, np.asarray(found.values[: len(sets.sets)])  # (set, cell)
    else:
        sets = cells.workspace.library().gene_sets(gene_sets).within(network.genes, smallest=5)
        if not sets.sets:
            raise InputError(f"No set of {sets.title!r} has 5 or more of this model's genes; choose other gene sets.")
        rows = some_rows(len(cells), MOST_CELLS)
        values = decoded_scores(read_cells(network, dataset), rows, sets, progress=progress)
    codes, levels = dataset.codes(groupby)[rows], dataset.vocabulary(groupby)
    held = [code for code in range(len(levels)) if (codes == code).any()]
    means = {levels[code]: values[:, codes == code].mean(axis=1) for code in held}
    table = pd.DataFrame(means, index=pd.Index(list(sets.sets), name="pathway"))
    spread = table.std(axis=1) if len(held) > 1 else table.abs().max(axis=1)
    return table.loc[spread.sort_values(ascending=False, kind="stable").index]
