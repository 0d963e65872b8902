"""Classifier-free guidance: how far a sample is pulled towards its condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

ConditionalVelocity = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]  # (x_t, t, codes) -> (cell, dim)


def joint(velocity: ConditionalVelocity, codes: Tensor, null: Tensor, weight: float) -> Callable[..., Tensor]:
    """Pull towards all conditions at once: v = v_null + w (v_condition - v_null); one pass where w is 1.

    Source: Ho & Salimans 2022, equation 6.

    Parameters
    ----------
    codes
        (cell, column), level codes.
    null
        (column,), the code of "no label" of each column.
    """
    if weight == 1 or codes.shape[1] == 0:
        return lambda x, t: velocity(x, t, codes)
    empty = null.expand_as(codes)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        both = velocity(torch.cat([x, x]), torch.cat([t, t]), torch.cat([codes, empty]))
        given, free = both.chunk(2)
        return free + weight * (given - free)

    return guided


def additive(velocity: ConditionalVelocity, codes: Tensor, null: Tensor, weight: float) -> Callable[..., Tensor]:
    """Let each column pull on its own: v = v_null + w Σ_k (v_k - v_null), with v_k given column k alone.

    Source: Palma et al. 2025 (CFGen), equation 8.
    """
    n = codes.shape[1]
    if n <= 1:
        return joint(velocity, codes, null, weight)
    singles = []
    for k in range(n):
        single = null.expand_as(codes).clone()
        single[:, k] = codes[:, k]
        singles.append(single)
    stacked = torch.cat([*singles, null.expand_as(codes)])  # (column + 1 times cell, column)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        parts = velocity(x.repeat(n + 1, 1), t.repeat(n + 1), stacked).chunk(n + 1)
        free = parts[-1]
        return free + weight * torch.stack([part - free for part in parts[:-1]]).sum(0)

    return guided


GUIDANCE = {"joint": joint, "additive": additive}


def drop_conditions(codes: Tensor, null: Tensor, *, rate: float, rule: str, generator: Generator) -> Tensor:
    """Hide conditions per cell, so that the network also learns what it must do without them.

    A cell loses all its conditions with probability ``rate``. Otherwise, where there are several columns, the
    joint rule drops each with the same rate and the additive rule keeps a single one in half of the cells,
    because additive guidance asks for each column alone.
    """
    n, k = codes.shape
    if k == 0:
        return codes
    hide = (torch.rand(n, generator=generator) < rate)[:, None].expand(n, k)  # (cell, column)
    if k > 1 and rule == "additive":
        keep = torch.randint(k, (n,), generator=generator)
        alone = torch.rand(n, generator=generator) < 0.5
        hide = hide | (alone[:, None] & (torch.arange(k)[None] != keep[:, None]))
    elif k > 1:
        hide = hide | (torch.rand(n, k, generator=generator) < rate)
    return torch.where(hide.to(codes.device), null.to(codes.device), codes)
