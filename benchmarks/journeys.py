"""How often four journeys climb from a lower room of the package into a higher one: ``python -m benchmarks.journeys``.

A climb is a call from a function of one room straight into a function of a room above it (callbacks are all that is
left of them, since imports point downwards). Each pair of functions counts once, however often it is called. The rooms
and their order are those of tests/test_floors.py.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genediff.core.installation import ASSETS, PACKAGE
from tests.test_floors import FLOORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from genediff.workspace import Workspace


def room(frame: FrameType | None) -> str | None:
    """Return the room of the code that a frame runs, None outside of the package."""
    path = Path(frame.f_code.co_filename) if frame is not None else Path()
    if not path.is_relative_to(PACKAGE):
        return None
    parts = path.relative_to(PACKAGE).parts[:-1] or (path.stem,)
    return next((name for k in (2, 1) if (name := ".".join(parts[:k])) in FLOORS), None)


def climbs(walk: Callable[[], object]) -> list[str]:
    """Return the pairs of functions that climb during a walk."""
    found: dict[str, None] = {}

    def look(frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        here, there = room(frame.f_back), room(frame)
        if here and there and FLOORS.index(there) < FLOORS.index(here):
            back = frame.f_back.f_code.co_qualname if frame.f_back is not None else ""
            found[f"{here}: {back} -> {there}: {frame.f_code.co_qualname}"] = None

    sys.setprofile(look)
    try:
        walk()
    finally:
        sys.setprofile(None)
    return list(found)


def file_to_dataset(workspace: Workspace, folder: Path) -> None:
    """Diagnose a file and import it."""
    from genediff.data import ImportConfig, diagnose, import_cells
    from genediff.data.simulation.simulate import simulate
    from genediff.data.simulation.truth_draw import TruthConfig, draw_truth

    cells = simulate(
        draw_truth(TruthConfig(n_genes=60, n_regulators=8, n_types=2, n_pathways=4), seed=0), n_cells=240, seed=0
    )
    cells.write_h5ad(folder / "cells.h5ad")
    diagnose(folder / "cells.h5ad")
    import_cells(folder / "cells.h5ad", ImportConfig(label="cell_type", n_genes=60, n_pcs=10), workspace.datasets)


def expression_to_model(workspace: Workspace, folder: Path) -> None:
    """Train a small model for a few steps."""
    from genediff.models.config import ModelConfig, RunConfig, TrainConfig
    from genediff.training.train import train_model

    dataset = workspace.open_dataset("pbmc3k")
    options = {"n_tokens": 4, "n_channels": 2, "hidden": 32}
    model = ModelConfig(tokenizer_options=options, width=32, depth=1, heads=2, conditions=(str(dataset.info.label),))
    train = TrainConfig(tokenizer_steps=4, steps=4, batch_size=32, tokenizer_batch_size=32, warmup=2, patience=0)
    config = RunConfig(dataset_id="pbmc3k", model=model, train=train, device="cpu")
    for _ in train_model(config, dataset, folder=folder / "run", model_id="tiny"):
        pass


def request_to_file(workspace: Workspace, folder: Path) -> None:
    """Generate cells and write them."""
    from genediff.models.load_model import load_model

    model = load_model(workspace.model_folder("pbmc3k-quick"), device="cpu")
    model.generate(20, seed=0, n_steps=2).write_h5ad(folder / "generated.h5ad")


def question_to_prediction(workspace: Workspace, folder: Path) -> None:
    """Predict a pair of knock-outs by the shipped model of perturbations."""
    from genediff.perturbation.group_prediction import predict_group
    from genediff.perturbation.model.response_store import load_response

    dataset = workspace.open_dataset("simulated-screen")
    model = load_response(ASSETS / "responses" / "simulated-screen-pairs", dataset)
    task = model.task
    pair = next(one for one in task.perturbations if len(one.targets) == 2)
    context = task.contexts[0]
    rows = task.control_rows("train", context)[:20]
    predict_group(model, pair, rows, np.array([context] * len(rows)), n_cells=20)


def _within_one_room(line: str) -> bool:
    here, there = (side.split(":")[0].split(".")[0] for side in line.split(" -> "))
    return here == there


def main() -> None:
    """Walk all four and print what climbs."""
    from genediff.workspace import Workspace

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace(folder / "home")
        for walk in (file_to_dataset, expression_to_model, request_to_file, question_to_prediction):
            found = climbs(lambda walk=walk: walk(workspace, folder))
            between = [line for line in found if not _within_one_room(line)]
            print(f"{walk.__name__.replace('_', ' ')}: {len(between)} between rooms, {len(found)} with sub-rooms")
            for line in found:
                print(f"  {line}")


if __name__ == "__main__":
    main()
