"""New cells in the genes of a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from genediff.training.training_cells import TrainingCells

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.alignment import Alignment


@dataclass(frozen=True, eq=False)
class AlignedCells(TrainingCells):
    """Cells in a model's genes, those that were not measured held at the model's mean.

    A library is counted over shared genes and divided by ``profile_share``, the share of the base's counts that they
    hold, so that it means the same as in the base's own cells.
    """

    train: sparse.csr_matrix
    present: Tensor
    mean: Tensor
    profile_share: float

    def normalise(self, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-normalised expression (cell, gene) and library sizes (cell,), as the base counts them."""
        present, mean = self.present.to(measured.device), self.mean.to(measured.device)
        if not self.has_counts:
            return torch.where(present, measured, mean), measured.new_ones(len(measured))
        library = measured.sum(1).clamp(min=1) / self.profile_share  # (cell,)
        x = torch.log1p(measured * (self.target_sum / library)[:, None])
        return torch.where(present, x, mean), library

    def library_scale(self) -> Tensor:
        """Return mean and standard deviation of the log library of the training cells, (2,)."""
        logs = np.log(np.maximum(np.asarray(self.train.sum(1)).ravel(), 1) / self.profile_share)
        return torch.tensor([float(logs.mean()), max(float(logs.std(ddof=1)), 1e-3)], dtype=torch.float32)


def aligned_cells(
    view: Dataset,
    alignment: Alignment,
    *,
    mean: Tensor,
    profile_share: float,
    target_sum: float,
    codes: dict[str, Tensor],
) -> AlignedCells:
    """Return the training and validation cells of a view of the shared genes, in the model's genes.

    Parameters
    ----------
    view
        The data set in the shared genes.
    mean
        Of the base's training cells, (gene,), log-normalised.
    codes
        Level codes (cell, column) by split.
    """
    plain = TrainingCells.of(view, (), where="memory")
    assert isinstance(plain.train, sparse.csr_matrix)
    columns = np.flatnonzero(alignment.present)
    return AlignedCells(
        train=_spread(plain.train, columns, len(alignment.genes)),
        validation=_spread(plain.validation, columns, len(alignment.genes)),
        train_codes=codes["train"],
        validation_codes=codes["validation"],
        has_counts=plain.has_counts,
        target_sum=target_sum,
        present=torch.tensor(alignment.present),
        mean=mean.cpu().clone(),
        profile_share=profile_share,
    )


def _spread(matrix: sparse.csr_matrix, columns: np.ndarray, n_genes: int) -> sparse.csr_matrix:
    """Return the matrix (cell, shared gene) with zeros for the genes that were not measured, (cell, gene)."""
    return sparse.csr_matrix((matrix.data, columns[matrix.indices], matrix.indptr), shape=(matrix.shape[0], n_genes))
