"""The cells that training sees: sparse in memory, or on disk where they are many; dense one batch at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from genediff.core.errors import InputError
from genediff.tokenizers.statistics import Statistics
from genediff.training.batches import Shuffle, stream
from genediff.training.blocks import BlockShuffle
from genediff.training.disk import BOUND, MOST_SAMPLED, MOST_VALIDATED, DiskCells

if TYPE_CHECKING:
    from pathlib import Path

    from scipy.sparse import csr_matrix

    from genediff.data.cells.dataset import Dataset
    from genediff.training.blocks import Windows

Where = Literal["auto", "memory", "disk"]
N_AXES, MOST_FOR_AXES = 64, 2048


@dataclass(frozen=True, eq=False)
class TrainingCells:
    """Training and validation cells of a data set: counts, or log-normalised values where there are none.

    The model normalises to its own ``target_sum``, the median training library, whatever the data set is shown in.
    ``train_codes`` and ``validation_codes`` are level codes (cell, column); the number of levels means "no label".
    """

    train: csr_matrix | DiskCells
    validation: csr_matrix
    train_codes: Tensor
    validation_codes: Tensor
    has_counts: bool
    target_sum: float

    @classmethod
    def of(
        cls, dataset: Dataset, conditions: tuple[str, ...], *, where: Where = "auto", scratch: Path | None = None
    ) -> TrainingCells:
        """Read the cells of a data set, with level codes of the named obs columns.

        Parameters
        ----------
        where
            "memory", "disk" (training cells are left there, and a sample of the validation cells is taken), or "auto":
            on disk where their expression takes more than `disk.BOUND` bytes. It depends on the data set alone, so
            that a run is the same on every machine.
        scratch
            A folder for what does not fit in memory either.

        Raises
        ------
        InputError
            When there are too few cells to train on and to hold out.
        """
        rows = {split: dataset.rows(split) for split in ("train", "validation")}
        for split, least in (("train", 8), ("validation", 2)):
            if len(rows[split]) < least:
                raise InputError(
                    f"the {split} part of {dataset.info.name!r} has {len(rows[split])} cells and needs at least "
                    f"{least}; import the data with another split"
                )
        codes = {split: _codes(dataset, conditions, split) for split in rows}
        if where == "disk" or (where == "auto" and 8 * dataset.n_entries > BOUND):
            return cls._on_disk(dataset, rows, codes, scratch)
        from scipy.sparse import csr_matrix

        read = dataset.counts if dataset.info.has_counts else dataset.x
        parts = {split: csr_matrix(read(split), dtype=np.float32) for split in rows}
        return cls(
            train=parts["train"],
            validation=parts["validation"],
            train_codes=codes["train"],
            validation_codes=codes["validation"],
            has_counts=dataset.info.has_counts,
            target_sum=float(np.median(np.asarray(parts["train"].sum(1)))) if dataset.info.has_counts else 1.0,
        )

    @classmethod
    def _on_disk(
        cls, dataset: Dataset, rows: dict[str, np.ndarray], codes: dict[str, Tensor], scratch: Path | None
    ) -> TrainingCells:
        # Drawn and not cut off: a file is often sorted.
        drawn = torch.randperm(len(rows["validation"]), generator=stream(0, 9)).numpy()
        some = np.sort(drawn[:MOST_VALIDATED])
        has_counts = dataset.info.has_counts
        library = dataset.obs["library"].to_numpy()[rows["train"]] if has_counts else np.ones(1)
        return cls(
            train=DiskCells(dataset, rows["train"], scratch=scratch),
            validation=dataset.values_at(rows["validation"][some]),
            train_codes=codes["train"],
            validation_codes=codes["validation"][torch.from_numpy(some)],
            has_counts=has_counts,
            target_sum=float(np.median(library)),
        )

    @property
    def on_disk(self) -> bool:
        """Whether the training cells are read from disk, batch by batch."""
        return isinstance(self.train, DiskCells)

    def shuffle(self, batch_size: int, *, seed: int, feed: Windows | None = None) -> Shuffle | BlockShuffle:
        """Return the order in which training cells are seen; ``feed`` reads ahead where it is one for disks."""
        if isinstance(self.train, DiskCells):
            return BlockShuffle(self.n_train, batch_size, seed=seed, feed=feed)
        return Shuffle(self.n_train, batch_size, seed=seed)

    @property
    def scratch(self) -> Path | None:
        """A folder for what does not fit in memory; the system's where None."""
        return self.train.scratch if isinstance(self.train, DiskCells) else None

    @property
    def feed(self) -> Windows | None:
        """What reads ahead the cells of batches; None where they are in memory."""
        return self.train.windows if isinstance(self.train, DiskCells) else None

    @property
    def n_train(self) -> int:
        """The number of training cells."""
        return self.train.shape[0]

    @property
    def n_validation(self) -> int:
        """The number of validation cells."""
        return self.validation.shape[0]

    def normalise(self, measured: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-normalised expression (cell, gene) and library sizes (cell,)."""
        if not self.has_counts:
            return measured, measured.new_ones(len(measured))
        library = measured.sum(1).clamp(min=1)  # (cell,)
        return torch.log1p(measured * (self.target_sum / library)[:, None]), library

    def statistics(self) -> Statistics:
        """Measure what a model is told of the training cells before it learns; one pass in blocks.

        Where cells are on disk, medians and smallest values are those of a sample of them.
        """
        n, n_genes = self.train.shape
        sums, squares, shares = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
        # Made before the loop: small arrays that outlive their block would pin the freed memory of every block.
        logs = torch.empty(n, dtype=torch.float64)
        for start in range(0, n, 4096):
            measured = torch.from_numpy(self.train[start : start + 4096].toarray())
            x, library = self.normalise(measured)
            sums += x.double().sum(0).numpy()
            squares += x.double().square().sum(0).numpy()
            shares += measured.double().sum(0).numpy()
            logs[start : start + 4096] = library.double().log()
        mean = sums / n
        std = np.maximum(np.sqrt(np.maximum(squares / n - mean**2, 0)), 1e-2)
        median, smallest = self._seen()
        # Genes never seen in training keep a tiny share, so that their logarithm is finite.
        profile = (shares + 0.1) / (shares + 0.1).sum()
        cells = self._evenly_chosen(torch.tensor(mean), torch.tensor(std))
        return Statistics(
            mean=torch.tensor(mean, dtype=torch.float32),
            std=torch.tensor(std, dtype=torch.float32),
            median=median,
            smallest=smallest,
            log_profile=torch.tensor(np.log(profile), dtype=torch.float32),
            library=torch.tensor([float(logs.mean()), max(float(logs.std()), 1e-3)], dtype=torch.float32),
            axes=_axes(cells),
            cells=cells,
        )

    def _evenly_chosen(self, mean: Tensor, std: Tensor) -> Tensor:
        """Return standardised x of up to `MOST_FOR_AXES` training cells, (cell, gene)."""
        n = self.train.shape[0]
        rows = np.unique(np.linspace(0, n - 1, min(n, MOST_FOR_AXES)).astype(int))
        x, _ = self.normalise(torch.from_numpy(self.train[rows].toarray()))
        return ((x - mean) / std).float()

    def _seen(self) -> tuple[Tensor, Tensor]:
        """Return median and smallest x over the cells in which a gene was seen, each (gene,); see `Statistics`."""
        x = self.log_normalised().tocsc()
        x.eliminate_zeros()
        median = np.ones(x.shape[1], dtype=np.float32)
        smallest = np.full(x.shape[1], -np.inf, dtype=np.float32)
        for gene, (start, end) in enumerate(itertools.pairwise(x.indptr)):
            if end > start:
                median[gene] = np.median(x.data[start:end])
            if start < end < start + x.shape[0]:
                smallest[gene] = x.data[start:end].min()
        return torch.from_numpy(median), torch.from_numpy(smallest)

    def log_normalised(self) -> csr_matrix:
        """Return x of the training cells, (cell, gene), sparse; of a sample where they are on disk."""
        x = self.train[self.train.sample(MOST_SAMPLED)] if isinstance(self.train, DiskCells) else self.train.copy()
        if self.has_counts:
            library = np.maximum(np.asarray(x.sum(1)).ravel(), 1)
            x.data = np.log1p(x.data * np.repeat(self.target_sum / library, np.diff(x.indptr))).astype(np.float32)
        return x


def _axes(x: Tensor) -> Tensor:
    """Return the principal axes of standardised x (cell, gene), (gene, axis).

    From the matrix of cells with cells, so that 20,000 genes cost no more than their cells.
    """
    values, vectors = torch.linalg.eigh(x @ x.T)  # ascending, (cell,) and (cell, cell)
    kept = min(N_AXES, int((values > 1e-6 * values[-1]).sum()))
    axes = x.T @ vectors[:, -kept:].flip(1)  # (gene, axis)
    return axes / axes.square().mean(0).sqrt().clamp(min=1e-12)


def _codes(dataset: Dataset, conditions: tuple[str, ...], split: str) -> Tensor:
    n = len(dataset.rows(split))
    codes = torch.empty(n, len(conditions), dtype=torch.long)
    for i, column in enumerate(conditions):
        given = torch.from_numpy(dataset.codes(column, split))
        codes[:, i] = torch.where(given < 0, len(dataset.vocabulary(column)), given)
    return codes
