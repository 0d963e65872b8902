"""A backbone may read several latent tokens as one place of its sequence."""

from __future__ import annotations

import pytest
import torch

from genediff.core.errors import InputError
from genediff.models.config import ModelConfig
from genediff.models.denoiser import TokenBackbone, places
from genediff.tokenizers.base import TokenLayout

FREE = TokenLayout(tuple(f"z{i}" for i in range(6)), 2, joinable=True)
JOINED = TokenLayout(("a", "b", "c"), 4, joinable=True)


def backbone(layout: TokenLayout, **changes: object) -> TokenBackbone:
    config = ModelConfig(width=16, depth=2, heads=2, **changes)
    torch.manual_seed(0)
    network = TokenBackbone(layout, config, (), library=True)
    with torch.no_grad():  # gates and the last layer begin at zero, and would hide what lies before
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.3)
    return network


def asked(layout: TokenLayout) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randn(5, 12, generator=generator).view(5, layout.n_tokens, layout.n_channels)
    return tokens, torch.ones(5, 1), torch.linspace(0, 1, 5), torch.zeros(5, 0, dtype=torch.long)


def test_a_patch_is_one_longer_token() -> None:
    tokens, library = backbone(FREE, patch=2)(*asked(FREE))
    same, same_library = backbone(JOINED)(*asked(JOINED))
    assert tokens.shape == (5, 6, 2)
    torch.testing.assert_close(tokens.flatten(1), same.flatten(1))
    torch.testing.assert_close(library, same_library)
    alone, _ = backbone(FREE)(*asked(FREE))
    assert not torch.allclose(alone, tokens)


def test_a_patch_of_all_tokens_is_a_flat_vector() -> None:
    network = backbone(FREE, patch=6)
    assert network.flat and network(*asked(FREE))[0].shape == (5, 6, 2)


def test_places_of_the_sequence() -> None:
    assert [places(FREE, ModelConfig(patch=n)) for n in (1, 2, 3, 6)] == [6, 3, 2, 1]
    assert places(FREE, ModelConfig(patch=4, backbone="mlp")) == 1


def test_what_cannot_be_joined_is_one_sentence() -> None:
    with pytest.raises(InputError, match="6 tokens cannot be read 4 at a time; choose a divisor"):
        places(FREE, ModelConfig(patch=4))
    with pytest.raises(InputError, match="these tokens stand for something"):
        places(TokenLayout(("Apoptosis", "Hypoxia"), 2), ModelConfig(patch=2))
