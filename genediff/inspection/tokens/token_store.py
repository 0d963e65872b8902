"""Activities of tokens, kept in a folder and opened without reading them into memory."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1  # of what is stored and how it is measured: another one is measured again


@dataclass(frozen=True, eq=False)
class Loadings:
    """How an activity is read off tokens.

    Attributes
    ----------
    centre
        Mean of the tokens over cells, (token, channel).
    direction
        Unit vector of each token's first principal component over cells, signed so that more along it is more of the
        genes that the token drives, (token, channel).
    spread
        Standard deviation of cells along the direction, (token,).
    share
        Share of the token's variance that lies along the direction, 0 to 1, (token,).
    offset
        What is taken from ``activity`` of tokens with a name, so that the average cell has zero, (named token,).
    """

    centre: np.ndarray
    direction: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class Activations:
    """What a model's tokens say of each cell of a data set.

    Attributes
    ----------
    names
        Of the tokens.
    rows
        Positions of the cells in the data set's ``obs``, sorted, (cell,): all of them, or a random sample (always the
        same one) where tokens x cells are too many.
    values
        One signed number per token and cell, zero for the average cell, float32 (token, cell); see
        `genediff.inspection.tokens.loadings.read_activity`.
    tokens
        The tokens themselves, float32 (token, channel, cell).
    loadings
        How ``values`` are read off tokens: the same map serves any other tokens of this model (`activity_of`).
    divergence
        How far a cell's token lies from what it would be without the cell, mean KL in nats, (token,); NaN where the
        model does not pay for it.
    n_cells
        Of the data set, sampled or not.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    values: np.ndarray
    tokens: np.ndarray
    loadings: Loadings
    divergence: np.ndarray
    n_cells: int

    @property
    def sampled(self) -> bool:
        """Whether these are not all cells of the data set."""
        return len(self.rows) < self.n_cells

    @property
    def n_named(self) -> int:
        """How many of the first tokens have a name and an activity of their own."""
        return len(self.loadings.offset)


def place(folder: Path, *, model_id: str, created: str, content_hash: str) -> Path:
    """Return where the activities of a model on a data set are kept."""
    text = "\n".join([str(VERSION), model_id, created, content_hash])
    return folder / f"activations-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def open_activations(folder: Path, *, model_id: str, created: str, content_hash: str) -> Activations | None:
    """Return what was kept of a model on a data set, without loading the model; None where it was never measured."""
    return read(place(folder, model_id=model_id, created=created, content_hash=content_hash))


def write(target: Path, found: Activations) -> None:
    """Add what makes the stored arrays complete; from now on `read` finds them."""
    own = {field.name: getattr(found.loadings, field.name) for field in fields(Loadings)}
    partial = target / "about.part.npz"
    np.savez(
        partial,
        names=np.array(found.names),
        rows=found.rows,
        divergence=found.divergence,
        n_cells=np.array(found.n_cells),
        **own,
    )
    os.replace(partial, target / "about.npz")


def read(target: Path) -> Activations | None:
    """Open what is kept in a folder; None where nothing is kept or it is damaged."""
    try:
        with np.load(target / "about.npz", allow_pickle=False) as about:
            loadings = Loadings(**{field.name: about[field.name] for field in fields(Loadings)})
            names = tuple(str(name) for name in about["names"])
            rows, divergence, n_cells = about["rows"], about["divergence"], int(about["n_cells"])
        values = np.load(target / "values.npy", mmap_mode="r")
        tokens = np.load(target / "tokens.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError, EOFError):
        return None
    if values.shape != (len(names), len(rows)):
        return None
    return Activations(names, rows, values, tokens, loadings, divergence, n_cells)


def forget(target: Path) -> None:
    """Remove what is kept in a folder."""
    shutil.rmtree(target, ignore_errors=True)
