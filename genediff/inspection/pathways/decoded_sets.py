"""Gene sets in what a model decodes: for models whose tokens have no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import InputError
from genediff.inspection.pathways.set_scores import membership
from genediff.inspection.tokens.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.knowledge import GeneSets

BLOCK = 512


def decoded_scores(
    cells: ReadCells,
    rows: np.ndarray,
    gene_sets: GeneSets,
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Score gene sets in what comes back when cells are encoded and decoded again.

    The score is the mean over a set's genes of the expression that the model expects for the cell's tokens, each gene
    in standard deviations of the training cells. A set whose score does not follow the cells was not kept.

    Parameters
    ----------
    rows
        The cells to score, (cell,).
    gene_sets
        Members that the model does not have are passed over.
    progress
        Told the share that is done; may raise to stop.

    Returns
    -------
    np.ndarray
        float32 (set, cell).

    Raises
    ------
    InputError
        In gene space, where no token stands for a finished cell.
    """
    model = cells.model
    if not model.in_latent_space:
        raise InputError(
            f"The model {model.spec.title!r} works in {model.spec.run.model.space_name}: its tokens never stand "
            "for a finished cell, so nothing can be decoded from a cell's own tokens; choose a model in latent space."
        )
    member = membership(gene_sets, model.genes)  # (set, gene)
    size = np.maximum(np.asarray(member.sum(1)), 1)  # (set, 1)
    out = np.empty((member.shape[0], len(rows)), dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        probe = Probe.of(cells, rows[start : start + BLOCK])
        z = model.standardise(probe.expected(probe.tokens)).cpu().numpy()  # (cell, gene)
        out[:, start : start + BLOCK] = (member @ z.T) / size
        progress(min(1.0, (start + BLOCK) / len(rows)))
    return out
