"""Cells of which a share of the molecules was read: what a network in count space is asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from scipy.stats import binom

from genediff.inspection.regulation.edge_probe import Probe
from genediff.models.recalibration import N_OWN, own_features

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.models.count_denoiser import CountDenoiser

_CELLS = 128  # at once: the closed form weighs some hundred components for every cell and gene


class ReadState(NamedTuple):
    """What the state of a `CountProbe` holds, taken apart.

    Of genes, (cell, gene): ``own`` (…, number), what a token is made of; molecules ``read``; the log share ``start`` of
    the closed form; the ``surprise`` that linear edges carry. Of cells: ``size``, the standardised log library,
    ``library`` and molecules read ``n``, (cell, 1) each, and ``depth``, (cell,), as the backbone is told it.
    """

    own: Tensor
    read: Tensor
    start: Tensor
    surprise: Tensor
    size: Tensor
    library: Tensor
    n: Tensor
    depth: Tensor

    @classmethod
    def of(cls, state: Tensor) -> ReadState:
        """Take a state (cell, gene + 1, number) apart."""
        genes, cell = state[:, :-1], state[:, -1]
        read, start, surprise = genes[..., N_OWN:].unbind(2)
        return cls(genes[..., :N_OWN], read, start, surprise, cell[:, :1], cell[:, 1:2], cell[:, 2:3], cell[:, 3])


@dataclass(frozen=True, eq=False, kw_only=True)
class CountProbe(Probe):
    """Partly read cells.

    ``state`` holds what is known of each gene by itself and, in a last row, of the cell, (cell, gene + 1, number): see
    `ReadState`. Exchanging a gene's value exchanges all that is known of it, while the closed form's answer for other
    genes stays: what changes came along edges.

    Attributes
    ----------
    counts
        The whole cells, (cell, gene).
    denoiser
        Knows the closed form.
    """

    counts: Tensor
    denoiser: CountDenoiser
    exchanges: ClassVar[int] = 8  # of 4, 63 % of planted edges are found in 800 cells; of 8, 72 %; of 16, too

    def take(self, rows: np.ndarray) -> CountProbe:
        """Return some of the cells, by position."""
        taken = super().take(rows)
        assert isinstance(taken, CountProbe)
        return replace(taken, counts=self.counts[torch.from_numpy(rows)])

    def with_noise(self, draw: np.random.Generator, copies: int) -> list[Probe]:
        """Return the same cells with other molecules read of each, in pairs: where one reads many, the other few."""
        found: list[Probe] = []
        for _ in range(copies // 2):
            chance = torch.from_numpy(draw.random(self.counts.shape))  # (cell, gene)
            found += [replace(self, state=self._read(one)) for one in (chance, 1 - chance)]
        return found

    def value(self, place: int) -> Tensor:
        """Return a gene's expression as far as it was read, in standard deviations, (cell,)."""
        known, cells = self.denoiser, ReadState.of(self.state)
        level = cells.read[:, place] / cells.n[:, 0].clamp(min=1)
        return (torch.log1p(known.target_sum * level) - known.mean[place]) / known.std[place]

    @torch.no_grad()
    def _read(self, chance: Tensor) -> Tensor:
        known, states = self.denoiser, []
        for rows in torch.arange(self.n_cells).split(_CELLS):
            counts, codes = self.counts[rows], self.codes[rows]
            read = _thinned(counts, self.t[rows], chance[rows])
            library = counts.sum(1)
            start = known.start_log_shares(read, library, codes)
            known_of_it = (*own_features(read, start, known.log_profile), read, start, known.surprise(read, start))
            genes = torch.stack(known_of_it, dim=2)
            size, depth = known.steering(read, library)
            cell = genes.new_zeros(len(rows), 1, genes.shape[2])
            cell[:, 0, :4] = torch.stack([size[:, 0], library, read.sum(1), depth], dim=1)
            states.append(torch.cat([genes, cell], dim=1))
        return torch.cat(states)


def count_probe(
    denoiser: CountDenoiser, counts: Tensor, clean: Tensor, codes: Tensor, groups: np.ndarray, *, t: float, seed: int
) -> CountProbe:
    """Read a share t of the molecules of cells: counts, and standardised expression ``clean``, (cell, gene) each."""
    share = torch.full((len(counts),), t, device=counts.device)
    given = CountProbe(
        clean=clean, state=clean, t=share, codes=codes, n_genes=counts.shape[1], groups=groups, counts=counts,
        denoiser=denoiser,
    )  # fmt: skip
    return replace(given, state=given._read(torch.from_numpy(np.random.default_rng(seed).random(counts.shape))))


def _thinned(counts: Tensor, share: Tensor, chance: Tensor) -> Tensor:
    """Read each molecule of counts (cell, gene) with probability share (cell,), by where chance (cell, gene) points."""
    cell, gene = counts.cpu().nonzero(as_tuple=True)
    kept = binom.ppf(chance[cell, gene].numpy(), counts.cpu()[cell, gene].numpy(), share.cpu()[cell].numpy())
    read = torch.zeros(counts.shape).index_put((cell, gene), torch.from_numpy(kept).float())
    return read.to(counts.device)


def expected_expression(denoiser: CountDenoiser, state: Tensor, codes: Tensor) -> Tensor:
    """Return the standardised expression (cell, place) that is expected once cells are read to their ends.

    Parameters
    ----------
    denoiser
        On the places of a circuit.
    state
        Of a `CountProbe`, (cell, place + 1, number).
    codes
        Level codes, (cell, column).

    Notes
    -----
    Shares of the molecules still to be read are as the network corrects them, before all of a cell are brought to a
    sum of one: a gene's answer depends on what is upstream of it alone.
    """
    cells = ReadState.of(state)
    assert denoiser.reader is not None  # tokens are genes
    refined = denoiser.refined(denoiser.reader(cells.own), cells.read, cells.size, cells.depth, codes)
    log_share = cells.start + denoiser.from_gene_tokens(refined, cells.surprise)
    library = cells.library.clamp(min=1)
    level = (cells.read + (library - cells.n) * log_share.exp()) / library
    return (torch.log1p(denoiser.target_sum * level) - denoiser.mean) / denoiser.std
