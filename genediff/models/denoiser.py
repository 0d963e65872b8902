"""The networks that a flow trains: one on tokens (latent space), one on expression (gene space).

The state of a cell is one flat vector: its tokens or its standardised expression, and, where there are counts, one
last number, the standardised log library size. So library size is generated together with the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from genediff.core.errors import InputError
from genediff.nn.active_tokens import ActiveTokens, packs
from genediff.nn.adjacency import Adjacency
from genediff.nn.dit import Stack, zero_linear
from genediff.nn.edge_lists import Graph
from genediff.nn.embeddings import ConditionEmbedding, TimeEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.diffusion import Objective
    from genediff.models.config import ModelConfig
    from genediff.tokenizers import Tokenizer, TokenLayout


# Without gradients cells pass in groups of about this many tokens: it keeps generation within the caches and in little
# memory.
MOST_TOKENS = 2**17


class Steering(nn.Module):
    """The vector that steers every block: time and conditions."""

    def __init__(self, width: int, n_levels: Sequence[int]) -> None:
        super().__init__()
        self.time = TimeEmbedding(width)
        self.condition = ConditionEmbedding(n_levels, width) if n_levels else None

    def forward(self, t: Tensor, codes: Tensor) -> Tensor:
        """Map times (cell,) and level codes (cell, column) to (cell, width)."""
        c = self.time(t)
        return c if self.condition is None else c + self.condition(codes)


class TokenBackbone(nn.Module):
    """Blocks over a token sequence, and one more token for the library size.

    Several neighbouring tokens may enter as one position, a patch: fewer positions, each with more numbers. The MLP
    backbone sees all of them as a single flat one, and a single position has nothing to attend to. Tokens that are
    joined by edges hear of one another along the edges alone: the library size, which would be a bridge
    between all of them, enters with time and condition and leaves as a mean over tokens.
    """

    def __init__(self, layout: TokenLayout, config: ModelConfig, n_levels: Sequence[int], *, library: bool) -> None:
        super().__init__()
        n_tokens, n_channels = layout.n_tokens, layout.n_channels
        self.n_places = n_places = places(layout, config)
        self.flat = n_places == 1
        self.shape = (n_tokens, n_channels)
        width = config.width
        self.steering = Steering(width, n_levels)
        self.graph = _graph(layout, config)
        self.adjacency = Adjacency(n_tokens) if layout.learned and not self.flat else None
        self.stack = Stack(width, config.depth, 0 if self.flat else config.heads, graph=self.graph)
        n_in = layout.size // n_places
        self.lift = nn.Linear(n_in, width)
        self.lower = zero_linear(width, n_in)
        self.lift_library = nn.Linear(1, width) if library else None
        self.lower_library = zero_linear(width, 1) if library else None
        self.has_library_token = library and not self.flat and self.graph is None
        place = torch.randn(n_places + self.has_library_token, width)
        if layout.identity is not None and not self.flat:
            # Half of the width, so that tokens of which little is known still differ.
            known = layout.identity[:, : width // 2]  # (token, number)
            place[:n_tokens, : known.shape[1]] = known
        self.place = nn.Parameter(place * 0.5)

    def forward(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (cell, token, channel) and library (cell, 0 or 1) to outputs of the same shapes."""
        size = len(tokens) if torch.is_grad_enabled() else max(1, MOST_TOKENS // self.shape[0])
        groups = zip(*(part.split(size) for part in (tokens, library, t, codes)), strict=True)
        moved, libraries = zip(*(self._forward(*group) for group in groups), strict=True)
        return torch.cat(moved), torch.cat(libraries)

    def forward_active(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor, active: Tensor) -> Tensor:
        """Map the active tokens alone, (cell, token) true or false, along the edges between them.

        Returns (cell, token, channel), zero where a token is not active; the other parameters are those of `forward`.
        """
        assert self.graph is not None
        out = torch.zeros_like(tokens)
        for rows in packs(active):
            own = ActiveTokens.of(self.graph, active[rows])
            refined = self.forward_packed(own, tokens[rows], library[rows], t[rows], codes[rows])
            out = out.index_copy(0, rows, refined.to(out.dtype))
        return out

    def forward_packed(self, own: ActiveTokens, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        """Map the active tokens of a few cells, which are packed side by side: as `forward_active`."""
        assert self.lift_library is not None
        place = self.place.index_select(0, own.token.flatten()).unflatten(0, own.token.shape)
        steering = self.steering(t, codes) + self.lift_library(library)
        hidden = self.stack(self.lift(own.take(tokens)) + place, steering, own.graph)
        return own.put(self.lower(hidden), self.n_places)  # (cell, token, channel)

    @torch.no_grad()
    def attention_weights(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> list[Tensor]:
        """Return the attention weights of each layer for some cells.

        Each is (cell, head, token, token), or (cell, head, edge) in the order of ``graph.edges`` where tokens attend
        along edges. A token for the library size is the last one.
        """
        return self.stack.weights(*self._lifted(tokens, library, t, codes), self._bias())

    def _forward(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.stack(*self._lifted(tokens, library, t, codes), self._bias())  # (cell, token (+ 1), width)
        if self.lower_library is not None:
            library = self.lower_library(hidden[:, -1] if self.graph is None else hidden.mean(1))  # (cell, 1)
        hidden = hidden[:, :-1] if self.has_library_token else hidden
        return self.lower(hidden).reshape(-1, *self.shape), library

    def _lifted(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return what enters the first block (cell, token, width), and what steers all (cell, width)."""
        hidden = self.lift(tokens.reshape(len(tokens), -1, self.lift.in_features))  # (cell, place, width)
        steering = self.steering(t, codes)
        if self.lift_library is not None:
            lifted = self.lift_library(library)  # (cell, width)
            if self.has_library_token:
                hidden = torch.cat([hidden, lifted[:, None]], dim=1)
            elif self.flat:
                hidden = hidden + lifted[:, None]
            else:
                steering = steering + lifted
        return hidden + self.place, steering

    def _bias(self) -> Tensor | None:
        return None if self.adjacency is None else self.adjacency(int(self.has_library_token))


def places(layout: TokenLayout, config: ModelConfig) -> int:
    """Return how many positions the tokens make in the sequence, one of the library size not among them.

    Raises
    ------
    InputError
        For a patch that does not divide the tokens, or would join tokens that stand for something.
    """
    if config.backbone == "mlp":
        return 1
    if config.patch > 1 and not layout.joinable:
        raise InputError("these tokens stand for something, so the backbone must read each alone; set the patch to 1")
    if layout.n_tokens % config.patch:
        raise InputError(
            f"{layout.n_tokens} tokens cannot be read {config.patch} at a time; choose a divisor as tokens per patch "
            "(1 always works)"
        )
    return layout.n_tokens // config.patch


def _graph(layout: TokenLayout, config: ModelConfig) -> Graph | None:
    if layout.edges is None:
        return None
    if config.backbone == "mlp":
        raise InputError("these tokens attend along a network, which an MLP backbone cannot; set the backbone to 'dit'")
    return Graph(layout.edges, layout.n_tokens, signs=layout.signs)


class LatentDenoiser(nn.Module):
    """Predicts on the tokens themselves."""

    def __init__(self, layout: TokenLayout, config: ModelConfig, n_levels: Sequence[int], *, library: bool) -> None:
        super().__init__()
        self.size, self.shape = layout.size, (layout.n_tokens, layout.n_channels)
        self.backbone = TokenBackbone(layout, config, n_levels, library=library)

    def forward(self, state: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        """Map the state (cell, dim) at times t (cell,) to a prediction (cell, dim)."""
        tokens = state[:, : self.size].unflatten(1, self.shape)  # (cell, token, channel)
        tokens, library = self.backbone(tokens, state[:, self.size :], t, codes)
        return torch.cat([tokens.flatten(1), library], dim=1)

    @torch.no_grad()
    def attention_weights(self, state: Tensor, t: Tensor, codes: Tensor) -> list[Tensor]:
        """Return the attention weights of each layer on states (cell, dim): see `TokenBackbone`."""
        tokens = state[:, : self.size].unflatten(1, self.shape)  # (cell, token, channel)
        return self.backbone.attention_weights(tokens, state[:, self.size :], t, codes)


class GeneDenoiser(nn.Module):
    """Estimates the clean expression of every gene through the tokenizer's bottleneck, and predicts what is asked.

    What the objective regresses (data, noise or velocity) follows from the estimate in closed form. Tokens can carry
    what genes share, m, but not the noise of each single gene. That part is treated as Gaussian with a learned standard
    deviation s per gene, for which the best guess is known in closed form:
    E[x_1 | x_t] = m + k (x_t - alpha m), with k = alpha s² / (alpha² s² + sigma²).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: ModelConfig,
        n_levels: Sequence[int],
        *,
        n_genes: int,
        objective: Objective,
        library: bool,
    ) -> None:
        super().__init__()
        self.tokenizer, self.objective, self.n_genes = tokenizer, objective, n_genes
        self.backbone = TokenBackbone(tokenizer.layout, config, n_levels, library=library)
        self.log_s = nn.Parameter(torch.full((n_genes,), -0.1))

    def forward(self, state: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        """Map the state (cell, gene + library) at times t (cell,) to the objective's prediction of the same shape."""
        x_t, library_t = state[:, : self.n_genes], state[:, self.n_genes :]
        tokens, library = self.backbone(self.tokenizer.encode(x_t), library_t, t, codes)
        shared = self.tokenizer.decode(tokens)  # (cell, gene)
        c = self.objective.path(t[:, None])
        variance = (2 * self.log_s).exp()  # (gene,)
        k = c.alpha * variance / (c.alpha.square() * variance + c.sigma.square() + 1e-6)  # (cell, gene)
        x_1 = shared + k * (x_t - c.alpha * shared)
        return self.objective.from_data(torch.cat([x_1, library], dim=1), state, t)

    @torch.no_grad()
    def attention_weights(self, state: Tensor, t: Tensor, codes: Tensor) -> list[Tensor]:
        """Return the attention weights of each layer on states (cell, gene + library): see `TokenBackbone`."""
        x_t, library_t = state[:, : self.n_genes], state[:, self.n_genes :]
        return self.backbone.attention_weights(self.tokenizer.encode(x_t), library_t, t, codes)
