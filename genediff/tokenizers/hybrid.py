"""Pathway tokens and free latent tokens in one sequence: named where biology has a name, free where it has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option
from genediff.tokenizers.latent import Latent, LatentConfig
from genediff.tokenizers.pathway import Pathway, PathwayConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Material

Errors = Callable[[Tensor], Tensor]
"""From logits (cell, gene) to one error per cell, (cell,)."""


@dataclass(frozen=True)
class Explained:
    """What one part of a hybrid explains.

    ``variance`` is its share of how decoded genes vary between cells; the shares add up to 1, and one is below zero
    where a part works against the other. ``cost`` is how much the error of a cell grows, on average, when the part
    tells every cell the same.
    """

    title: str
    variance: float
    cost: float


@dataclass(frozen=True)
class LatentPathwayConfig(TokenizerConfig):
    """Options of the hybrid of pathway and latent tokens."""

    n_channels: int = option(2, title="Channels", help="Numbers per token, in both parts.", low=1, high=64)
    n_latent: int = option(8, title="Free tokens", help="Tokens that see and drive every gene.", low=1, high=256)
    smallest: int = option(
        5, title="Smallest set", help="Sets with fewer of the model's genes are left out.", low=1, high=1000
    )
    largest: int = option(
        0, title="Largest set", help="Sets with more of the model's genes are left out; 0: no limit.", low=0, high=20000
    )
    encoder_input: Literal["cell", "members"] = option(
        "cell",
        title="Encoder input",
        help="Members: a named token reads only the genes of its set. Cell: those, then a summary of all named tokens.",
        choices=("cell", "members"),
    )
    hidden: int = option(16, title="Set encoder width", help="Hidden units of each set's encoder.", low=1, high=256)
    decoder_hidden: int = option(
        16, title="Set decoder width", help="Hidden units of each set's decoder.", low=1, high=256
    )
    latent_hidden: int = option(
        256, title="Free encoder width", help="Hidden units of the free tokens' encoder.", low=16, high=8192
    )
    latent_decoder_hidden: int = option(
        64, title="Free decoder width", help="Hidden units of the free tokens' decoder.", low=8, high=8192
    )
    decoder: Literal["linear", "mlp"] = option(
        "mlp",
        title="Decoder",
        help="Linear: tokens add patterns of genes. MLP: that, and patterns that numbers make together.",
        choices=("linear", "mlp"),
    )
    beta: float = option(0.1, title="KL weight", help="How strongly tokens are kept near a normal.", low=0.0, high=10.0)
    price: float = option(
        4.0,
        title="Price of free tokens",
        help="How much more than a named token a free one pays for what it says; higher: names say more.",
        low=0.1,
        high=100.0,
    )
    alone: float = option(
        0.0,
        title="Named tokens alone",
        help="Share of training cells that named tokens explain without free ones, so that names have first say.",
        low=0.0,
        high=1.0,
    )


class LatentPathway(Tokenizer):
    """The two tokenizers side by side; the logits that they decode are added.

    Free tokens reach every gene, those in no set included, so the pathway part has no residual tokens here. What a
    set's token could say a free one could say too, so free tokens pay a higher KL price; by price alone they carry most
    (97% of the decoded variance on pbmc3k with Hallmark, which most genes are not in). Named tokens may have first say:
    a share ``alone`` of training cells is decoded without free ones, which are left with what no name explains.
    `explained` measures it.
    """

    name: ClassVar[str] = "latent_pathway"
    title: ClassVar[str] = "Pathway + latent tokens"
    sentence: ClassVar[str] = "Named pathway tokens, and learned tokens for what no pathway explains."
    reference: ClassVar[str] = "doi:10.1038/s41556-022-01072-x"  # Lotfollahi et al. 2023, expiMap
    Config: ClassVar[type] = LatentPathwayConfig
    claims: ClassVar[tuple[str, ...]] = ("reconstruction_r", "correlation_error")
    shrunk: ClassVar[tuple[str, ...]] = ("parts.0.patterns.weight", "parts.1.patterns.weight")
    needs: ClassVar[tuple[Literal["gene_sets", "network"], ...]] = ("gene_sets",)
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {"model": {"width": 64, "depth": 3, "heads": 4}, "train": {"shrinkage": 100.0}},
        "standard": {
            "options": {"n_channels": 4, "n_latent": 16, "hidden": 32, "latent_hidden": 512},
            "train": {"shrinkage": 100.0},
        },
        "large": {
            "options": {"n_channels": 8, "n_latent": 32, "hidden": 64, "decoder_hidden": 32, "latent_hidden": 1024},
            "train": {"shrinkage": 100.0},
        },
    }

    config: LatentPathwayConfig

    def __init__(self, material: Material, config: LatentPathwayConfig) -> None:
        super().__init__(material, config)
        named = PathwayConfig(
            n_channels=config.n_channels,
            n_residual=0,
            smallest=config.smallest,
            largest=config.largest,
            encoder_input=config.encoder_input,
            hidden=config.hidden,
            decoder_hidden=config.decoder_hidden,
            decoder=config.decoder,
            beta=config.beta,
        )
        free = LatentConfig(
            n_tokens=config.n_latent,
            n_channels=config.n_channels,
            hidden=config.latent_hidden,
            decoder_hidden=config.latent_decoder_hidden,
            decoder=config.decoder,
            beta=config.beta * config.price,
        )
        pathway = Pathway(material, named)
        self.sets = pathway.sets
        self.parts = nn.ModuleList([pathway, Latent(material, free)])

    @property
    def layout(self) -> TokenLayout:
        """The pathway tokens, then the free ones; all attend to all."""
        inner = [part.layout for part in self._parts()]
        names = tuple(name for layout in inner for name in layout.names)
        titles = ("pathways", "free tokens")
        sizes = tuple((title, layout.n_tokens) for title, layout in zip(titles, inner, strict=True))
        return TokenLayout(names, self.config.n_channels, parts=sizes)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        found = [part.posterior(x) for part in self._parts()]
        return Posterior(torch.cat([p.mean for p in found], dim=1), torch.cat([p.std for p in found], dim=1))

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one logit per gene, (cell, gene): the sum over parts."""
        if self.config.alone and self.training and torch.is_grad_enabled():  # not when held-out cells are looked at
            named, free = self._split(tokens)
            # Whether a cell's free tokens are there is a coin that its own noise tosses: the same however a batch is
            # dealt out to processes.
            coin = (free[:, 0, 0].detach() * 1000).remainder(1)  # (cell,)
            tokens = torch.cat([named, free * (coin >= self.config.alone)[:, None, None]], dim=1)
        parts = self.decode_parts(tokens)
        return parts[0] + parts[1]

    def penalty(self, posterior: Posterior) -> Tensor:
        """Return the penalties of both parts, (cell,)."""
        means, stds = self._split(posterior.mean), self._split(posterior.std)
        each = [part.penalty(Posterior(m, s)) for part, m, s in zip(self._parts(), means, stds, strict=True)]
        return each[0] + each[1]

    def activity(self, tokens: Tensor) -> Tensor:
        """Return how far each pathway token lifts its own genes, (cell, pathway token): see `Pathway.activity`."""
        named = self.parts[0]
        assert isinstance(named, Pathway)
        return named.activity(self._split(tokens)[0])

    def decode_parts(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """Return what each part adds to the logits, each (cell, gene)."""
        return tuple(part.decode(own) for part, own in zip(self._parts(), self._split(tokens), strict=True))

    def silenced(self, tokens: Tensor, part: int) -> Tensor:
        """Return tokens in which one part tells every cell the same: its mean over the cells given."""
        own = list(self._split(tokens))
        own[part] = own[part].mean(0, keepdim=True).expand_as(own[part])
        return torch.cat(own, dim=1)

    @torch.no_grad()
    def explained(self, tokens: Tensor, errors: Errors) -> tuple[Explained, ...]:
        """Measure what each part explains of these cells.

        Parameters
        ----------
        tokens
            Of cells that training has not seen, (cell, token, channel).
        errors
            The error of each cell for decoded logits, such as its negative log-likelihood.
        """
        each = [part - part.mean(0) for part in self.decode_parts(tokens)]  # (cell, gene)
        whole = each[0] + each[1]
        total = whole.square().sum().clamp(min=1e-12)
        error = errors(self.decode(tokens)).mean()
        out = []
        for i, (title, _) in enumerate(self.layout.parts):
            without = errors(self.decode(self.silenced(tokens, i))).mean()
            out.append(Explained(title, float((each[i] * whole).sum() / total), float(without - error)))
        return tuple(out)

    def _parts(self) -> tuple[Tokenizer, ...]:
        return tuple(part for part in self.parts if isinstance(part, Tokenizer))

    def _split(self, tokens: Tensor) -> tuple[Tensor, ...]:
        return tokens.split([part.layout.n_tokens for part in self._parts()], dim=1)
