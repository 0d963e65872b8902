"""What attention costs, counted from the tokens that a data set gives and the network that reads them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from genediff.models.denoiser import TokenBackbone

if TYPE_CHECKING:
    from genediff.models.config import ModelConfig
    from genediff.tokenizers import TokenLayout


@dataclass(frozen=True)
class Cost:
    """What one cell costs in one step of the flow.

    Attributes
    ----------
    n_tokens
        Length of the sequence: tokens, or patches of them, and one for the library size where it stands in it.
    pairs
        Pairs of these of which one attends to the other, itself among them, in one layer.
    attention
        Floating point operations of all layers for these pairs: a score and a weighted sum, 4 x pairs x width x layers.
    products
        Those of all matrix products on tokens.
    n_parameters
        Learned numbers of the network, without the tokenizer.
    """

    n_tokens: int
    pairs: int
    attention: float
    products: float
    n_parameters: int

    @property
    def total(self) -> float:
        """All operations."""
        return self.attention + self.products


def pairs_attended(layout: TokenLayout, n_places: int, *, library: bool) -> int:
    """Return how many pairs of places attend in one layer.

    Parameters
    ----------
    n_places
        Positions of the sequence; a single one has nothing to attend to.
    library
        Whether the library size is generated too: without edges it is one more place.
    """
    if n_places == 1:
        return 0
    if layout.edges is not None:
        return layout.edges.shape[1] + n_places
    return (n_places + library) ** 2


def cost_of(layout: TokenLayout, config: ModelConfig, *, library: bool) -> Cost:
    """Count what the network of a configuration does for one cell in one step."""
    # Without edges nothing but shapes is needed, so even large networks are built at once and take no memory.
    with torch.device("meta") if layout.edges is None else contextlib.nullcontext():
        backbone = TokenBackbone(layout, config, (), library=library)
    pairs = pairs_attended(layout, backbone.n_places, library=library)
    n = backbone.n_places + int(backbone.has_library_token)
    products = sum(
        2.0 * part.in_features * part.out_features * (1 if _once(name) else n)
        for name, part in backbone.named_modules()
        if isinstance(part, nn.Linear)
    )
    return Cost(
        n_tokens=n,
        pairs=pairs,
        attention=4.0 * pairs * config.width * config.depth,
        products=products,
        n_parameters=sum(p.numel() for p in backbone.parameters()),
    )


def _once(name: str) -> bool:
    """Whether a layer works once per cell and not once per token."""
    return any(word in name for word in ("modulation", "steering", "library"))
