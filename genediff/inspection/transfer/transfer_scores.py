"""How well a model describes held-out cells in some of its genes, and how sure one can be of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.core.errors import InputError
from genediff.nn.counts import Gaussian, NegativeBinomial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genediff.inspection.tokens.inspected_cells import ReadCells

BLOCK = 256
DRAWS = 200
READ = 0.5


@dataclass(frozen=True, eq=False)
class Judged:
    """Cells as they are and as they are described, in the same genes.

    ``seen`` and ``expected`` are log expression, (cell, gene); ``nll`` is the negative log-likelihood of each cell in
    nats per gene, (cell,).
    """

    seen: np.ndarray
    expected: np.ndarray
    nll: np.ndarray


@torch.no_grad()
def judge(
    cells: ReadCells,
    rows: np.ndarray,
    genes: Sequence[str],
    *,
    logits: Tensor | None = None,
    shift: Tensor | None = None,
    read: float = READ,
    seed: int = 0,
) -> Judged:
    """Describe cells by a model and hold the description against them.

    A model that is shown a count can give it back without having understood the cell. So, of what was counted, a random
    half is read and the other half judged (molecular cross-validation, Batson, Royer and Webber 2019,
    doi:10.1101/786269). Values that are no counts cannot be divided: there the model is judged by what it has read.

    Whatever the model says of genes that are not judged, it is told how much was measured in those that are: a cell's
    expectation is scaled to its total over the judged genes, so that only the shares count.

    Parameters
    ----------
    cells
        As the model reads them.
    rows
        Which of them, (cell,).
    genes
        Those that are judged.
    logits
        The same for every cell, (gene,) over the model's genes, in place of what the model reads in the cell: zeros are
        the average of its training cells.
    shift
        Added to what the model reads, the same in every cell, (gene,) over the model's genes: see `level_shift`.
    read
        Share of the counts that is read, the rest is judged; 1: all are read, and the same are judged.
    seed
        Of the division.

    Raises
    ------
    InputError
        When the model works in gene space, where no tokens stand for a cell.
    """
    model = cells.model
    if model.autoencoder is None:
        raise InputError(
            f"The model {model.spec.title!r} works in {model.spec.run.model.space_name}, where no tokens stand for a "
            "finished cell, so nothing can be read off them and brought back; choose a model in latent space."
        )
    tokenizer, head = model.autoencoder.tokenizer, model.autoencoder.head
    position = {gene: place for place, gene in enumerate(model.genes)}
    columns = torch.tensor([position[gene] for gene in genes], device=model.device)
    draw = np.random.default_rng(seed)
    seen, expected, nll = [], [], []
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        whole = cells.measured[part].toarray()
        shown = draw.binomial(whole.astype(np.int64), read) if model.spec.has_counts and read < 1 else whole
        measured = torch.from_numpy(whole if shown is whole else (whole - shown).astype(np.float32)).to(model.device)
        z, library = cells.standardised(torch.from_numpy(shown.astype(np.float32)).to(model.device))
        out = tokenizer.decode(tokenizer.encode(z)) if logits is None else logits.expand(len(part), -1)  # (cell, gene)
        out = out if shift is None else out + shift
        own = measured[:, columns]
        total = own.sum(1).clamp(min=1)
        if model.spec.has_counts:
            library = library * total / head.mean(out, library)[:, columns].sum(1).clamp(min=1e-12)
        mean = head.mean(out, library)[:, columns]
        x, back = (model.log_normalise(values, total) for values in (own, mean))
        seen.append(x.cpu().numpy())
        expected.append(back.cpu().numpy())
        nll.append(-head.log_prob(out, library, measured)[:, columns].mean(1).cpu().numpy())
    return Judged(np.concatenate(seen), np.concatenate(expected), np.concatenate(nll).astype(np.float64))


def average_logits(cells: ReadCells, rows: np.ndarray) -> Tensor:
    """Return logits (gene,) whose expectation is the mean of these cells, for `judge`; zero for genes not measured.

    Likelihoods that mix a share of the model's own average into every cell mix it into this one too.
    """
    model = cells.model
    assert model.autoencoder is not None
    head = model.autoencoder.head
    total = torch.from_numpy(np.asarray(cells.measured[rows].sum(0), dtype=np.float32).ravel()).to(model.device)
    if model.spec.has_counts:
        profile = (total + 0.5) / (total + 0.5)[cells.present].sum()
        assert isinstance(head, NegativeBinomial)
        own = head.log_profile.softmax(0)
        found = (profile / (own / own[cells.present].sum())).log()
    else:
        assert isinstance(head, Gaussian)
        found = total / len(rows) - head.centre
    return torch.where(cells.present, found, 0.0).detach()


def level_shift(cells: ReadCells, rows: np.ndarray, genes: Sequence[str]) -> Tensor:
    """Return what sets each gene's level right on average over these cells, (gene,) over the model's genes.

    One number per gene, for `judge`: data sets differ in levels (chemistry, depth, dissociation) even where a model
    still reads the differences between cells. Genes that are not judged are left as they are.
    """
    model = cells.model
    found = judge(cells, rows, genes)
    if model.spec.has_counts:
        seen, expected = (np.expm1(v, dtype=np.float64).mean(0) for v in (found.seen, found.expected))  # (gene,)
        little = model.spec.target_sum * 0.5 / max(float(cells.measured[rows].sum()), 1.0)  # as half a count in all
        own = np.log((seen + little) / (expected + little))
    else:
        own = found.seen.mean(0) - found.expected.mean(0)
    position = {gene: place for place, gene in enumerate(model.genes)}
    shift = np.zeros(len(model.genes), dtype=np.float32)
    shift[[position[gene] for gene in genes]] = own
    return torch.from_numpy(shift).to(model.device)


def weights(n_cells: int, *, seed: int = 0) -> np.ndarray:
    """Return how often each cell counts in each bootstrap sample, (draw + 1, cell); the first is the cells as they are.

    The same for every description of the same cells, so that differences between two are taken cell by cell.
    """
    drawn = np.random.default_rng(seed).multinomial(n_cells, np.full(n_cells, 1 / n_cells), size=DRAWS)
    return np.concatenate([np.ones((1, n_cells)), drawn])


def nll_draws(found: Judged, weight: np.ndarray) -> np.ndarray:
    """Return the mean negative log-likelihood in every bootstrap sample, (draw,)."""
    return weight @ found.nll / len(found.nll)


def correlation_draws(found: Judged, weight: np.ndarray) -> np.ndarray:
    """Return the mean over genes of Pearson's r over cells in every bootstrap sample, (draw,).

    Genes that do not vary in the cells are left out; those whose expectation does not vary count as zero: see
    `genediff.evaluation.reconstruction.gene_correlation`.
    """
    a, b = (torch.from_numpy(v.astype(np.float64) - v.mean(0, dtype=np.float64)) for v in (found.seen, found.expected))
    share = torch.from_numpy(weight / len(found.seen))  # (draw, cell)
    mean_a, mean_b = share @ a, share @ b  # (draw, gene)
    var_a, var_b = share @ a**2 - mean_a**2, share @ b**2 - mean_b**2
    product = share @ (a * b) - mean_a * mean_b
    varies, told = var_a > 1e-12, var_b > 1e-12
    r = torch.where(varies & told, product / (var_a * var_b).clamp(min=1e-300).sqrt(), 0.0)
    return np.asarray(r.sum(1) / varies.sum(1).clamp(min=1))
