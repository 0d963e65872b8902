"""One signed number per token and cell: how it is read off a token's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.inspection.tokens.token_store import Loadings
    from genediff.tokenizers import Tokenizer


@runtime_checkable
class KnowsActivity(Protocol):
    """Says by itself how active its tokens are."""

    def activity(self, tokens: Tensor) -> Tensor:
        """Return how far tokens lift their own genes, (cell, named token); those with a name come first."""
        ...


@torch.no_grad()
def read_activity(tokenizer: Tokenizer, tokens: Tensor, loadings: Loadings) -> Tensor:
    """Return one number per token, (cell, token), of tokens (cell, token, channel).

    A token with a name says how far it lifts the genes of its set (mean logit, nats); any other where it stands along
    its first principal component. Zero is the average cell.
    """
    centre, direction = (torch.from_numpy(part).to(tokens.device) for part in (loadings.centre, loadings.direction))
    values = ((tokens - centre) * direction).sum(2)  # (cell, token)
    if len(loadings.offset):
        assert isinstance(tokenizer, KnowsActivity)
        offset = torch.from_numpy(loadings.offset).to(tokens.device)
        values[:, : len(loadings.offset)] = tokenizer.activity(tokens) - offset
    return values


def principal(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first direction (token, channel), the deviation along it and its share of the variance, (token,) each.

    Parameters
    ----------
    covariance
        Of the channels of each token, (token, channel, channel).
    """
    sizes, vectors = np.linalg.eigh(covariance)  # ascending
    first = np.maximum(sizes[:, -1], 0.0)
    total = np.maximum(sizes, 0.0).sum(1)
    share = np.divide(first, total, out=np.zeros_like(first), where=total > 0)
    return vectors[:, :, -1].astype(np.float32), np.sqrt(first).astype(np.float32), share.astype(np.float32)
