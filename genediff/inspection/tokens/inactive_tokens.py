"""Which tokens are inactive, and which are redundant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genediff.inspection.tokens.probe import some_rows

if TYPE_CHECKING:
    from genediff.inspection.tokens.token_store import Activations

SILENT_KL = 0.05  # nats per cell
SILENT_VARIANCE = 0.01  # of a prior of variance 1; of the median token where there is no prior
SAME = 0.9
MOST_CELLS = 4096


@dataclass(frozen=True, eq=False)
class InactiveTokens:
    """Inactive and redundant tokens, each (token,).

    Attributes
    ----------
    dead
        Tokens that hardly differ between cells: posterior KL below 0.05 nats per cell, or a variance below 0.01 (of the
        prior's; where none is paid for, of the median token's). After Burda et al. 2016, doi:10.48550/arXiv.1509.00519,
        who count a latent unit as active when its mean varies by more than 0.01.
    partner, likeness
        Position of the token whose activity is most alike over cells, and Pearson's r with it; r is 0 for a token that
        does not vary.
    """

    dead: np.ndarray
    partner: np.ndarray
    likeness: np.ndarray

    @property
    def redundant(self) -> np.ndarray:
        """Which active tokens correlate with another one: |r| above 0.9 over cells, bool (token,)."""
        return (np.abs(self.likeness) > SAME) & ~self.dead


def find_inactive_tokens(found: Activations) -> InactiveTokens:
    """Look for inactive and redundant tokens."""
    variance = np.square(found.loadings.spread.astype(np.float64))
    paid = np.isfinite(found.divergence)
    measure = variance if paid.any() else variance / max(float(np.median(variance)), 1e-12)
    dead = (measure < SILENT_VARIANCE) | (paid & (found.divergence < SILENT_KL))
    some = some_rows(len(found.rows), MOST_CELLS)
    r = correlation(np.asarray(found.values[:, some]))
    np.fill_diagonal(r, 0.0)
    partner = np.abs(r).argmax(1)
    return InactiveTokens(dead, partner, r[np.arange(len(r)), partner])


def correlation(values: np.ndarray) -> np.ndarray:
    """Return Pearson's r between the rows of (token, cell), (token, token); 0 for rows that do not vary."""
    a = values.astype(np.float64) - values.mean(1, keepdims=True, dtype=np.float64)
    length = np.sqrt((a**2).sum(1, keepdims=True))
    a = np.divide(a, length, out=np.zeros_like(a), where=length > 1e-9 * max(float(length.max(initial=0)), 1e-300))
    return a @ a.T
