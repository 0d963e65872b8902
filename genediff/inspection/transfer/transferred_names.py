"""Which tokens keep their name on other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from genediff.inspection.pathways.agreement import agreement
from genediff.inspection.tokens.loadings import KnowsActivity
from genediff.knowledge import GeneSets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.inspection.tokens.inspected_cells import ReadCells

SMALLEST = 5  # genes of a set that both data sets need for its token to be asked
BLOCK = 1024

OUTCOMES = {
    "kept": "means its name on both",
    "lost": "meant its name on the model's own cells, and follows it less here",
    "gained": "means its name here, and follows it more than on the model's own cells",
    "unsure": "seen to mean its name on one of both; the difference may be chance",
    "never": "not seen to mean its name on either",
    "unknown": "means its name here; the model's own cells are not at hand",
    "not here": "not seen to mean its name here; the model's own cells are not at hand",
    "not asked": f"fewer than {SMALLEST} genes of its set were measured",
}


def names_kept(
    own: tuple[ReadCells, np.ndarray] | None,
    new: tuple[ReadCells, np.ndarray],
    genes: Sequence[str],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> pd.DataFrame | None:
    """Hold each named token against an independent score of its set, on a model's own cells and on others.

    Parameters
    ----------
    own, new
        Cells as the model reads them, and which rows are asked: held-out ones. The own cells may not be at hand.
    genes
        In which the sets are scored, on both sides: those that both have.

    Returns
    -------
    pandas.DataFrame | None
        One row per token: ``token``, ``genes`` of its set among those, ``own``, ``own_low``, ``own_high``,
        ``own_chance``, ``own_verdict`` and the same beginning with ``new`` (see
        `pathways.agreement.Agreement`), ``outcome``, a key of OUTCOMES. None where no token has a name.
    """
    model = new[0].model
    sets = model.tokenizer.sets
    if sets is None:
        return None
    within = sets.within(genes, smallest=SMALLEST)
    asked = GeneSets(sets.title, {name: sets.sets[name] for name in sets.sets if name in within.sets})
    table = pd.DataFrame({"token": list(sets.sets)})
    if asked.sets:
        sides = {"own": own, "new": new}
        known = {name: side for name, side in sides.items() if side is not None}
        for number, (name, (cells, rows)) in enumerate(known.items()):
            chosen = [place for place, one in enumerate(sets.sets) if one in asked.sets]
            found = agreement(
                _activity(cells, rows)[chosen],
                _expression(cells, rows, genes),
                asked,
                genes,
                progress=lambda share, n=number: progress((n + share) / len(known)),  # type: ignore[misc]
            ).table
            renamed = found.rename(
                columns={"r": name} | {c: f"{name}_{c}" for c in ("low", "high", "chance", "verdict")}
            )
            columns = ["token", *(c for c in renamed if c.startswith(name)), *(["genes"] if number == 0 else [])]
            table = table.merge(renamed[columns], how="left", on="token")
    for column in ("own", "new", "own_low", "own_high", "new_low", "new_high", "own_chance", "new_chance", "genes"):
        table[column] = table.get(column, pd.Series(np.nan, table.index))
    for column in ("own_verdict", "new_verdict"):
        table[column] = table.get(column, pd.Series("", table.index)).fillna("")
    table["genes"] = [len(set(sets.sets[name]) & set(genes)) for name in table["token"]]
    table["outcome"] = [_outcome(row) for _, row in table.iterrows()]
    sides_columns = [
        f"{side}{part}" for side in ("own", "new") for part in ("", "_low", "_high", "_chance", "_verdict")
    ]
    return table[["token", "genes", *sides_columns, "outcome"]]


def _outcome(row: pd.Series) -> str:
    """Return what became of a name; one that is seen on one side only has changed where the intervals of r part."""
    if not row["new_verdict"]:
        return "not asked"
    before, now = row["own_verdict"] == "agrees", row["new_verdict"] == "agrees"
    if not row["own_verdict"]:
        return "unknown" if now else "not here"
    if before == now:
        return "kept" if now else "never"
    if before:
        return "lost" if row["new_high"] < row["own_low"] else "unsure"
    return "gained" if row["new_low"] > row["own_high"] else "unsure"


@torch.no_grad()
def _activity(cells: ReadCells, rows: np.ndarray) -> np.ndarray:
    """Return how far each named token lifts its genes, (token, cell)."""
    tokenizer = cells.model.tokenizer
    assert isinstance(tokenizer, KnowsActivity)
    parts = [
        tokenizer.activity(tokenizer.encode(cells.block(rows[start : start + BLOCK])[0]))
        for start in range(0, len(rows), BLOCK)
    ]
    return torch.cat(parts).T.cpu().numpy()


def _expression(cells: ReadCells, rows: np.ndarray, genes: Sequence[str]) -> np.ndarray:
    """Return log-normalised expression in some genes, (cell, gene)."""
    position = {gene: place for place, gene in enumerate(cells.model.genes)}
    values = cells.measured[rows].toarray()[:, [position[gene] for gene in genes]]
    if not cells.model.spec.has_counts:
        return values
    total = np.maximum(values.sum(1, keepdims=True), 1)
    return np.log1p(values * (cells.model.spec.target_sum / total))
