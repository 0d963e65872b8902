"""A network from the cells themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.knowledge.network import Network


def infer_network(
    x: Any,
    genes: Sequence[str],
    n_edges: int,
    *,
    regulators: Sequence[str],
    seed: int,
    progress: Callable[[float, str], None] | None = None,
) -> Network:
    """Find edges from regulators to genes in log-normalised cells (cell, gene)."""
    raise InputError("Networks cannot be inferred from cells yet; choose a known one.")
