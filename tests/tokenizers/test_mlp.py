"""The baseline is plain, and it is no straw man."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genediff.tokenizers import TOKENIZERS
from genediff.tokenizers.mlp import MLP, MLPConfig
from genediff.training.presets import PRESETS

from .conftest import tiny_model

if TYPE_CHECKING:
    from .conftest import World


def test_a_cell_is_one_token_and_the_backbone_an_mlp(world: World) -> None:
    model = tiny_model(world, "mlp", "latent")
    assert model.tokenizer.layout.n_tokens == 1
    assert all(block.attention is None for block in model.denoiser.backbone.stack.blocks)


def test_it_keeps_as_many_numbers_per_cell_as_the_latent_tokens_of_each_preset(world: World) -> None:
    """A baseline with a narrower neck would make every cut into tokens look good."""
    for name in ("quick", "standard", "large"):
        own = MLP.Config(**MLP.presets[name]["options"]).n_channels
        latent = TOKENIZERS["latent"].Config(**PRESETS[name].model.tokenizer_options)
        assert own == latent.n_tokens * latent.n_channels


def test_it_starts_near_the_mean_profile_and_every_channel_counts(world: World) -> None:
    torch.manual_seed(0)
    tokenizer = MLP(world.material(), MLPConfig(n_channels=8))
    vectors = torch.randn(200, 1, 8)
    logits = tokenizer.decode(vectors)
    assert logits.std() < 0.3
    for channel in range(8):
        moved = vectors.clone()
        moved[..., channel] += 1
        assert (tokenizer.decode(moved) - logits).abs().amax(0).min() > 1e-3  # each gene, in some cell
