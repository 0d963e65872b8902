"""Cells as a mixture of independent negative binomials per condition: fitted in seconds, with an exact denoiser.

Within a condition cells are clustered, each cluster has a mean profile, and genes are independent given the cluster.
Of a cell that is only partly read the posterior is closed form (gamma-Poisson), so the mixture is a baseline to stand
beside every model, and what a network in count space starts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from torch import Tensor, nn

from genediff.diffusion.thinning import draw_molecules
from genediff.nn.dispersion import OVERDISPERSIONS, overdispersion_likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Generator

CLUSTER_SIZES = (0, 40, 15)
"""Training cells per cluster that are tried; 0: one cluster per condition. Held-out likelihood chooses."""
PRIOR_CLUSTER, PRIOR_CONDITION = 10.0, 1.0
"""Counts of a gene that a prior is worth: a cluster's profile is shrunk to its condition's, that to all cells'.

Held-out log p per cell with it, pbmc3k (Kang): one cluster -587.7 (-374.5), 15 a cluster -584.4 (-370.1); with a prior
worth the molecules of half a cell (5 for clusters) instead -591.0 (-386.9) and, 40 cells a cluster, -597 (-395).
"""
FEWEST_HELD_OUT = 10
"""Held-out cells that a condition needs for a choice of its own; others follow all of them together."""
MOST_FITTED = 20_000
"""Training cells of a condition that a fit takes; of more a sample."""
N_PCS, N_QUANTILES = 30, 65
JITTER = 0.05
"""Spread of log library sizes around the training cells' own, as a share of theirs (a kernel)."""
MOST_NUMBERS = 2**19
"""Numbers (cell, component, gene) that are worked on at once: few enough for the caches of a processor."""


class CountMixture(nn.Module):
    """A mixture of independent negative binomials, in components that each belong to a combination of conditions.

    Attributes
    ----------
    log_mean, theta
        Log share of each gene and its inverse overdispersion, (component, gene).
    weight
        Training cells of each component, (component,).
    codes
        The level codes of each component's cells, (component, column).
    library
        Quantiles of the log library sizes, (component, quantile).
    """

    log_mean: Tensor
    theta: Tensor
    weight: Tensor
    codes: Tensor
    library: Tensor

    def __init__(self, n_levels: Sequence[int], n_genes: int) -> None:
        super().__init__()
        self.register_buffer("null", torch.tensor(list(n_levels), dtype=torch.long), persistent=False)
        self.register_buffer("log_mean", torch.zeros(0, n_genes))
        self.register_buffer("theta", torch.ones(0, n_genes))
        self.register_buffer("weight", torch.ones(0))
        self.register_buffer("codes", torch.zeros(0, len(n_levels), dtype=torch.long))
        self.register_buffer("library", torch.zeros(0, N_QUANTILES))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape[1:] == own.shape[1:]:  # how many components, the data decided
                setattr(self, name, own.new_zeros(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @property
    def n_components(self) -> int:
        """How many components there are in all conditions together."""
        return len(self.weight)

    def components(self, codes: Tensor) -> Tensor:
        """Return which components a cell with these level codes (column,) may come from, (component,), in order.

        "No label" allows all levels of its column. Where no training cell had a combination, the components that share
        most of its levels stand in.
        """
        agree = (self.codes == codes) | (codes == self.null)  # (component, column)
        shared = agree.sum(1)
        return (shared == shared.max()).nonzero()[:, 0] if len(shared) else shared

    def log_shares(self, counts: Tensor, library: Tensor, codes: Tensor) -> Tensor:
        """Return the exact posterior log share of each gene in the unread molecules, (cell, gene).

        With n molecules read, k of them of gene g, a component expects m (θ + k) / (θ + n m) of the gene, and the
        components are weighed by the likelihood of what was read and of the library size.

        Parameters
        ----------
        counts
            What was read of each cell, (cell, gene).
        library
            Total counts of each cell once it is read to its end, (cell,).
        codes
            Level codes (cell, column).
        """
        out = torch.empty_like(counts, dtype=torch.float32)
        for rows, of in self._groups(codes):
            out[rows] = self._posterior(counts[rows], library[rows], of)[0]
        return out

    def log_likelihood(self, counts: Tensor, codes: Tensor) -> Tensor:
        """Return log p(counts | library size, conditions) of whole cells (cell, gene), in nats, (cell,)."""
        out = torch.empty(len(counts), device=counts.device)
        for rows, of in self._groups(codes):
            out[rows] = self._joint(counts[rows], counts[rows].sum(1), of).logsumexp(1)
        return out

    def generate(
        self, codes: np.ndarray | Tensor, *, seed: int = 0, library: np.ndarray | Tensor | None = None
    ) -> csr_matrix:
        """Generate a cell for each row of level codes (cell, column): counts (cell, gene).

        Parameters
        ----------
        codes
            Numbers of levels; the number of levels of a column means "no label".
        seed
            Of the draw.
        library
            Total counts of each cell, (cell,); drawn with the cell where None.
        """
        generator = torch.Generator().manual_seed(seed)
        levels = torch.as_tensor(codes, dtype=torch.long).reshape(-1, self.codes.shape[1])
        given = None if library is None else torch.as_tensor(library, dtype=torch.float)
        parts = []
        for block in torch.arange(len(levels)).split(1024):
            size, chosen = self.draw_library(
                levels[block], generator=generator, library=None if given is None else given[block]
            )
            empty = torch.zeros(len(block), self.log_mean.shape[1])
            parts.append(csr_matrix(draw_molecules(self._rates(empty, chosen, generator), size, generator=generator)))
        if not parts:
            return csr_matrix(np.zeros((0, self.log_mean.shape[1]), dtype=np.float32))
        return vstack(parts, format="csr")

    def draw_library(
        self, codes: Tensor, *, generator: Generator, library: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw library sizes (cell,), whole numbers, and the components (cell,) that they were drawn with.

        A component is drawn as often as it has training cells; where library sizes are given, as often as such
        cells are among them.
        """
        chosen = torch.empty(len(codes), dtype=torch.long)
        for rows, of in self._groups(codes.to(self.weight.device)):
            weight = self.weight[of].log().expand(len(rows), -1)  # (cell, component)
            if library is not None:
                weight = weight + self._log_library(library[rows.cpu()].to(weight.device), of)
            drawn = torch.multinomial(weight.softmax(1).double().cpu(), 1, generator=generator)[:, 0]
            chosen[rows.cpu()] = of.cpu()[drawn]
        if library is None:
            table = self.library.cpu()[chosen]  # (cell, quantile)
            place = torch.rand(len(codes), generator=generator) * (N_QUANTILES - 1)
            low = place.long().clamp(max=N_QUANTILES - 2)[:, None]
            below, above = table.gather(1, low)[:, 0], table.gather(1, low + 1)[:, 0]
            log = below + (above - below) * (place - low[:, 0])
            spread = JITTER * table.std(1)
            library = torch.exp(log + spread * torch.randn(len(codes), generator=generator))
        return library.round().clamp(min=1), chosen

    def draw_log_rates(
        self, counts: Tensor, library: Tensor, codes: Tensor, *, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw log rates (cell, gene) of the unread molecules from their posterior; return `log_shares`, too."""
        chosen = torch.empty(len(counts), dtype=torch.long)
        mean = torch.empty_like(counts, dtype=torch.float32)
        for rows, of in self._groups(codes):
            mean[rows], weight = self._posterior(counts[rows], library[rows], of)
            drawn = torch.multinomial(weight.double().cpu(), 1, generator=generator)[:, 0]
            chosen[rows.cpu()] = of.cpu()[drawn]
        return self._rates(counts, chosen, generator), mean

    def _rates(self, counts: Tensor, chosen: Tensor, generator: Generator) -> Tensor:
        mean, theta = self.log_mean.cpu()[chosen].exp(), self.theta.cpu()[chosen]  # (cell, gene)
        counts = counts.cpu()
        shape, rate = theta + counts, theta / mean + counts.sum(1, keepdim=True)
        return (torch._standard_gamma(shape, generator=generator) / rate).clamp(min=1e-30).log()

    def _groups(self, codes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of cells that may come from the same components, few enough at a time, and these components."""
        kinds, which = _unique(codes)
        for number, kind in enumerate(kinds):
            of = self.components(kind)
            size = max(1, MOST_NUMBERS // max(1, len(of) * self.log_mean.shape[1]))
            for rows in (which == number).nonzero()[:, 0].split(size):
                yield rows, of

    def _log_library(self, library: Tensor, of: Tensor) -> Tensor:
        """Return the log density of log library sizes (cell,) in each component, (cell, component)."""
        mean, std = self.library[of].mean(1), self.library[of].std(1).clamp(min=0.05)
        return -0.5 * ((library.log()[:, None] - mean) / std).square() - std.log()

    def _joint(self, counts: Tensor, library: Tensor, of: Tensor) -> Tensor:
        """Return log p(component, what was read | library size), (cell, component)."""
        return self._weighed(counts, library, of)[0]

    def _weighed(self, counts: Tensor, library: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """Return log p(component, what was read | library size), (cell, component), and n m / θ of each gene."""
        mean, theta = self.log_mean[of].exp(), self.theta[of]  # (component, gene)
        n = counts.sum(1)  # (cell,)
        seen = n[:, None, None] * (mean / theta)  # (cell, component, gene)
        prior = (self.weight[of].log() + self._log_library(library, of)).log_softmax(1)
        log_p = counts @ (self.log_mean[of] - theta.log()).T  # (cell, component)
        log_total = torch.log1p(seen)
        log_p = log_p - (log_total @ counts[:, :, None])[:, :, 0] - torch.einsum("ckg,kg->ck", log_total, theta)
        return prior + log_p + self._gammas(counts, of) + (n * n.clamp(min=1).log())[:, None], seen

    def _gammas(self, counts: Tensor, of: Tensor) -> Tensor:
        """Return Σ log Γ(θ + k) - log Γ(θ) - log k! over genes, (cell, component): alike within a condition."""
        cell, gene = counts.nonzero(as_tuple=True)
        k = counts[cell, gene]
        out = counts.new_empty(len(counts), len(of))
        kinds, which = _unique(self.codes[of])
        for number in range(len(kinds)):
            same = (which == number).nonzero()[:, 0]
            theta = self.theta[of[same[0]], gene]
            terms = torch.lgamma(theta + k) - torch.lgamma(theta) - torch.lgamma(k + 1)
            out[:, same] = counts.new_zeros(len(counts)).index_add(0, cell, terms)[:, None]
        return out

    def _posterior(self, counts: Tensor, library: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """Return log shares (cell, gene), and how likely a cell is of each component, (cell, component)."""
        mean, theta = self.log_mean[of].exp(), self.theta[of]  # (component, gene)
        if len(of) == 1:
            weight = counts.new_ones(len(counts), 1)
            expected = mean * (1 + counts / theta) / (1 + counts.sum(1, keepdim=True) * (mean / theta))
        else:
            joint, seen = self._weighed(counts, library, of)
            share = (mean / seen.add_(1)).transpose(1, 2)  # (cell, gene, component), but for 1 + k / θ
            weight = joint.softmax(1)
            kinds, which = _unique(self.codes[of])
            expected = torch.zeros_like(counts)
            for number in range(len(kinds)):  # components of one condition have the same θ
                same = which == number
                own = (share @ (weight * same)[:, :, None])[:, :, 0]  # (cell, gene)
                expected += own * (1 + counts / theta[int(same.nonzero()[0])])
        return expected.log() - expected.sum(1, keepdim=True).log(), weight


def _unique(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows of codes (row, column), also of none, and which of them each row is."""
    if codes.shape[1] == 0:
        return codes[:1], torch.zeros(len(codes), dtype=torch.long, device=codes.device)
    return torch.unique(codes, dim=0, return_inverse=True)


@dataclass(frozen=True, eq=False)
class _Component:
    """One cluster of the cells of one combination of conditions."""

    mean: np.ndarray
    theta: np.ndarray
    n: int
    codes: np.ndarray
    library: np.ndarray


def fit_count_mixture(
    counts: csr_matrix,
    codes: np.ndarray | Tensor,
    n_levels: Sequence[int],
    *,
    held_out: csr_matrix | None = None,
    held_out_codes: np.ndarray | Tensor | None = None,
    cluster_sizes: Sequence[int] = CLUSTER_SIZES,
    seed: int = 0,
) -> CountMixture:
    """Fit a mixture to training cells; held-out likelihood chooses how finely each condition is clustered.

    Parameters
    ----------
    counts
        Training cells (cell, gene).
    codes
        Their level codes (cell, column); a column's number of levels means "no label". (cell, 0) without conditions.
    n_levels
        How many levels each column has.
    held_out, held_out_codes
        Validation cells. Without them every fifth training cell is held out for the choice.
    cluster_sizes
        Training cells per cluster that are tried; 0: one cluster. A single one leaves nothing to choose.
    seed
        Of k-means, and of samples where a condition has more than `MOST_FITTED` cells.
    """
    levels = np.asarray(codes, dtype=np.int64).reshape(counts.shape[0], len(n_levels))
    kept = _sampled(levels, seed)
    counts, levels = counts[kept], levels[kept]
    if len(cluster_sizes) == 1:
        return _fitted(counts, levels, n_levels, lambda row: cluster_sizes[0], seed)
    if held_out is None or held_out_codes is None:
        fifth = np.arange(counts.shape[0]) % 5 == 4
        fitted_on, held_out, held_out_codes = ~fifth, counts[fifth], levels[fifth]
    else:
        fitted_on = np.ones(counts.shape[0], dtype=bool)
    held_codes = np.asarray(held_out_codes, dtype=np.int64).reshape(held_out.shape[0], len(n_levels))
    tried = [
        _fitted(counts[fitted_on], levels[fitted_on], n_levels, lambda row, size=size: size, seed)
        for size in cluster_sizes
    ]
    scores = np.stack([_scores(mixture, held_out, held_codes) for mixture in tried])  # (size, cell)
    chosen = _choose(scores, held_codes, cluster_sizes)
    if fitted_on.all() and len(set(chosen.values())) == 1:
        return tried[list(cluster_sizes).index(chosen[None])]
    return _fitted(counts, levels, n_levels, lambda row: chosen.get(tuple(row), chosen[None]), seed)


def _scores(mixture: CountMixture, counts: csr_matrix, codes: np.ndarray) -> np.ndarray:
    found = [
        mixture.log_likelihood(
            torch.from_numpy(counts[start : start + 512].toarray()).float(),
            torch.from_numpy(codes[start : start + 512]),
        )
        for start in range(0, counts.shape[0], 512)
    ]
    return torch.cat(found).numpy()


def _choose(scores: np.ndarray, codes: np.ndarray, sizes: Sequence[int]) -> dict[Any, int]:
    """Return the best size for each combination of levels with cells enough to tell, and for all others (None)."""
    chosen: dict[Any, int] = {None: sizes[int(scores.mean(1).argmax())]}
    kinds, which, n = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    for number in np.flatnonzero(n >= FEWEST_HELD_OUT):
        best = int(scores[:, which.ravel() == number].mean(1).argmax())
        chosen[tuple(kinds[number].tolist())] = sizes[best]
    return chosen


def _sampled(codes: np.ndarray, seed: int) -> np.ndarray:
    _, which = np.unique(codes, axis=0, return_inverse=True)
    rng, rows = np.random.default_rng(seed), []
    for kind in range(which.max() + 1):
        of = np.flatnonzero(which.ravel() == kind)
        rows.append(of if len(of) <= MOST_FITTED else rng.choice(of, MOST_FITTED, replace=False))
    return np.sort(np.concatenate(rows))


def _fitted(counts: csr_matrix, codes: np.ndarray, n_levels: Sequence[int], size_of: Any, seed: int) -> CountMixture:
    mixture = CountMixture(n_levels, counts.shape[1])
    library = np.asarray(counts.sum(1), dtype=np.float64).ravel()
    overall = np.asarray(counts.sum(0), dtype=np.float64).ravel() + 0.1
    found: list[_Component] = []
    pcs: np.ndarray | None = None
    kinds, which = np.unique(codes, axis=0, return_inverse=True)
    for number, kind in enumerate(kinds):
        rows = np.flatnonzero(which.ravel() == number)
        size = size_of(kind.tolist())
        n_clusters = max(1, round(len(rows) / size)) if size else 1
        if n_clusters > 1 and pcs is None:
            pcs = _components_of(counts, library, seed)
        clusters = _clusters(pcs[rows], n_clusters, seed) if pcs is not None and n_clusters > 1 else None
        found += _condition(counts[rows].toarray(), library[rows], overall / overall.sum(), kind, clusters)
    mixture.log_mean = torch.from_numpy(np.log(np.stack([c.mean for c in found]))).float()
    mixture.theta = torch.from_numpy(np.stack([c.theta for c in found])).float()
    mixture.weight = torch.tensor([float(c.n) for c in found])
    mixture.codes = torch.from_numpy(np.stack([c.codes for c in found]))
    mixture.library = torch.from_numpy(np.stack([c.library for c in found])).float()
    return mixture


def _components_of(counts: csr_matrix, library: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD

    x = csr_matrix(counts, dtype=np.float32, copy=True)
    x.data = np.log1p(x.data * np.repeat(np.median(library) / np.maximum(library, 1), np.diff(x.indptr)))
    n = min(N_PCS, min(x.shape) - 1)
    return TruncatedSVD(n, random_state=seed).fit_transform(x.astype(np.float32))


def _clusters(pcs: np.ndarray, n: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(n, n_init=2, random_state=seed).fit_predict(pcs)


def _condition(
    counts: np.ndarray,
    library: np.ndarray,
    overall: np.ndarray,
    codes: np.ndarray,
    clusters: np.ndarray | None,
) -> list[_Component]:
    """Return the components of the cells of one combination of conditions; they share their dispersions."""
    clusters = np.zeros(len(counts), dtype=np.int64) if clusters is None else clusters
    own = _shrunk(counts, library, overall, PRIOR_CONDITION)
    likelihood, parts = np.zeros((len(OVERDISPERSIONS), counts.shape[1])), []
    for number in range(clusters.max() + 1):
        rows = clusters == number
        mean = _shrunk(counts[rows], library[rows], own, PRIOR_CLUSTER) if clusters.any() else own
        likelihood = likelihood + overdispersion_likelihood(counts[rows], library[rows], mean)
        parts.append((mean, rows))
    theta = 1 / OVERDISPERSIONS[likelihood.argmax(0)]
    table = np.quantile(np.log(np.maximum(library, 1)), np.linspace(0, 1, N_QUANTILES))
    return [
        _Component(
            mean,
            theta,
            int(rows.sum()),
            codes,
            np.quantile(np.log(np.maximum(library[rows], 1)), np.linspace(0, 1, N_QUANTILES))
            if rows.sum() > 5
            else table,
        )
        for mean, rows in parts
    ]


def _shrunk(counts: np.ndarray, library: np.ndarray, around: np.ndarray, prior: float) -> np.ndarray:
    """Return the profile of some cells, shrunk to another: a gamma prior that is worth ``prior`` counts of a gene."""
    expected = library.sum() * around
    mean = around * (counts.sum(0, dtype=np.float64) + prior) / (expected + prior)  # (gene,)
    return mean / mean.sum()
