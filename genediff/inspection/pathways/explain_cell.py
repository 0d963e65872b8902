"""One cell explained by its tokens: the likelihood of its counts as tokens are included one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.tokens.loadings import Loadings

HALVES = 8
MOST_STEPS = 12
CANDIDATES = 48
BATCH = 1024
TOP_GENES = 5


@dataclass(frozen=True, eq=False)
class Explained:
    """A cell explained by its tokens.

    Attributes
    ----------
    steps
        Tokens in the order in which each helped most: ``token``; ``gain`` in nats over the average cell when it and
        all before it are included, and ``error``, the standard error of that over halves; ``genes`` whose counts it
        explains most, with an arrow that says where it moves them. The first row is the average cell, the last
        all tokens.
    table
        Every token: ``token``; ``alone``, the gain of it alone; ``last``, the gain that is lost when it alone is left
        out; both with their ``…_error``.
    total
        Gain of all tokens together, in nats.
    split
        Whether one half of the counts was encoded and the other scored. Else (no counts) both are the same, which
        flatters.
    """

    steps: pd.DataFrame
    table: pd.DataFrame
    total: float
    split: bool


@torch.no_grad()
def explain_cell(
    cells: ReadCells,
    loadings: Loadings,
    row: int,
    *,
    shown: Sequence[int] | None = None,
    halves: int = HALVES,
    seed: int = 0,
) -> Explained:
    """Explain the counts of one cell by its tokens, from the average cell to all tokens.

    The cell's counts are split into two halves at random, several times. One half is encoded, and its tokens are
    given to the decoder one after the other, greedily, all others at the mean of all cells; the likelihood is that of
    the other half, so that a token that only fits noise gains nothing (count splitting;
    Batson, Royer and Webber 2019, doi:10.1101/786269).

    Parameters
    ----------
    cells
        As the model reads them.
    loadings
        Of the model's activations: their centre is the average cell.
    row
        The cell.
    shown
        Tokens that may be included one by one; None: all. The others come in the last step only.
    halves
        How often the counts are split.

    Raises
    ------
    InputError
        For a model in gene space, whose tokens never stand for a cell.
    """
    model = cells.model
    if model.autoencoder is None:
        raise InputError(
            f"The model {model.spec.title!r} works in {model.spec.run.model.space_name}, where tokens never stand for "
            "a finished cell; choose one in latent space to explain a cell."
        )
    judge = _Judge.of(cells, row, halves if model.spec.has_counts else 1, seed)
    average = torch.from_numpy(loadings.centre).to(model.device)  # (token, channel)
    names = model.tokenizer.layout.names
    known = list(range(len(names))) if shown is None else list(shown)
    nothing, everything = torch.zeros(len(names), dtype=torch.bool), torch.ones(len(names), dtype=torch.bool)
    ends = judge.score(average, torch.stack([nothing, everything]))  # (2, half)
    alone = judge.score(average, _with(nothing, known)) - ends[0]  # (token, half)
    last = ends[1] - judge.score(average, _without(everything, known))
    order, gains = _greedy(judge, average, known, alone, ends[0])
    whole = ends[1] - ends[0]
    steps = pd.DataFrame(
        {
            "token": ["average cell", *(names[i] for i in order), "all tokens"],
            "gain": [0.0, *(float(gain.mean()) for gain in gains), float(whole.mean())],
            "error": [0.0, *(standard_error(gain) for gain in gains), standard_error(whole)],
            "genes": ["", *judge.helped(average, order), ""],
        }
    )
    table = pd.DataFrame(
        {
            "token": [names[i] for i in known],
            "alone": alone.mean(1).cpu().numpy(),
            "alone_error": [standard_error(one) for one in alone],
            "last": last.mean(1).cpu().numpy(),
            "last_error": [standard_error(one) for one in last],
        }
    )
    return Explained(
        steps,
        table.sort_values("alone", ascending=False, kind="stable", ignore_index=True),
        float(whole.mean()),
        judge.split,
    )


@dataclass(frozen=True, eq=False)
class _Judge:
    """Tokens encoded in each half (half, token, channel), and the other halves to be explained (half, gene)."""

    cells: ReadCells
    tokens: Tensor
    other: Tensor
    library: Tensor
    split: bool

    @classmethod
    def of(cls, cells: ReadCells, row: int, halves: int, seed: int) -> _Judge:
        model = cells.model
        measured = torch.from_numpy(cells.measured[row].toarray())[0]  # (gene,)
        if not model.spec.has_counts:
            encoded = other = measured[None]
        else:
            draw = np.random.default_rng(seed)
            counts = measured.numpy().astype(np.int64)
            part = draw.binomial(counts, 0.5, size=(halves, len(counts)))  # (half, gene)
            encoded, other = torch.from_numpy(part).float(), torch.from_numpy(counts - part).float()
        x, _ = cells.standardised(encoded.to(model.device))
        _, library = cells.standardised(other.to(model.device))
        return cls(cells, model.tokenizer.encode(x), other.to(model.device), library, model.spec.has_counts)

    def score(self, average: Tensor, included: Tensor) -> Tensor:
        """Return log-likelihoods (variant, half) of the other halves for some tokens, (variant, token) of bool."""
        n = max(1, BATCH // len(self.tokens))
        return torch.cat([self._genes(average, some)[0].sum(2) for some in included.split(n)])

    def helped(self, average: Tensor, order: Sequence[int]) -> list[str]:
        """Say for each token which genes it explains, when it joins those before it, and where it moves them."""
        included = torch.zeros(len(order) + 1, len(average), dtype=torch.bool)
        for place, token in enumerate(order):
            included[place + 1 :, token] = True
        found, mean = self._genes(average, included)
        gains, moves = found.mean(1).diff(dim=0), mean.mean(1).diff(dim=0)  # (step, gene)
        genes = []
        for gain, move in zip(gains, moves, strict=True):
            best = [i for i in gain.topk(min(TOP_GENES, len(gain))).indices.tolist() if gain[i] > 0]
            genes.append(", ".join(f"{self.cells.model.genes[i]} {'↑' if move[i] > 0 else '↓'}" for i in best))
        return genes

    def _genes(self, average: Tensor, included: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-likelihoods and expectations, each (variant, half, gene)."""
        model, shape = self.cells.model, (len(included), len(self.tokens))
        assert model.autoencoder is not None
        head = model.autoencoder.head
        mixed = torch.where(included[:, None, :, None].to(model.device), self.tokens, average)
        logits = model.tokenizer.decode(mixed.flatten(0, 1))  # (variant x half, gene)
        library = self.library.repeat(len(included))
        found = head.log_prob(logits, library, self.other.repeat(len(included), 1))
        found = torch.where(self.cells.present, found, 0.0)
        return found.unflatten(0, shape), head.mean(logits, library).unflatten(0, shape)


def _greedy(
    judge: _Judge, average: Tensor, known: list[int], alone: Tensor, start: Tensor
) -> tuple[list[int], list[Tensor]]:
    """Return tokens in the order of what each adds to those before it, and the gain (half,) so far after each."""
    best = alone.mean(1).argsort(descending=True, stable=True)[:CANDIDATES].tolist()
    left = [known[i] for i in best]
    included = torch.zeros(len(average), dtype=torch.bool)
    order: list[int] = []
    gains: list[Tensor] = []
    so_far = 0.0
    while left and len(order) < MOST_STEPS:
        scores = judge.score(average, _with(included, left)) - start  # (token, half)
        place = int(scores.mean(1).argmax())
        if float(scores[place].mean()) <= so_far:
            break  # what is left would make it worse
        so_far = float(scores[place].mean())
        gains.append(scores[place])
        order.append(left.pop(place))
        included[order[-1]] = True
    return order, gains


def _with(included: Tensor, tokens: Sequence[int]) -> Tensor:
    """Return one variant per token in which it is included too, (token, token of the model)."""
    variants = included.repeat(len(tokens), 1)
    variants[torch.arange(len(tokens)), torch.tensor(tokens)] = True
    return variants


def _without(included: Tensor, tokens: Sequence[int]) -> Tensor:
    variants = included.repeat(len(tokens), 1)
    variants[torch.arange(len(tokens)), torch.tensor(tokens)] = False
    return variants


def standard_error(gains: Tensor) -> float:
    """Return the standard error of the mean over n halves of one cell, (half,).

    Halves share their counts. Of Poisson counts a random half varies, over all cells that could have been measured,
    twice as much as over the halves of this one; so their mean varies by the variance over halves times 1 + 1 / n, and
    not divided by n: intervals of that held the truth in 28 to 47% in place of 95%.
    """
    return float(gains.std()) * (1 + 1 / len(gains)) ** 0.5 if len(gains) > 1 else 0.0
