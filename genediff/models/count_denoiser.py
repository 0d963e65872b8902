"""The network in count space: which gene the next molecule of a partly read cell belongs to.

It starts at the exact answer for a mixture of independent negative binomials, recalibrated gene by gene, and learns
only what genes know of one another: log share = log_softmax(log rate of the start + gain x decode(tokens)), where the
gain of every gene is zero before training. Noise and its reversal are in `genediff.diffusion.thinning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from genediff.models.count_mixture import CountMixture
from genediff.models.denoiser import TokenBackbone
from genediff.models.recalibration import N_OWN, Recalibration, own_features
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.tokenizers import PartlyRead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.models.config import ModelConfig
    from genediff.models.model_info import ModelSpec
    from genediff.tokenizers import Tokenizer
    from genediff.tokenizers.statistics import Statistics

DEEPEST = 12.0
"""Log of a depth that no cell reaches (160,000 molecules): log depth over it is the time of the backbone."""
MOST_SURPRISED = 5.0
"""Standard deviations beyond which a gene's molecules say no more of its targets."""
FEWEST_READ = 8
"""Molecules that must be read before the network is asked: of fewer, the mixture's answer is as good and costs less."""


class CountDenoiser(nn.Module):
    """Corrects the log shares of a `CountMixture` by what the tokens of a partly read cell say.

    The library size that a cell will have, and its depth, steer the backbone beside the conditions.
    """

    mean: Tensor
    std: Tensor
    log_profile: Tensor
    library_scale: Tensor

    def __init__(
        self, tokenizer: Tokenizer, config: ModelConfig, n_levels: Sequence[int], known: Statistics, spec: ModelSpec
    ) -> None:
        super().__init__()
        n_genes = len(spec.genes)
        self.tokenizer, self.target_sum = tokenizer, spec.target_sum
        self.start = CountMixture(n_levels, n_genes)
        self.recalibration = Recalibration(n_genes)
        layout = tokenizer.layout
        self.backbone = TokenBackbone(layout, config, n_levels, library=True)
        self.reader: nn.Module | None = None
        self.linear: EdgeLinear | None = None
        if layout.edges is not None:  # tokens are genes, and what a gene says of itself must not pass through others
            self.reader = nn.Sequential(nn.Linear(N_OWN, 16), nn.GELU(), nn.Linear(16, layout.n_channels), nn.Tanh())
            self.linear = EdgeLinear(Graph(layout.edges, n_genes, signs=layout.signs, loops=False), start=0.0)
            self.linear.requires_grad_(False)  # fitted before the network, and fixed from then on
        self.gain = nn.Parameter(torch.zeros(n_genes))
        self.register_buffer("mean", known.mean.clone())
        self.register_buffer("std", known.std.clone())
        self.register_buffer("log_profile", known.log_profile.clone())
        self.register_buffer("library_scale", known.library.clone())

    def forward(self, state: Tensor, library: Tensor, codes: Tensor, shown: Tensor | None = None) -> Tensor:
        """Map what was read of cells (cell, gene), of libraries (cell,), to log shares of the rest (cell, gene).

        In training the tokenizer may be ``shown`` some genes only: a factor (cell, gene) of what it sees, 0 for hidden.
        """
        with torch.no_grad():
            start = self.start_log_shares(state, library, codes)
            asked = (state.sum(1) >= FEWEST_READ).nonzero()[:, 0]
        if not len(asked) and not self.training:
            return start
        if len(asked) == len(state) or self.training:
            return (start + self.correction(state, library, codes, start, shown)).log_softmax(1)
        own = start[asked] + self.correction(state[asked], library[asked], codes[asked], start[asked])
        return start.index_copy(0, asked, own.log_softmax(1))

    def start_log_shares(self, state: Tensor, library: Tensor, codes: Tensor) -> Tensor:
        """Return the recalibrated answer of the mixture, (cell, gene): all that genes can say by themselves."""
        start = self.start.log_shares(state, library, codes)
        enough = state.sum(1, keepdim=True) >= FEWEST_READ
        return (start + enough * self.recalibration(state, start, self.log_profile)).log_softmax(1)

    def correction(
        self, state: Tensor, library: Tensor, codes: Tensor, start: Tensor, shown: Tensor | None = None
    ) -> Tensor:
        """Return what genes say of one another, which is added to the log shares ``start``, (cell, gene)."""
        return self._decoded(self.tokens(state, start, shown), state, library, codes, start)

    def shares_of(self, tokens: Tensor, state: Tensor, library: Tensor, codes: Tensor) -> Tensor:
        """Return the shares (cell, gene) of the next molecule if the tokens (cell, token, channel) were these."""
        start = self.start_log_shares(state, library, codes)
        return (start + self._decoded(tokens, state, library, codes, start)).softmax(1)

    def _decoded(self, tokens: Tensor, state: Tensor, library: Tensor, codes: Tensor, start: Tensor) -> Tensor:
        steering = self.steering(state, library)
        if self.linear is not None:
            return self.from_gene_tokens(self.refined(tokens, state, *steering, codes), self.surprise(state, start))
        refined, _ = self.backbone(tokens, *steering, codes)
        return self.gain * self.tokenizer.decode(tokens + refined)

    def from_gene_tokens(self, refined: Tensor, surprise: Tensor) -> Tensor:
        """Return what gene tokens (cell, gene, channel) and linear edges add to the log shares, (cell, gene)."""
        assert self.linear is not None
        return self.gain * self.tokenizer.decode(refined) + self.linear(surprise)

    @staticmethod
    def surprise(state: Tensor, start: Tensor) -> Tensor:
        """Return how many more molecules were read of each gene than expected, in standard deviations, (cell, gene)."""
        expected = state.sum(1, keepdim=True) * start.exp()
        return ((state - expected) / (expected + 1).sqrt()).clamp(-MOST_SURPRISED, MOST_SURPRISED)

    def refined(self, tokens: Tensor, state: Tensor, library: Tensor, depth: Tensor, codes: Tensor) -> Tensor:
        """Return gene tokens (cell, gene, channel) after the backbone, steered by `steering`; of active genes alone."""
        active = self.active(state)
        tokens = tokens * active[..., None]
        return tokens + self.backbone.forward_active(tokens, library, depth, codes, active)

    def active(self, state: Tensor) -> Tensor:
        """Say which gene tokens know anything of a cell, (cell, gene): genes that were read, and their targets.

        Of all others the mixture's answer stands, so that a cell costs as much as is known of it.
        """
        assert self.backbone.graph is not None
        source, target = self.backbone.graph.edges  # self-loops among them
        read = (state > 0).to(state.dtype)
        return torch.zeros_like(read).index_add(1, target, read.index_select(1, source)) > 0

    def tokens(self, state: Tensor, start: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return the tokens (cell, token, channel) of cells as far as they are read, given the mixture's answer."""
        n = state.sum(1, keepdim=True)
        if self.reader is not None:
            features = own_features(state, start, self.log_profile)
            tokens: Tensor = self.reader(torch.stack(features, dim=2))  # (cell, gene, channel)
            return tokens
        expected = (torch.log1p(self.target_sum * start.exp()) - self.mean) / self.std
        measured = (torch.log1p(self.target_sum * state / n.clamp(min=1)) - self.mean) / self.std
        if shown is not None:
            expected, measured = expected * shown, measured * shown
        return self.tokenizer.encode_read(PartlyRead(expected, measured))

    def steering(self, state: Tensor, library: Tensor) -> tuple[Tensor, Tensor]:
        """Return the standardised log library (cell, 1) and the log depth on a scale of 0 to 1, (cell,)."""
        scaled = (library.clamp(min=1).log() - self.library_scale[0]) / self.library_scale[1]
        return scaled[:, None], torch.log1p(state.sum(1)) / DEEPEST

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Take models from before there were linear edges."""
        if self.linear is not None:
            state_dict.setdefault(f"{prefix}linear.weight", torch.zeros_like(self.linear.weight))
        super()._load_from_state_dict(state_dict, prefix, *rest)
