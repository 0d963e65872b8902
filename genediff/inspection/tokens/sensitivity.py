"""Which genes a token drives: how expected expression changes as the token becomes more active."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.inspection.tokens.loadings import Loadings
    from genediff.inspection.tokens.probe import Probe


@torch.no_grad()
def sensitivity(
    probe: Probe,
    loadings: Loadings,
    tokens: Sequence[int],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Return the change of expected log-normalised expression per standard deviation of a token, (token, gene).

    A central difference: each probed cell is decoded with the token half a standard deviation above and below where it
    stands along its first principal component, all other tokens as they are; the mean over the probed cells is taken.

    Parameters
    ----------
    tokens
        Positions of the tokens that are asked about.
    progress
        Called with the share that is done; may raise to stop.
    """
    shift = torch.from_numpy(loadings.direction * loadings.spread[:, None] / 2).to(probe.tokens.device)
    found = np.empty((len(tokens), len(probe.model.genes)), dtype=np.float32)
    for i, token in enumerate(tokens):
        up, down = probe.tokens.clone(), probe.tokens.clone()  # (cell, token, channel)
        up[:, token] += shift[token]
        down[:, token] -= shift[token]
        found[i] = (probe.expected(up) - probe.expected(down)).mean(0).cpu().numpy()
        progress((i + 1) / len(tokens))
    return found


def upwards(driven: np.ndarray, *, most: int = 20) -> np.ndarray:
    """Return 1 where the genes that change most go up on the whole and -1 where they go down, (token,).

    Parameters
    ----------
    driven
        Change of each gene, (token, gene).
    most
        How many of the genes that change most decide.
    """
    strongest = np.argsort(-np.abs(driven), axis=1, kind="stable")[:, :most]
    total = np.take_along_axis(driven, strongest, axis=1).sum(1)
    return np.where(total < 0, -1.0, 1.0).astype(np.float32)
