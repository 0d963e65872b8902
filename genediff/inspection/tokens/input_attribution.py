"""Which genes move a token, and which members of its set it ignores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from genediff.core.errors import InputError
from genediff.inspection.tokens.loadings import KnowsActivity
from genediff.inspection.tokens.probe import Probe, some_rows
from genediff.inspection.tokens.sensitivity import sensitivity

if TYPE_CHECKING:
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.tokens.loadings import Loadings

MOST_CELLS = 256
PROBED = 32
IGNORED = 0.1  # of the strongest member: below, the token does not listen to a gene


@dataclass(frozen=True, eq=False)
class InputAttribution:
    """What moves one token's activation.

    Attributes
    ----------
    table
        All genes, those that move it most first: ``gene``; ``in_set``; ``pull``, how much the activation grows per
        standard deviation of the gene (mean gradient over cells), and ``spread``, its standard deviation over cells;
        ``seen``, the share of cells in which the gene was measured above zero; ``drives``, how far expected
        log-normalised expression of the gene moves per standard deviation of the token.
    own_share
        Squared correlation between the activation and what it is when all other genes are held at their mean, 0 to 1:
        the share of its variance that comes from the genes of its set.
    n_cells
        Cells that were asked.
    """

    table: pd.DataFrame
    own_share: float
    n_cells: int

    @property
    def ignored(self) -> tuple[str, ...]:
        """Members of the set that hardly move the token, the least first."""
        own = self.table[self.table["in_set"]]
        weak = own[own["pull"].abs() < IGNORED * own["pull"].abs().max()]
        return tuple(weak["gene"].iloc[::-1])


def attribute_inputs(
    cells: ReadCells, loadings: Loadings, token: int, *, most: int = MOST_CELLS, seed: int = 0
) -> InputAttribution:
    """Ask a model which genes drive the activation of a token with a name.

    Parameters
    ----------
    cells
        To ask it on; `most` of them are drawn with a fixed seed.
    loadings
        Of the model's activations on these cells.
    token
        Position of a named token.

    Raises
    ------
    InputError
        When the token is not a gene set.
    """
    model = cells.model
    tokenizer, sets = model.tokenizer, model.tokenizer.sets
    if sets is None or not isinstance(tokenizer, KnowsActivity) or not 0 <= token < len(sets.sets):
        raise InputError("Only tokens that are gene sets can be asked which genes drive their activation.")
    rows = some_rows(cells.n_cells, most, seed=seed)
    x = cells.block(rows)[0]  # (cell, gene)
    member = torch.zeros(len(model.genes), dtype=torch.bool, device=x.device)
    member[torch.from_numpy(sets.members(model.genes)[token])] = True

    def activity(given: torch.Tensor) -> torch.Tensor:
        return tokenizer.activity(tokenizer.encode(given))[:, token]  # (cell,)

    asked = x.clone().requires_grad_()
    with torch.enable_grad():
        whole = activity(asked)
        pull = torch.autograd.grad(whole.sum(), asked)[0]  # (cell, gene)
    with torch.no_grad():
        own = activity(torch.where(member, x, 0.0))
    probe = Probe.of(cells, rows[:: max(1, len(rows) // PROBED)])
    seen = cells.measured[rows]
    table = pd.DataFrame(
        {
            "gene": list(model.genes),
            "in_set": member.cpu().numpy(),
            "pull": pull.mean(0).cpu().numpy(),
            "spread": pull.std(0).cpu().numpy(),
            "seen": np.asarray((seen > 0).mean(0)).ravel(),
            "drives": sensitivity(probe, loadings, [token])[0],
        }
    )
    table = table[cells.present.cpu().numpy()]
    table = table.sort_values("pull", key=lambda column: -column.abs(), kind="stable", ignore_index=True)
    return InputAttribution(table, _shared(whole.detach(), own), len(rows))


def _shared(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the squared correlation of two vectors; 0 where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = (a.square().sum() * b.square().sum()).sqrt()
    return float(((a * b).sum() / size).square()) if size > 1e-12 else 0.0
