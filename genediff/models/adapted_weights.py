"""An adapter as tensors, and what a base becomes with it.

Four kinds of tensors, by the front of their name: ``down.`` and ``up.`` are the two matrices of a linear layer, whose
product is added to its weight; ``rows.`` are the rows of new levels in the table of a condition; ``set.`` replace
parameters or buffers as a whole. So an adapted model is an ordinary model, as fast as its base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

TABLE = "denoiser.backbone.steering.condition.tables.{}.weight"


def adapted_state(
    base: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
    *,
    scale: float,
    known: Sequence[int],
    n_levels: Sequence[int],
    width: int,
) -> dict[str, Tensor]:
    """Return the weights of an adapted model.

    Parameters
    ----------
    base
        Weights of the base by name.
    tensors
        Of the adapter; without any, the model generates what its base does.
    scale
        Alpha over rank.
    known, n_levels
        Levels of each condition that the base knows, and all.
    width
        Of the backbone: numbers per level.
    """
    state = dict(base)
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "set":
            state[rest] = tensor
        elif kind == "down":
            weight = f"{rest}.weight"
            state[weight] = base[weight] + scale * (tensors[f"up.{rest}"] @ tensor).to(base[weight])
    for i, (n_known, n_all) in enumerate(zip(known, n_levels, strict=True)):
        old = base.get(TABLE.format(i)) if n_known else None
        state[TABLE.format(i)] = grown_table(old, tensors.get(f"rows.{i}"), n_new=n_all - n_known, width=width)
    return state


def grown_table(old: Tensor | None, rows: Tensor | None, *, n_new: int, width: int) -> Tensor:
    """Return a table of levels with new rows before the last one, which stays "no label".

    A new level starts as "no label"; a condition that is new as a whole starts at zero, where it changes nothing.
    """
    if old is None:
        return torch.zeros(n_new + 1, width) if rows is None else rows
    if rows is None:
        rows = old[-1:].expand(n_new, -1)
    return torch.cat([old[:-1], rows.to(old), old[-1:]])
