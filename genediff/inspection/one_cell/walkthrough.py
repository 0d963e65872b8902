"""One cell on its way through a trained model: counts, tokens, noise, attention, denoised tokens, genes again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.models.denoiser import LatentDenoiser

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from genediff.inspection.one_cell.dataset_context import Cell
    from genediff.models.generative_model import GenerativeModel


@dataclass(frozen=True, eq=False)
class Walk:
    """What a cell is at each station. Tokens are in standard deviations from the mean of the training cells.

    Attributes
    ----------
    names
        Of the tokens, (token,).
    tokens, kept
        As they were encoded, (token, channel), and which of them are kept, bool (token,); the others are at their mean.
    noisy, denoised
        The kept tokens with noise added, and the network's estimate of the tokens without it, (token, channel).
    alpha, sigma
        Weights of the tokens and of the noise at this noise level.
    attention
        Of each layer, mean over heads: how much each place (row) attends to each, (layer, place, place); empty for a
        network without attention.
    places
        What stands at each place of the network's sequence: a token, several, or the library size.
    measured, decoded, regained
        Log-normalised expression of the cell, expected for its kept tokens, and for the denoised tokens, (gene,).
    """

    names: tuple[str, ...]
    tokens: np.ndarray
    kept: np.ndarray
    noisy: np.ndarray
    denoised: np.ndarray
    alpha: float
    sigma: float
    attention: np.ndarray
    places: tuple[str, ...]
    measured: np.ndarray
    decoded: np.ndarray
    regained: np.ndarray


@torch.no_grad()
def walk(
    model: GenerativeModel,
    cell: Cell,
    *,
    labels: Mapping[str, str] | None = None,
    n_kept: int | None = None,
    noise: float = 0.5,
    seed: int = 0,
) -> Walk:
    """Follow a cell through a model.

    Parameters
    ----------
    labels
        The cell's levels of the model's conditions; those that are left out or unknown are "no label".
    n_kept
        How many tokens are kept: those that lie farthest from their mean; all where None.
    noise
        0 (the cell's own tokens) to 1 (noise alone): one minus the time of the flow.
    seed
        Of the noise.

    Raises
    ------
    InputError
        When the model does not run on tokens in latent space, or its genes are not the cell's.
    """
    denoiser = model.denoiser
    if not isinstance(denoiser, LatentDenoiser):
        raise InputError("This view follows the tokens of a model in latent space; choose or train one.")
    if len(model.genes) != len(cell.measured):
        raise InputError(f"The model {model.spec.id!r} has other genes than these cells; train one on these.")
    layout = model.tokenizer.layout
    library = torch.tensor([max(float(cell.measured.sum()), 1.0)], device=model.device)
    own = (model.tokenizer.encode(cell.tensor.to(model.device)).flatten(1) - model.token_mean) / model.token_std
    tokens = own.unflatten(1, (layout.n_tokens, -1))[0]  # (token, channel)
    kept = torch.zeros(layout.n_tokens, dtype=torch.bool, device=model.device)
    kept[tokens.square().mean(1).argsort(descending=True, stable=True)[:n_kept]] = True
    state = torch.cat([(tokens * kept[:, None]).flatten()[None], model.standardise_library(library)], dim=1)
    t = torch.tensor([max(1.0 - noise, model.objective.start)], device=model.device)
    drawn = torch.randn(state.shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
    c = model.objective.path(t)
    x_t = c.alpha[:, None] * state + c.sigma[:, None] * drawn  # (1, dim)
    codes = _codes(model, labels or {})
    velocity = model.objective.velocity(denoiser(x_t, t, codes), x_t, t)
    estimate = model.objective.data_at(velocity, x_t, t)
    weights = denoiser.attention_weights(x_t, t, codes)

    def numbers(of: Tensor) -> np.ndarray:
        return of[:, : layout.size].unflatten(1, (layout.n_tokens, -1))[0].cpu().numpy()

    def genes(of: Tensor) -> np.ndarray:
        fixed = torch.cat([of[:, : layout.size], state[:, layout.size :]], dim=1)  # as deep as the cell was sequenced
        return model.log_normalise(model.expected(fixed), library)[0].cpu().numpy()

    return Walk(
        names=layout.names,
        tokens=tokens.cpu().numpy(),
        kept=kept.cpu().numpy(),
        noisy=numbers(x_t),
        denoised=numbers(estimate),
        alpha=float(c.alpha),
        sigma=float(c.sigma),
        attention=np.stack([one[0].mean(0).cpu().numpy() for one in weights]) if weights else np.zeros((0, 0, 0)),
        places=_places(layout.names, weights[0].shape[-1] if weights else 1, library=model.spec.has_counts),
        measured=cell.x,
        decoded=genes(state),
        regained=genes(estimate),
    )


def _codes(model: GenerativeModel, labels: Mapping[str, str]) -> Tensor:
    known = {column: [labels[column]] for column, levels in model.conditions.items() if labels.get(column) in levels}
    codes = model.level_codes(1, known, seed=0) if known else model.null.cpu()[None]
    return codes.to(model.device)


def _places(names: tuple[str, ...], n: int, *, library: bool) -> tuple[str, ...]:
    """Return what stands at each of n places, of which the last may be the library size."""
    with_library = library and len(names) % n != 0
    each = len(names) // max(n - with_library, 1)
    own = [" + ".join(names[i : i + each]) for i in range(0, len(names), each)]
    return (*own, "library size") if with_library else tuple(own)
