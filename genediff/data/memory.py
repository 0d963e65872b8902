"""How much memory an import takes: what is held at once, by kind of matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.data.matrix import TILE_ENTRIES, MemoryMatrix
from genediff.data.store import BATCH_ENTRIES

if TYPE_CHECKING:
    from genediff.data.matrix import Matrix

_PROGRAM = 550_000_000
"""Python with pandas, scikit-learn and umap-learn compiled and loaded."""
_PER_TILE_ENTRY = 60
_PER_BATCH_ENTRY = 16
_PER_CHOSEN_ENTRY = 40
_CHOSEN_SHARE = 0.15
"""Share of stored values that fall on the chosen genes (measured: 0.1 to 0.2 for 2,000 of 20,000 genes)."""


def import_memory(matrix: Matrix) -> int:
    """Estimate the peak memory of an import in bytes; an upper figure, not a promise."""
    entries = matrix.size
    held = 8 * entries if isinstance(matrix, MemoryMatrix) else 0
    tiles = _PER_TILE_ENTRY * min(entries, TILE_ENTRIES)
    batch = _PER_BATCH_ENTRY * min(entries, BATCH_ENTRIES)
    chosen = _PER_CHOSEN_ENTRY * int(entries * _CHOSEN_SHARE)
    return _PROGRAM + held + tiles + max(batch, chosen)
