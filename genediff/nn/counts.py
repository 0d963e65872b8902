"""Count likelihoods: from one real number per gene to counts, and back to a likelihood."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Generator

# Dispersion starts at e³ (almost Poisson) and ambient RNA at 2%: both are fitted, at rates of their own.
LOG_THETA = 3.0
AMBIENT = 0.02


class Head(nn.Module, ABC):
    """Turns logits (cell, gene) into a distribution over what was measured.

    ``fast`` names the parameters that need a higher learning rate than the networks.
    """

    fast: tuple[str, ...] = ()

    @abstractmethod
    def mean(self, logits: Tensor, library: Tensor) -> Tensor:
        """Return what is expected to be measured, (cell, gene)."""

    @abstractmethod
    def log_prob(self, logits: Tensor, library: Tensor, measured: Tensor) -> Tensor:
        """Return log p(measured) for each cell and gene, (cell, gene)."""

    @abstractmethod
    def sample(self, logits: Tensor, library: Tensor, *, generator: Generator) -> Tensor:
        """Draw what could have been measured, (cell, gene)."""


class NegativeBinomial(Head):
    """Counts with mean profile x library and one dispersion per gene.

    The profile of a cell is a softmax of its logits mixed with a small share of the mean profile: ambient RNA,
    which every droplet catches, and without which genes such as LYZ are never seen outside their own type.

    Source: Lopez et al. 2018 (scVI), equation 4, for the likelihood; Fleming et al. 2023 (CellBender) for the idea
    of an ambient profile.
    """

    log_profile: Tensor
    fast: tuple[str, ...] = ("log_theta", "ambient")

    def __init__(self, log_profile: Tensor, *, ambient: bool = True) -> None:
        super().__init__()
        self.register_buffer("log_profile", log_profile)
        self.log_theta = nn.Parameter(torch.full_like(log_profile, LOG_THETA))
        start = math.log(AMBIENT / (1 - AMBIENT))
        self.ambient = nn.Parameter(torch.tensor(start)) if ambient else None

    def mean(self, logits: Tensor, library: Tensor) -> Tensor:
        """Return the expected counts (cell, gene) of cells with logits (cell, gene) and library sizes (cell,)."""
        return self._rate(logits, library)

    def _rate(self, logits: Tensor, library: Tensor) -> Tensor:
        """Return the mean of the negative binomial alone, (cell, gene)."""
        own = functional.softmax(logits + self.log_profile, dim=1)  # (cell, gene)
        if self.ambient is not None:
            share = torch.sigmoid(self.ambient)
            own = (1 - share) * own + share * self.log_profile.softmax(0)
        return own * library[:, None]

    def log_prob(self, logits: Tensor, library: Tensor, measured: Tensor) -> Tensor:
        """Return log p(counts) for each cell and gene, (cell, gene)."""
        return log_negative_binomial(measured, self._rate(logits, library), self.log_theta.exp())

    def sample(self, logits: Tensor, library: Tensor, *, generator: Generator) -> Tensor:
        """Draw counts (cell, gene) on the CPU: a gamma rate, then a Poisson."""
        mean = self._rate(logits, library).double().cpu()
        theta = self.log_theta.detach().exp().double().cpu().expand_as(mean)
        rate = torch._standard_gamma(theta.contiguous(), generator=generator) * mean / theta
        return torch.poisson(rate, generator=generator).float()


class ZeroInflatedNegativeBinomial(NegativeBinomial):
    """A negative binomial that a gene leaves for zero with a probability of its own."""

    fast = ("log_theta", "ambient", "dropout")

    def __init__(self, log_profile: Tensor, *, ambient: bool = True) -> None:
        super().__init__(log_profile, ambient=ambient)
        self.dropout = nn.Parameter(torch.full_like(log_profile, -4.0))

    def mean(self, logits: Tensor, library: Tensor) -> Tensor:
        """Return the expected counts (cell, gene): those of the negative binomial, less what is lost to zeros."""
        return self._rate(logits, library) * torch.sigmoid(-self.dropout)

    def log_prob(self, logits: Tensor, library: Tensor, measured: Tensor) -> Tensor:
        """Return log p(counts) for each cell and gene, (cell, gene)."""
        inner = super().log_prob(logits, library, measured)
        kept = functional.logsigmoid(-self.dropout) + inner
        zero = torch.logaddexp(functional.logsigmoid(self.dropout), kept)
        return torch.where(measured == 0, zero, kept)

    def sample(self, logits: Tensor, library: Tensor, *, generator: Generator) -> Tensor:
        """Draw counts (cell, gene) on the CPU."""
        counts = super().sample(logits, library, generator=generator)
        lost = torch.rand(counts.shape, generator=generator) < torch.sigmoid(self.dropout.detach().cpu())
        return counts.masked_fill(lost, 0)


class Gaussian(Head):
    """Log-normalised values, for data without counts: a normal that is zero wherever it falls below a limit.

    A gene of which one transcript was caught in the deepest cell has the smallest value that can be seen, the
    ``limit`` (gene,); between it and zero lies nothing. Genes that are never zero have the limit -inf. Without the
    limit a classifier tells all generated cells from real ones by values that no cell can have.

    Source: Tobin 1958, "Estimation of relationships for limited dependent variables".
    """

    limit: Tensor
    fast = ("centre", "log_std")

    def __init__(self, mean_x: Tensor, std_x: Tensor, limit: Tensor) -> None:
        super().__init__()
        self.register_buffer("limit", limit)
        self.centre = nn.Parameter(mean_x.clone())
        self.log_std = nn.Parameter(std_x.clamp(min=1e-3).log())

    def mean(self, logits: Tensor, library: Tensor) -> Tensor:
        """Return the centre of the normal where it is positive, else zero, (cell, gene)."""
        return (self.centre + logits).clamp(min=0)

    def log_prob(self, logits: Tensor, library: Tensor, measured: Tensor) -> Tensor:
        """Return log p(x) for each cell and gene, (cell, gene); the library plays no part."""
        centre, scale = self.centre + logits, torch.exp(-self.log_std)
        z = (measured - centre) * scale
        seen = -0.5 * z.square() - self.log_std - 0.5 * math.log(2 * math.pi)
        # Where there is no limit the other branch would be log 0, whose gradient is not a number.
        limited = torch.isfinite(self.limit)
        limit = torch.where(limited, self.limit, 0.0)
        return torch.where((measured == 0) & limited, torch.special.log_ndtr((limit - centre) * scale), seen)

    def sample(self, logits: Tensor, library: Tensor, *, generator: Generator) -> Tensor:
        """Draw log-normalised values (cell, gene); what falls below the limit is zero."""
        noise = torch.randn(logits.shape, generator=generator).to(logits.device)
        x = self.centre + logits + noise * self.log_std.exp()  # (cell, gene)
        return torch.where(x < self.limit, 0.0, x).clamp(min=0).float().cpu()


def log_negative_binomial(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Return log NB(counts) with variance mean + mean² / theta, element by element."""
    mean = mean + 1e-8
    theta = theta.expand_as(mean)
    total = torch.log(theta + mean)
    zero = theta * (torch.log(theta) - total)
    # Most counts are zero, and there the three log-gammas, which cost more than all else, cancel.
    seen = counts.nonzero(as_tuple=True)
    k, th = counts[seen], theta[seen]
    extra = torch.lgamma(k + th) - torch.lgamma(th) - torch.lgamma(k + 1) + k * (torch.log(mean[seen]) - total[seen])
    return zero.index_put(seen, extra, accumulate=True)
