"""Rank tokens: the genes of a cell in the order of their expression, read like the words of a sentence.

Rules of the order, in full: a gene is ranked by its expression, divided by its median over the cells that show it where
the option says so; equal genes come in the order of the gene list; genes that are not seen never enter; where a cell
shows fewer genes than there are ranks, the last ranks hold "nothing".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from genediff.tokenizers.base import Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Material, PartlyRead
    from genediff.tokenizers.statistics import Statistics

# Scaling there and back leaves 1e-6 of error: levels closer than this are equal, and lower x are zeros.
SAME, ZERO = 1e-4, 1e-3


@dataclass(frozen=True)
class RankConfig(TokenizerConfig):
    """Options of the rank strategy."""

    n_tokens: int = option(256, title="Ranks", help="How many of a cell's highest genes are kept.", low=1, high=2048)
    n_channels: int = option(4, title="Channels", help="Numbers per rank.", low=1, high=256)
    by_median: bool = option(
        True, title="Divide by median", help="Rank each gene against its usual level, so that markers come first."
    )
    by_order: bool = option(
        False,
        title="Order alone",
        help="A gene's rank alone says how much of it there is, as in Geneformer, and not its measured value too.",
    )
    hidden: int = option(64, title="Embedding width", help="Numbers that stand for a gene's name.", low=8, high=1024)


@dataclass(frozen=True, eq=False)
class RankedGenes:
    """A cell as its genes in order, and what the last rank leaves out.

    ``genes`` are in order of rank; ``n_seen`` genes of the cell are above zero. ``genes_lost`` and ``counts_lost`` are
    the shares of those genes, and of the counts they hold, that lie beyond the last rank.
    """

    genes: tuple[str, ...]
    n_seen: int
    genes_lost: float
    counts_lost: float


class Rank(Tokenizer):
    """Each rank holds a gene: the sum of an embedding of its name, of its expression and of the rank.

    With ``by_order`` the expression is that of the rank, the same in every cell, so that all a cell says lies in which
    genes it shows and in their order. Most is in which genes: a shuffled order costs 2% of what tokens gain on pbmc3k
    (benchmarks/rank_order.md), and hardly anything where measured values are read too.

    The tokens keep the order, but a cell is decoded without knowing it, since in latent space they come from noise.
    Every token points at genes by the embeddings of their names, the same as on the way in, and the pointers are added
    up; a residual map from the sum of all tokens adds what goes with them, so that genes beyond the last rank are
    predicted and not lost. (Pointing by a softmax over genes for each rank costs ten times as much per step.)

    In gene space the ranks are those of noisy expression: close to chance at early times, right at late ones.
    """

    name: ClassVar[str] = "rank"
    title: ClassVar[str] = "Rank tokens"
    sentence: ClassVar[str] = (
        "A cell as a sentence: its genes in order of expression. Robust to depth and batch; loses the genes beyond the "
        "last rank."
    )
    reference: ClassVar[str] = "doi:10.1038/s41586-023-06139-9"  # Theodoris et al. 2023, Geneformer
    Config: ClassVar[type] = RankConfig
    claims: ClassVar[tuple[str, ...]] = ("tstr_f1",)
    shrunk: ClassVar[tuple[str, ...]] = ("patterns.weight",)
    # Hidden genes would tear the order apart, so the encoder sees all of them; thinned counts already vary it.
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
        "quick": {
            "options": {"n_tokens": 64, "n_channels": 2, "by_order": True},
            "model": {"width": 64},
            "train": {"input_dropout": 0.0},
        },
        "standard": {"options": {"n_tokens": 256, "hidden": 128, "by_order": True}, "train": {"input_dropout": 0.0}},
        "large": {"options": {"n_tokens": 512, "hidden": 256, "by_order": True}, "train": {"input_dropout": 0.0}},
    }

    gene_mean: Tensor
    gene_std: Tensor
    gene_median: Tensor

    config: RankConfig

    def __init__(self, material: Material, config: RankConfig) -> None:
        super().__init__(material, config)
        self.genes = material.genes
        n_genes, hidden = len(material.genes), config.hidden
        self.n_ranks = min(config.n_tokens, n_genes)
        self.register_buffer("gene_mean", torch.zeros(n_genes))
        self.register_buffer("gene_std", torch.ones(n_genes))
        self.register_buffer("gene_median", torch.ones(n_genes))
        self.identity = nn.Parameter(0.5 * torch.randn(n_genes + 1, hidden))  # the last is "nothing"
        self.value = nn.Sequential(nn.Linear(1, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        self.place = nn.Parameter(0.2 * torch.randn(self.n_ranks, hidden))
        self.usual = nn.Parameter(torch.ones(self.n_ranks)) if config.by_order else None
        self.word = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU())
        self.together = nn.Parameter(torch.randn(n_genes + 1, 4 * hidden) / self.n_ranks**0.5)
        self.context = nn.Sequential(
            nn.GELU(),
            nn.LayerNorm(4 * hidden),
            nn.Linear(4 * hidden, 4 * hidden),
            nn.GELU(),
            nn.LayerNorm(4 * hidden),
            nn.Linear(4 * hidden, hidden),
        )
        self.norm = nn.LayerNorm(hidden)
        # Each rank has weights of its own for its few numbers: with shared ones all ranks told the same of the cell.
        shape = (self.n_ranks, hidden, config.n_channels)
        self.mean = nn.Parameter(torch.randn(shape) / hidden**0.5)
        self.spread = nn.Parameter(torch.zeros(shape))
        self.lift = nn.Parameter(torch.randn(self.n_ranks, config.n_channels, hidden) / config.n_channels**0.5)
        self.decoded_place = nn.Parameter(0.2 * torch.randn(self.n_ranks, hidden))
        self.pointer = nn.Sequential(nn.GELU(), nn.Linear(hidden, hidden))
        self.residual = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU())
        self.patterns = nn.Linear(2 * hidden, n_genes)
        with torch.no_grad():
            self.patterns.weight.mul_(0.3)  # start near the mean profile

    def fit(self, training: Statistics) -> None:
        """Keep the scales that turn standardised expression back, and each gene's usual level."""
        self.gene_mean, self.gene_std = training.mean.clone(), training.std.clone()
        self.gene_median = training.median.clone()
        if self.usual is not None:  # what a rank usually holds is where its meaning starts
            _, values = self._ranked(self.measured(training.cells))
            with torch.no_grad():
                self.usual.copy_(values.mean(0))

    @property
    def layout(self) -> TokenLayout:
        """Tokens rank 1, rank 2, … without edges: all attend to all."""
        return TokenLayout(tuple(f"rank {i + 1}" for i in range(self.n_ranks)), self.config.n_channels)

    def measured(self, x: Tensor) -> Tensor:
        """Return log-normalised expression (cell, gene) of standardised x; 0 for what was hidden in training.

        Hidden genes are exactly at the mean, where no measured value of a gene that varies ever is.
        """
        return (x * self.gene_std + self.gene_mean).clamp(min=0) * (x != 0)

    def order(self, measured: Tensor) -> Tensor:
        """Return which gene is at each rank, (cell, rank); the number of genes stands for "nothing".

        Parameters
        ----------
        measured
            Log-normalised expression, (cell, gene).
        """
        n_genes = measured.shape[1]
        level = torch.expm1(measured.detach()).clamp(min=1e-9).log()
        if self.config.by_median:
            level = level - torch.expm1(self.gene_median).clamp(min=1e-9).log()
        seen = measured > ZERO
        step = torch.where(seen, torch.round(level / SAME).to(torch.int64), -(2**40))  # (cell, gene)
        # No two whole numbers are alike, so the order is the same on every device, which topk alone does not promise.
        key = step * n_genes + torch.arange(n_genes - 1, -1, -1, device=measured.device)
        ranked = key.topk(self.n_ranks, dim=1, sorted=True).indices  # (cell, rank)
        return torch.where(seen.gather(1, ranked), ranked, n_genes)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""
        ranked, values = self._ranked(self.measured(x))  # each (cell, rank)
        if self.usual is not None:
            values = self.usual * (ranked < len(self.genes))
        words = self.word(self.identity[ranked] + self.value(values[..., None]) + self.place)  # (cell, rank, hidden)
        # All that is ranked, read at once: a rank's few numbers say best what the ranks before have not said.
        said = functional.embedding_bag(
            ranked, self.together, per_sample_weights=values, mode="sum"
        )  # (cell, 4 hidden)
        words = self.norm(words + self.context(said)[:, None])
        return Posterior(_by_rank(words, self.mean), torch.exp(_by_rank(words, self.spread).clamp(-3, 3) - 1))

    def _ranked(self, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Return which gene is at each rank, and its log-normalised expression, each (cell, rank)."""
        ranked = self.order(measured)
        return ranked, functional.pad(measured, (0, 1)).gather(1, ranked)

    def encode_read(self, cells: PartlyRead) -> Tensor:
        """Map partly read cells to tokens (cell, rank, channel): genes not seen yet have no rank."""
        return self.encode(cells.measured)

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, rank, channel) to one real number per gene, (cell, gene)."""
        pointers = self.pointer(_by_rank(tokens, self.lift) + self.decoded_place)  # (cell, rank, hidden)
        pointed = pointers.sum(1) / self.n_ranks**0.5  # (cell, hidden)
        named = pointed @ self.identity[:-1].T / self.config.hidden**0.5  # (cell, gene)
        return named + self.patterns(self.residual(pointed))

    @torch.no_grad()
    def sequence(self, x: Tensor) -> RankedGenes:
        """Return the ranked genes of one cell from its standardised expression (gene,)."""
        measured = self.measured(x[None])  # (1, gene)
        ranked = self.order(measured)[0]
        ranked = ranked[ranked < len(self.genes)]  # (rank,)
        counts = torch.expm1(measured[0].double())
        seen, all_counts = int((measured > ZERO).sum()), float(counts.sum())
        return RankedGenes(
            genes=tuple(self.genes[i] for i in ranked.tolist()),
            n_seen=seen,
            genes_lost=1 - len(ranked) / seen if seen else 0.0,
            counts_lost=1 - float(counts[ranked].sum()) / all_counts if all_counts else 0.0,
        )


def _by_rank(x: Tensor, weights: Tensor) -> Tensor:
    """Multiply what each rank holds (cell, rank, in) by the weights of that rank (rank, in, out)."""
    return torch.einsum("cri,rio->cro", x, weights)
