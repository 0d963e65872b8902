"""Cells that a flow generates now and then while it trains, on the map of the real ones: they are kept in a file.

They are drawn from random numbers of their own, so the training is the same with and without them.
"""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.errors import Cancelled
from genediff.core.json_files import MALFORMED
from genediff.data.cells.training_neighbours import TrainingNeighbours, commonest
from genediff.data.cells.view import log_values

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.models.generative_model import GenerativeModel

SAMPLES_FILE = "samples.jsonl"
N_CELLS = 200
SHARE = 0.02
"""Of the time of the training that samples may take."""
NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class Sample:
    """Cells generated after some steps of the flow.

    Attributes
    ----------
    step
        After which step.
    xy
        Position of the nearest training cell on the data set's map, (cell, 2).
    nearest
        The label that most of the nearest training cells have, as a number; -1 for none, (cell,).
    distance, held_out
        Median distance to the nearest training cell in principal components: of generated and of validation cells.
    """

    step: int
    xy: np.ndarray
    nearest: np.ndarray
    distance: float
    held_out: float


class TrainingSamples:
    """Draws samples of a model in training and adds them to the file in its folder.

    Parameters
    ----------
    dataset
        The cells that it is trained on; they have a map.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self._dataset, self._folder = dataset, folder
        self._seconds = 0.0
        self._failed = False

    def are_due(self, seconds: float) -> bool:
        """Whether another sample is worth its time after so many seconds of training."""
        return self._seconds <= SHARE * seconds

    def draw(self, model: GenerativeModel, step: int) -> None:
        """Generate cells with the weights as they are and write down where they lie; what fails ends no training."""
        begun = time.monotonic()
        try:
            if not self._failed:
                self._draw(model, step)
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001  a training is worth more than its samples
            traceback.print_exc()
            self._failed = True
        self._seconds += time.monotonic() - begun

    @cached_property
    def _near(self) -> TrainingNeighbours:
        return TrainingNeighbours(self._dataset)

    @cached_property
    def _held_out(self) -> float:
        data = self._dataset
        distances, _ = self._near.of(data.pcs_at(data.rows("validation")[: 5 * N_CELLS]), 1)
        return float(np.median(distances))

    def _draw(self, model: GenerativeModel, step: int) -> None:
        data, label = self._dataset, self._dataset.info.label
        codes = np.full(data.info.n_cells, -1) if label is None else data.codes(label)
        cells = model.generate(N_CELLS, seed=0)
        distances, rows = self._near.of(np.asarray(data.project(log_values(cells, data))), NEIGHBOURS)
        line = {
            "step": step,
            "xy": data.umap[rows[:, 0]].round(2).astype(float).tolist(),
            "nearest": commonest(codes[rows]).tolist(),
            "distance": float(np.median(distances[:, 0])),
            "held_out": self._held_out,
        }
        with (self._folder / SAMPLES_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_samples(folder: Path) -> list[Sample]:
    """Return the samples of a training in order; what a resumed training drew again is there once."""
    try:
        lines = (folder / SAMPLES_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    kept: list[Sample] = []
    for line in lines:
        try:
            values = json.loads(line)
            xy = np.array(values["xy"], dtype=np.float32).reshape(-1, 2)
            nearest = np.array(values["nearest"], dtype=int)
            one = Sample(int(values["step"]), xy, nearest, values["distance"], values["held_out"])
        except MALFORMED:  # a line that is being written, or that a killed worker left
            continue
        while kept and kept[-1].step >= one.step:
            kept.pop()
        kept.append(one)
    return kept
