"""What every tokenization strategy is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.knowledge import GeneSets, Knowledge
    from genediff.tokenizers.statistics import Statistics


def option(
    default: Any, *, title: str, help: str, low: Any = None, high: Any = None, choices: Sequence[str] = ()
) -> Any:
    """Declare a field of a strategy's Config with what a form needs to draw it."""
    return field(
        default=default, metadata={"title": title, "help": help, "low": low, "high": high, "choices": tuple(choices)}
    )


@dataclass(frozen=True)
class TokenizerConfig:
    """Options that every strategy has; a strategy adds its own."""

    beta: float = option(0.5, title="KL weight", help="How strongly tokens are kept near a normal.", low=0.0, high=10.0)


@dataclass(frozen=True, eq=False)
class Material:
    """What a strategy is built from besides its options; the knowledge speaks of these genes only.

    Both are there when a model is trained and when a saved one is read. What is measured on cells comes to `fit`.
    """

    genes: tuple[str, ...]
    knowledge: Knowledge


@dataclass(frozen=True, eq=False)
class TokenLayout:
    """The names of the tokens, their channels, and which token attends to which.

    With ``edges`` (source, target) a token attends to the sources of its edges and to itself, without them to all;
    with ``learned`` to all, through an adjacency that is learned. ``parts`` are the title and the number of tokens of
    each part of a hybrid, in order. ``identity`` is what is known of each token beforehand, numbers of mean square 1:
    the backbone's place embedding starts from it, so that tokens that behave alike start alike. Tokens that stand for
    nothing of their own are ``joinable``: the backbone may read neighbours as one.
    """

    names: tuple[str, ...]
    n_channels: int
    edges: Tensor | None = None  # (2, edge) source -> target
    signs: Tensor | None = None  # (edge,) 1 activates, -1 represses, 0 unknown
    learned: bool = False
    parts: tuple[tuple[str, int], ...] = ()
    identity: Tensor | None = None  # (token, number)
    joinable: bool = False

    @property
    def n_tokens(self) -> int:
        """The length of the token sequence."""
        return len(self.names)

    @property
    def size(self) -> int:
        """Numbers per cell: tokens x channels."""
        return self.n_tokens * self.n_channels


@dataclass(frozen=True, eq=False)
class Posterior:
    """Where the tokens of a cell may lie: a normal with ``mean`` and ``std``, each (cell, token, channel)."""

    mean: Tensor
    std: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Return the tokens for standard normal noise of the same shape."""
        return self.mean + self.std * noise

    def divergence(self) -> Tensor:
        """Return KL(posterior, standard normal) per cell and latent number, (cell, token, channel)."""
        return 0.5 * (self.mean.square() + self.std.square() - 1) - torch.log(self.std)


@dataclass(frozen=True, eq=False)
class PartlyRead:
    """Cells of which some molecules were read, as a tokenizer in count space may look at them; each (cell, gene).

    ``expected`` is the standardised log-normalised expression that is expected of the cell, ``measured`` that of the
    molecules alone, in which genes not seen yet are zeros.
    """

    expected: Tensor
    measured: Tensor


class Tokenizer(nn.Module, ABC):
    """Encodes standardised expression (cell, gene) as tokens (cell, token, channel), and decodes them.

    It serves three spaces. In latent space a flow runs on its tokens. In gene space the flow runs on expression and
    the network is decode(backbone(encode(x_t))), and so it is in count space, on cells that are partly read.

    A strategy gives `layout`, `posterior` and `decode`, and a ``Config`` that extends `TokenizerConfig`. It may give
    `fit`. What is needed after training is a parameter or a buffer: nothing else is saved.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    sentence: ClassVar[str]
    reference: ClassVar[str]
    Config: ClassVar[type]
    shrunk: ClassVar[tuple[str, ...]] = ()
    """Names of weights with a normal prior around zero (`TrainConfig.shrinkage` is its precision)."""
    spaces: ClassVar[tuple[str, ...]] = ("latent", "gene", "counts")
    """Where it makes sense; the first that the data allow is the default (`default_space`)."""
    needs: ClassVar[tuple[Literal["gene_sets", "network"], ...]] = ()
    """Which knowledge it cannot do without."""
    claims: ClassVar[tuple[str, ...]] = ()
    """Figures of a comparison (names of metrics and measures) in which it says it is better than the flat vector."""
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    """What a preset changes for it: {"quick": {"options": {…}, "model": {…}, "train": {…}}}; options replace the
    preset's own token options as a whole."""

    config: Any
    sets: GeneSets | None = None
    """The gene sets that its first tokens are named after, in their order; None where no token has such a name."""

    @classmethod
    def default_space(cls, *, has_counts: bool) -> str:
        """Return the space of a model that is not told one: the first that the data allow."""
        return next(space for space in cls.spaces if has_counts or space != "counts")

    def __init__(self, material: Material, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config

    def fit(self, training: Statistics) -> None:
        """Take from the training cells what the strategy needs before any gradient step, into buffers or parameters.

        Called once for a new model, right after it is built, and never for one whose weights are read. Nothing is done
        unless a strategy says otherwise. Random draws come from torch's global generator, as initial weights do.

        Parameters
        ----------
        training
            Scales of genes and up to 2,048 standardised cells, ``training.cells`` (cell, gene); validation and test
            cells are not among them.
        """

    @property
    @abstractmethod
    def layout(self) -> TokenLayout:
        """The names and the shape of the tokens."""

    @abstractmethod
    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to where its tokens may lie."""

    @abstractmethod
    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one real number per gene, (cell, gene)."""

    def penalty(self, posterior: Posterior) -> Tensor:
        """Return what the first stage adds to the reconstruction error of each cell, (cell,): beta x KL."""
        return self.config.beta * posterior.divergence().sum((1, 2))

    def encode(self, x: Tensor) -> Tensor:
        """Map standardised expression (cell, gene) to tokens (cell, token, channel)."""
        return self.posterior(x).mean

    def encode_read(self, cells: PartlyRead) -> Tensor:
        """Map partly read cells to tokens (cell, token, channel): by their expected expression unless it says else."""
        return self.encode(cells.expected)
