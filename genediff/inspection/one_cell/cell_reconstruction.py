"""One cell through a trained model: its tokens, and what comes back from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext
    from genediff.models.generative_model import GenerativeModel


@dataclass(frozen=True, eq=False)
class CellReconstruction:
    """What a trained model sees in a cell.

    Attributes
    ----------
    names
        Of the tokens.
    tokens
        In standard deviations from the mean of other cells, (token, channel).
    x_back
        Log-normalised expression that is expected for these tokens, (gene,); None in gene space, where tokens never
        stand for a cell alone.
    r
        Pearson's r between x and x_back over genes; None where there is no x_back.
    """

    names: tuple[str, ...]
    tokens: np.ndarray
    x_back: np.ndarray | None
    r: float | None


@torch.no_grad()
def reconstruct(model: GenerativeModel, context: DatasetContext, cell: Cell, *, most: int = 256) -> CellReconstruction:
    """Encode a cell and decode it again.

    Parameters
    ----------
    most
        How many other cells the tokens are compared with.

    Raises
    ------
    InputError
        When the model has other genes than the cell.
    """
    if model.genes != context.genes:
        raise InputError(f"The model {model.spec.id!r} has other genes than these cells; train one on these.")
    tokenizer = model.tokenizer
    tokens = tokenizer.encode(cell.tensor.to(model.device))  # (1, token, channel)
    others = tokenizer.encode(torch.from_numpy(context.compared[:most]).to(model.device))  # (cell, token, channel)
    scaled = (tokens[0] - others.mean(0)) / others.std(0).clamp(min=1e-6)
    back = _back(model, tokens, cell)
    r = None if back is None else _correlation(cell.x, back)
    return CellReconstruction(tokenizer.layout.names, scaled.cpu().numpy(), back, r)


def _back(model: GenerativeModel, tokens: torch.Tensor, cell: Cell) -> np.ndarray | None:
    if model.autoencoder is None:
        return None
    library = torch.tensor([max(float(cell.measured.sum()), 1.0)], device=model.device)
    mean = model.autoencoder.head.mean(model.tokenizer.decode(tokens), library)  # (1, gene)
    return model.log_normalise(mean, library)[0].cpu().numpy()


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if a.std() < 1e-9 or b.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
