"""What some strategies can say of a cell and others cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.tokenizers.rank import RankedGenes


@runtime_checkable
class RanksGenes(Protocol):
    """Puts the genes of a cell in order."""

    def sequence(self, x: Tensor) -> RankedGenes:
        """Return the ranked genes of standardised expression (gene,)."""
        ...
