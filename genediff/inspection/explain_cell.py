"""One cell as its pathways: how much better its counts are expected as its tokens are told one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genediff.inspection.cells import ReadCells
    from genediff.inspection.loadings import Loadings

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
        all before it are told, and ``error``, the standard error of that over halves; ``genes`` whose counts it
        explains most, with an arrow that says where it moves them. The first row is the average cell, the last
        all tokens.
    table
        Every token: ``token``; ``alone``, the gain when it alone is told; ``last``, the gain that is lost when it alone
        is kept back; both with their ``…_error``.
    total
        Gain of all tokens together, in nats.
    split
        Whether one half of the counts was heard and the other judged. Else (no counts) both are the same, and gains are
        flattered.
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

    The cell's counts are dealt into two halves at random, several times. The model hears one half, and its tokens are
    told the decoder one after the other, greedily, all others at the mean of all cells; judged is the likelihood of the
    other half, which no token has heard, so that a token that only repeats noise gains nothing (count splitting;
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
        Tokens that may be told one by one; None: all. The others come in the last step only.
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
            f"The model {model.spec.title!r} works in gene space, where tokens never stand for a finished cell; "
            "choose one in latent space to explain a cell."
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
            "error": [0.0, *(_error(gain) for gain in gains), _error(whole)],
            "genes": ["", *judge.helped(average, order), ""],
        }
    )
    table = pd.DataFrame(
        {
            "token": [names[i] for i in known],
            "alone": alone.mean(1).cpu().numpy(),
            "alone_error": [_error(one) for one in alone],
            "last": last.mean(1).cpu().numpy(),
            "last_error": [_error(one) for one in last],
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
    """Tokens heard in each half (half, token, channel), and the other halves to be explained (half, gene)."""

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
            heard = other = measured[None]
        else:
            draw = np.random.default_rng(seed)
            counts = measured.numpy().astype(np.int64)
            part = draw.binomial(counts, 0.5, size=(halves, len(counts)))  # (half, gene)
            heard, other = torch.from_numpy(part).float(), torch.from_numpy(counts - part).float()
        x, _ = cells.standardised(heard.to(model.device))
        _, library = cells.standardised(other.to(model.device))
        return cls(cells, model.tokenizer.encode(x), other.to(model.device), library, model.spec.has_counts)

    def score(self, average: Tensor, told: Tensor) -> Tensor:
        """Return log-likelihoods (variant, half) of the other halves; ``told`` says which tokens, (variant, token)."""
        n = max(1, BATCH // len(self.tokens))
        return torch.cat([self._genes(average, some)[0].sum(2) for some in told.split(n)])

    def helped(self, average: Tensor, order: Sequence[int]) -> list[str]:
        """Say for each token which genes it explains, when it joins those before it, and where it moves them."""
        told = torch.zeros(len(order) + 1, len(average), dtype=torch.bool)
        for place, token in enumerate(order):
            told[place + 1 :, token] = True
        found, mean = self._genes(average, told)
        gains, moves = found.mean(1).diff(dim=0), mean.mean(1).diff(dim=0)  # (step, gene)
        said = []
        for gain, move in zip(gains, moves, strict=True):
            best = [i for i in gain.topk(min(TOP_GENES, len(gain))).indices.tolist() if gain[i] > 0]
            said.append(", ".join(f"{self.cells.model.genes[i]} {'↑' if move[i] > 0 else '↓'}" for i in best))
        return said

    def _genes(self, average: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-likelihoods and expectations, each (variant, half, gene)."""
        model, shape = self.cells.model, (len(told), len(self.tokens))
        assert model.autoencoder is not None
        head = model.autoencoder.head
        mixed = torch.where(told[:, None, :, None].to(model.device), self.tokens, average)
        logits = model.tokenizer.decode(mixed.flatten(0, 1))  # (variant x half, gene)
        library = self.library.repeat(len(told))
        found = head.log_prob(logits, library, self.other.repeat(len(told), 1))
        found = torch.where(self.cells.present, found, 0.0)
        return found.unflatten(0, shape), head.mean(logits, library).unflatten(0, shape)


def _greedy(
    judge: _Judge, average: Tensor, known: list[int], alone: Tensor, start: Tensor
) -> tuple[list[int], list[Tensor]]:
    """Return tokens in the order of what each adds to those before it, and the gain (half,) so far after each."""
    best = alone.mean(1).argsort(descending=True, stable=True)[:CANDIDATES].tolist()
    left = [known[i] for i in best]
    told = torch.zeros(len(average), dtype=torch.bool)
    order: list[int] = []
    gains: list[Tensor] = []
    so_far = 0.0
    while left and len(order) < MOST_STEPS:
        scores = judge.score(average, _with(told, left)) - start  # (token, half)
        place = int(scores.mean(1).argmax())
        if float(scores[place].mean()) <= so_far:
            break  # what is left would make it worse
        so_far = float(scores[place].mean())
        gains.append(scores[place])
        order.append(left.pop(place))
        told[order[-1]] = True
    return order, gains


def _with(told: Tensor, tokens: Sequence[int]) -> Tensor:
    """Return one variant per token in which it is told too, (token, token of the model)."""
    variants = told.repeat(len(tokens), 1)
    variants[torch.arange(len(tokens)), torch.tensor(tokens)] = True
    return variants


def _without(told: Tensor, tokens: Sequence[int]) -> Tensor:
    variants = told.repeat(len(tokens), 1)
    variants[torch.arange(len(tokens)), torch.tensor(tokens)] = False
    return variants


def _error(gains: Tensor) -> float:
    """Return the standard error of the mean over halves; they share their counts, so it is a lower limit."""
    return float(gains.std() / len(gains) ** 0.5) if len(gains) > 1 else 0.0
