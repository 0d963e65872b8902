"""A data set whose genes have other names, such as those of their orthologs in another species."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from genediff.data.cells.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

UNNAMED = " (no other name)"


class RenamedDataset(Dataset):
    """The cells of an import under other gene names; everything else stays.

    A gene that gets no new name keeps its own with a mark behind it, so that it is never taken for a gene of the other
    species that happens to be called the same.

    Parameters
    ----------
    dataset
        The import.
    names
        New names by old ones, one to one.
    species
        Whose names these are.
    """

    def __init__(self, dataset: Dataset, names: Mapping[str, str], *, species: str = "unknown") -> None:
        text = "\n".join([dataset.content_hash, *(f"{old}\t{new}" for old, new in sorted(names.items()))])
        mark = hashlib.sha256(text.encode()).hexdigest()
        super().__init__(replace(dataset.info, content_hash=mark, species=species))
        self.original = dataset
        self.all_genes = tuple(names.get(gene, gene + UNNAMED) for gene in dataset.all_genes)
        self.old_names = {new: old for old, new in names.items()}
