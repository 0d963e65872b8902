"""New cells in the genes of a trained model, matched by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from genediff.errors import InputError
from genediff.training.cells import TrainingCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genediff.data.dataset import Dataset

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
    needed = max(LEAST_GENES, int(np.ceil(LEAST_SHARE * len(genes))))
    if sum(present) < min(needed, len(genes)):
        raise InputError(
            f"only {sum(present):,} of the model's {len(genes):,} genes are among the {len(there):,} genes of "
            f"{name!r}, and at least {needed:,} are needed; check that both name genes alike (symbols, same species)"
        )
    return Alignment(tuple(genes), present, len(there - set(genes)))


@dataclass(frozen=True, eq=False)
class AlignedCells(TrainingCells):
    """Cells in a model's genes, those that were not measured held at the model's mean.

    A library is counted over shared genes and divided by ``profile_share``, the share of the base's counts that they
    hold, so that it means the same as in the base's own cells.
    """

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
    plain = TrainingCells.of(view, ())
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
