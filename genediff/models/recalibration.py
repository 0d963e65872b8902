"""What a gene's own molecules say beyond a gamma-Poisson prior: the last word of the closed form in count space.

Per-gene priors by moments are wrong in ways that all genes share: by how much a gene that was read, or was not, should
change its share, and how fast that wanes with depth. A small function of each gene's own features, the same for all
genes but for their weights, learns it from training cells. It sees one gene at a time, so what a network adds to it is
what genes know of one another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_OWN = 3
"""What `own_features` returns."""
_HIDDEN, _FUNCTIONS = 32, 8
_USUAL_LOG_DEPTH = 5.0


class Recalibration(nn.Module):
    """Adds to log shares (cell, gene), gene by gene; nothing until it is fitted."""

    def __init__(self, n_genes: int) -> None:
        super().__init__()
        self.functions = nn.Sequential(
            nn.Linear(N_OWN + 1, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, _FUNCTIONS), nn.Tanh()
        )
        self.of_all = nn.Parameter(torch.zeros(_FUNCTIONS))
        self.of_gene = nn.Parameter(torch.zeros(n_genes, _FUNCTIONS))
        self.requires_grad_(False)  # fitted before the network, and fixed from then on

    def forward(self, state: Tensor, start: Tensor, log_profile: Tensor) -> Tensor:
        """Return what is added (cell, gene) to the log shares ``start`` of cells read as far as ``state`` (cell, gene).

        ``log_profile`` is the log share of every gene in training cells, (gene,).
        """
        depth = (torch.log1p(state.sum(1, keepdim=True)) - _USUAL_LOG_DEPTH) / 4  # (cell, 1)
        features = torch.stack([*own_features(state, start, log_profile), depth.expand_as(state)], dim=2)
        return torch.einsum("cgf,gf->cg", self.functions(features), self.of_all + self.of_gene)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Take models from before there was this: their closed form was not recalibrated."""
        for name, own in self.state_dict().items():
            state_dict.setdefault(prefix + name, torch.zeros_like(own))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def own_features(state: Tensor, start: Tensor, log_profile: Tensor) -> list[Tensor]:
    """Return what is known of every gene by itself, three times (cell, gene).

    Its molecules beside those expected, their number, and the closed form's answer beside the usual share.
    """
    expected = state.sum(1, keepdim=True) * log_profile.exp()
    return [torch.log((state + 1) / (expected + 1)), torch.log1p(state), start - log_profile]
