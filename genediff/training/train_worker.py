"""What the other processes of a training do: the same training, with nobody to tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.data.cells.dataset import Dataset
from genediff.knowledge import Library
from genediff.models.config import RunConfig
from genediff.training.train import Training

if TYPE_CHECKING:
    from genediff.distributed import Ranks


def train_along(
    ranks: Ranks, *, config: dict[str, Any], dataset: str, folder: str, model_id: str, library: str | None
) -> None:
    """Take part in a training to its end; the arguments are those of `train_model` as plain values."""
    training = Training(
        RunConfig.model_validate(config),
        Dataset.open(Path(dataset)),
        folder=Path(folder),
        model_id=model_id,
        library=None if library is None else Library(Path(library)),
        ranks=ranks,
    )
    for _ in training.run():
        pass
