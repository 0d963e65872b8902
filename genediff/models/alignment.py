"""Which of a model's genes new data have, by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_SHARE, LEAST_GENES = 0.25, 10


@dataclass(frozen=True)
class Alignment:
    """Which of a model's genes were measured in new data.

    ``genes`` are the model's; ``present`` says for each whether the data have it; ``n_left_out`` counts genes of the
    data that the model does not know.
    """

    genes: tuple[str, ...]
    present: tuple[bool, ...]
    n_left_out: int

    @property
    def shared(self) -> tuple[str, ...]:
        """Genes that both have, in the model's order."""
        return tuple(gene for gene, there in zip(self.genes, self.present, strict=True) if there)

    @property
    def not_measured(self) -> tuple[str, ...]:
        """Genes of the model that the data lack."""
        return tuple(gene for gene, there in zip(self.genes, self.present, strict=True) if not there)

    @property
    def sentence(self) -> str:
        """What was matched, in words."""
        said = f"{len(self.shared):,} of the model's {len(self.genes):,} genes were found in the new data by name."
        if self.not_measured:
            said += (
                f" The other {len(self.not_measured):,} count as not measured: the encoder sees them at the base's "
                "mean, the likelihood leaves them out, and they are generated as the base knows them."
            )
        return f"{said} {self.n_left_out:,} genes of the data are unknown to the model and are left out."


def align(genes: Sequence[str], available: Sequence[str], *, name: str) -> Alignment:
    """Match a model's genes with those of a data set.

    Parameters
    ----------
    genes
        Of the model.
    available
        Every gene of the data's file.
    name
        Of the data set, for the sentence.

    Raises
    ------
    InputError
        When fewer than a quarter of the model's genes are there.
    """
    there = set(available)
    present = tuple(gene in there for gene in genes)
    needed = max(LEAST_GENES, math.ceil(LEAST_SHARE * len(genes)))
    if sum(present) < min(needed, len(genes)):
        raise InputError(
            f"only {sum(present):,} of the model's {len(genes):,} genes are among the {len(there):,} genes of "
            f"{name!r}, and at least {needed:,} are needed; check that both name genes alike (symbols, same species)"
        )
    return Alignment(tuple(genes), present, len(there - set(genes)))
