"""The cells of a data set as a trained model reads them: in its genes, by its scale, one block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from genediff.core.errors import InputError
from genediff.data.cells.dataset import CellRows
from genediff.data.cells.view import in_genes

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel

LEAST_SHARE = 0.25  # of the model's genes, as for adapting a model


@dataclass(frozen=True, eq=False)
class ReadCells:
    """Cells in a model's genes.

    ``measured`` are counts, or log-normalised values for a model of such, (cell, gene), those of a large data set read
    when they are asked for; ``present`` says which genes the data have, (gene,), and ``profile_share`` is the share of
    the model's counts that these hold: a library is divided by it, so that it means the same as in training. Genes that
    the data lack are held at the model's mean.
    """

    model: GenerativeModel
    measured: sparse.csr_matrix | CellRows
    present: Tensor
    profile_share: float

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return self.measured.shape[0]

    def only(self, genes: Collection[str]) -> ReadCells:
        """Return the same cells as if no other genes than these had been measured."""
        wanted = torch.tensor([gene in genes for gene in self.model.genes], device=self.present.device)
        present = self.present & wanted
        mask = present.cpu().numpy()
        if isinstance(self.measured, CellRows):
            return ReadCells(self.model, self.measured.only(mask), present, _share(self.model, present.cpu()))
        measured = sparse.csr_matrix(self.measured @ sparse.diags_array(mask.astype(np.float32)))
        return ReadCells(self.model, measured, present, _share(self.model, present.cpu()))

    def block(self, rows: np.ndarray | slice) -> tuple[Tensor, Tensor]:
        """Return standardised expression (cell, gene) and library sizes (cell,) on the model's device."""
        return self.standardised(torch.from_numpy(self.measured[rows].toarray()).to(self.model.device))

    def standardised(self, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same for any cells measured in these genes (cell, gene), such as a part of a cell's counts."""
        model = self.model
        library = measured.new_ones(len(measured))
        if model.spec.has_counts:
            library = measured.sum(1).clamp(min=1) / self.profile_share
        x = model.log_normalise(measured, library)
        return torch.where(self.present, model.standardise(x), 0.0), library


def read_cells(model: GenerativeModel, dataset: Dataset) -> ReadCells:
    """Return the cells of a data set as a model reads them; genes are matched by name.

    Raises
    ------
    InputError
        When they share too few genes, or one is about counts and the other is not.
    """
    if model.spec.has_counts != dataset.info.has_counts:
        raise InputError(
            f"The model {model.spec.title!r} is about {_kind(model.spec.has_counts)} and the data set "
            f"{dataset.info.name!r} holds {_kind(dataset.info.has_counts)}; choose cells of the same kind of values."
        )
    same = model.genes == tuple(dataset.genes)
    view = dataset if same else in_genes(dataset, model.genes, always=True)
    if len(view.genes) < LEAST_SHARE * len(model.genes):
        raise InputError(
            f"{dataset.info.name!r} has {len(view.genes):,} of the {len(model.genes):,} genes of the model "
            f"{model.spec.title!r}, too few to look through it; choose the data set that it was trained on."
        )
    position = {gene: place for place, gene in enumerate(model.genes)}
    columns = np.array([position[gene] for gene in view.genes])
    values = view.measured()
    if not same:  # then all of them: a view of other genes is read by gene
        assert isinstance(values, sparse.csr_matrix)
        shape = (values.shape[0], len(model.genes))
        values = sparse.csr_matrix((values.data, columns[values.indices], values.indptr), shape=shape)
    present = torch.zeros(len(model.genes), dtype=torch.bool)
    present[torch.from_numpy(columns)] = True
    return ReadCells(model, values, present.to(model.device), _share(model, present))


def _share(model: GenerativeModel, present: Tensor) -> float:
    if not model.spec.has_counts or bool(present.all()):
        return 1.0
    level = torch.expm1(model.mean.cpu().double())
    return float(level[present].sum() / level.sum())


def _kind(has_counts: bool) -> str:
    return "counts" if has_counts else "values without counts"
