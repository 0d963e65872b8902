"""What the parts of a hybrid explain, and the links that latent tokens found among themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from genediff.inspection.tokens.probe import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.models.generative_model import GenerativeModel
    from genediff.tokenizers.hybrid import Explained

MOST_CELLS = 1000


@runtime_checkable
class HasParts(Protocol):
    """Measures what each of its parts explains."""

    def explained(self, tokens: Tensor, errors: Callable[[Tensor], Tensor]) -> tuple[Explained, ...]:
        """Return what each part explains of cells with these tokens (cell, token, channel)."""
        ...


@torch.no_grad()
def explained_by_part(cells: ReadCells, dataset: Dataset) -> tuple[Explained, ...]:
    """Measure what each part of a hybrid explains of up to 1,000 test cells; empty for other strategies.

    The error is the negative log-likelihood of what was measured, in nats per cell. In gene space no tokens stand for a
    cell, and nothing is returned.
    """
    model = cells.model
    if model.autoencoder is None or not isinstance(model.tokenizer, HasParts):
        return ()
    rows = dataset.rows("test")
    rows = rows[some_rows(len(rows), MOST_CELLS)]
    x, library = cells.block(rows)
    measured = torch.from_numpy(cells.measured[rows].toarray()).to(model.device)
    head = model.autoencoder.head

    def errors(logits: Tensor) -> Tensor:
        log_prob = head.log_prob(logits, library, measured)  # (cell, gene)
        return -torch.where(cells.present, log_prob, 0.0).sum(1)

    return model.tokenizer.explained(model.tokenizer.encode(x), errors)


@torch.no_grad()
def learned_links(model: GenerativeModel) -> np.ndarray | None:
    """Return how open each token is to each other one, (token, token) in [0, 1]; row attends to column.

    None where nothing was learned of it.
    """
    adjacency = model.denoiser.backbone.adjacency
    return None if adjacency is None else adjacency.gates().cpu().numpy()
