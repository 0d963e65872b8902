"""Other cells under the names that a model has for their genes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data.cells.renamed import RenamedDataset
from genediff.inspection.tokens.inspected_cells import LEAST_SHARE
from genediff.knowledge.orthologs import shipped_orthologs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.cells.dataset import Dataset
    from genediff.knowledge.orthologs import Orthologs

LEAST_GENES = 10


@dataclass(frozen=True, eq=False)
class Aligned:
    """A data set in a model's names.

    Attributes
    ----------
    dataset
        The cells, renamed where a table of orthologs was used.
    shared
        The model's genes that were measured, in the model's order.
    n_genes
        Genes of the model.
    orthologs
        The table that was used, if any.
    """

    dataset: Dataset
    shared: tuple[str, ...]
    n_genes: int
    orthologs: Orthologs | None

    @property
    def sentence(self) -> str:
        """What was matched, in words."""
        how = "by name" if self.orthologs is None else "through the table of orthologs"
        said = f"{len(self.shared):,} of the model's {self.n_genes:,} genes were found in these cells {how}."
        if (missing := self.n_genes - len(self.shared)) > 0:
            said += f" The other {missing:,} count as not measured: the model takes them for average."
        return said if self.orthologs is None else f"{said} {self.orthologs.sentence}"

    def original_name(self, gene: str) -> str:
        """Return what the file calls a gene of the model."""
        return self.dataset.old_names[gene] if isinstance(self.dataset, RenamedDataset) else gene


def aligned(genes: Sequence[str], dataset: Dataset, orthologs: Orthologs | None = None) -> Aligned:
    """Find a model's genes in a data set.

    Parameters
    ----------
    genes
        Of the model.
    orthologs
        Links the genes of both where they are of two species.

    Raises
    ------
    InputError
        When fewer than a quarter of the model's genes are there; it says what a table of orthologs would do.
    """
    shared = _by_name(genes, dataset)
    if orthologs is not None:
        names = orthologs.names_for(dataset.all_genes, genes)
        if len(names) <= len(shared):
            raise InputError(
                f"The table of orthologs finds {len(names):,} of the model's genes in {dataset.info.name!r} and their "
                f"names alone {len(shared):,}: both seem to be of one species, so leave the table out."
            )
        dataset = RenamedDataset(dataset, names)
        shared = _by_name(genes, dataset)
    needed = min(max(LEAST_GENES, math.ceil(LEAST_SHARE * len(genes))), len(genes))
    if len(shared) < needed:
        found = f"Only {len(shared):,}" if shared else "None"
        raise InputError(
            f"{found} of the model's {len(genes):,} genes are among the {len(dataset.all_genes):,} of "
            f"{dataset.info.name!r}, and {needed:,} are needed; {_advice(genes, dataset, len(shared), orthologs)}."
        )
    return Aligned(dataset, shared, len(genes), orthologs)


def proposal(genes: Sequence[str], dataset: Dataset) -> Orthologs | None:
    """Return the shipped table where it finds at least twice as many of a model's genes as their names do."""
    table = shipped_orthologs()
    found = len(table.names_for(dataset.all_genes, genes))
    return table if found >= max(LEAST_GENES, 2 * len(_by_name(genes, dataset))) else None


def _by_name(genes: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    there = set(dataset.all_genes)
    return tuple(gene for gene in genes if gene in there)


def _advice(genes: Sequence[str], dataset: Dataset, n_shared: int, used: Orthologs | None) -> str:
    if used is not None:
        return "these cells measured too few genes that the model knows, so choose others or train a model on them"
    table = proposal(genes, dataset)
    if table is not None:
        found = len(table.names_for(dataset.all_genes, genes))
        return f"they look like genes of another species: the shipped table of orthologs would find {found:,}"
    return "check that both name genes alike (symbols, same species), or train a model on these cells"
