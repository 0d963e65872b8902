"""Paths between noise and data: x_t = alpha(t) x_1 + sigma(t) x_0, with t from 0 = noise to 1 = data.

DDPM papers run time backwards and call the data x_0; this is the only place where that is translated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The four numbers of a path at each time, of the shape of the times."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


class Path(Protocol):
    """How much data and how much noise there is at each time."""

    def __call__(self, t: Tensor) -> Coefficients:
        """Return the coefficients at times in [0, 1]."""
        ...


class RectifiedFlow:
    """Straight lines: alpha = t, sigma = 1 - t.

    Source: Liu et al. 2023, "Flow Straight and Fast", equation 1.
    """

    def __call__(self, t: Tensor) -> Coefficients:
        """Return the coefficients at times in [0, 1]."""
        one = torch.ones_like(t)
        return Coefficients(alpha=t, sigma=1 - t, d_alpha=one, d_sigma=-one)


class VariancePreserving:
    """A quarter circle, so that alpha² + sigma² = 1: the DDPM path with the cosine schedule.

    Source: Ho et al. 2020 (DDPM), equation 4; Nichol & Dhariwal 2021, equation 17 (cosine, without its offset).
    """

    def __call__(self, t: Tensor) -> Coefficients:
        """Return the coefficients at times in [0, 1]."""
        turn = math.pi / 2
        alpha, sigma = torch.sin(turn * t), torch.cos(turn * t)
        return Coefficients(alpha=alpha, sigma=sigma, d_alpha=turn * sigma, d_sigma=-turn * alpha)


PATHS: dict[str, type[Path]] = {"rectified_flow": RectifiedFlow, "variance_preserving": VariancePreserving}
