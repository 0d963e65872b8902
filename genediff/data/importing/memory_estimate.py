"""How much memory an import takes: what is held at once, by kind of matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.data.importing.write_matrix import BLOCK_ENTRIES
from genediff.data.matrices.sparse_matrix import TILE_ENTRIES, MemoryMatrix

if TYPE_CHECKING:
    from genediff.data.matrices.sparse_matrix import Matrix

# Set by imports of up to a million cells (benchmarks/out_of_core.md), UMAP included: 1.08 GB are told where 1.17 were
# measured (100,000 x 20,000), and 1.71 GB where 1.53 were (1,000,000 x 2,000).
_PROGRAM = 700_000_000
"""Python with pandas, scikit-learn and umap-learn compiled and loaded."""
_PER_TILE_ENTRY = 60
_PER_BLOCK_ENTRY = 24
_PER_CELL = 700
"""The table of cells, the totals and principal components of each (measured with a short table)."""


def import_memory(matrix: Matrix) -> int:
    """Estimate the peak memory of an import in bytes, for a table of cells of usual width; not a promise."""
    entries = matrix.size
    held = 8 * entries if isinstance(matrix, MemoryMatrix) else 0
    tiles = _PER_TILE_ENTRY * min(entries, TILE_ENTRIES)
    block = _PER_BLOCK_ENTRY * min(entries, BLOCK_ENTRIES)
    return _PROGRAM + held + tiles + block + _PER_CELL * matrix.shape[0]
