"""The two stages of training, on cells in which some of the model's genes were not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genediff.training.autoencoder_stage import AutoencoderStage
from genediff.training.flow_stage import FlowStage, sample_path

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.models.config import TrainConfig
    from genediff.models.generative_model import GenerativeModel
    from genediff.training.adapt.adaptation_cells import AlignedCells
    from genediff.training.rng_shards import Draws


class AdaptAutoencoder(AutoencoderStage):
    """The likelihood of shared genes alone: profiles sum to one over them, and libraries are counted over them."""

    def __init__(
        self, model: GenerativeModel, cells: AlignedCells, config: TrainConfig, *, fabric: Fabric, seed: int
    ) -> None:
        super().__init__(model, cells, config, fabric=fabric, seed=seed)
        self.present, self.profile_share = cells.present.to(fabric.device), cells.profile_share

    def _losses(self, seen: Tensor, measured: Tensor, draws: Draws, share: float) -> Tensor:
        layout, device = self.model.tokenizer.layout, self.fabric.device
        noise = draws.randn(layout.n_tokens, layout.n_channels).to(device)
        measured = measured.to(device)
        library = self.cells.normalise(measured)[1] * self.profile_share
        # The patterns of the base have found their place: the KL term counts in full from the first step.
        return self.module(seen.to(device), measured, library, noise, 1.0, self.present)

    def _prior(self) -> Tensor:
        return torch.zeros((), device=self.fabric.device)


class AdaptFlow(FlowStage):
    """The objective, in gene space without the genes that were not measured."""

    def __init__(
        self, model: GenerativeModel, cells: AlignedCells, config: TrainConfig, *, fabric: Fabric, seed: int
    ) -> None:
        super().__init__(model, cells, config, fabric=fabric, seed=seed)
        self.kept: Tensor | None = None
        if not model.in_latent_space and not bool(cells.present.all()):
            library = torch.ones(int(model.spec.has_counts), dtype=torch.bool)
            self.kept = torch.cat([cells.present, library]).to(fabric.device)

    def _loss(self, states: Tensor, codes: Tensor, draws: Draws) -> Tensor:
        device = self.fabric.device
        drawn = sample_path(self.model.objective, states, draws, device)
        output = self.module(drawn.x_t, drawn.t, codes.to(device))
        if self.kept is not None:
            output, drawn = output[:, self.kept], replace(drawn, target=drawn.target[:, self.kept])
        return self.model.objective.loss(output, drawn)
