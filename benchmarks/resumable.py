"""What benchmarks of trained models share: a file per measurement, made where it is not there yet, and their table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.generation import dataset_of
from genediff.training.train import Training
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from genediff.models.config import RunConfig

HERE = Path(__file__).resolve().parent


def parser(description: str | None, name: str, *, data: list[str]) -> argparse.ArgumentParser:
    """Return a parser of the options that all have: data sets, where results lie, and the table alone."""
    ask = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", nargs="+", default=data)
    ask.add_argument("--results", type=Path, default=HERE / "results" / name)
    ask.add_argument("--home", type=Path, default=HERE / "results" / "home")
    ask.add_argument("--table", action="store_true")
    return ask


def measure_missing(
    asked: argparse.Namespace, rows: Iterable[str], measure: Callable[[Any, str, str], dict[str, Any]]
) -> None:
    """Write ``DATA-ROW.json`` where it is missing, from what ``measure(dataset, row, "DATA-ROW")`` returns."""
    torch.set_num_threads(1)
    asked.results.mkdir(parents=True, exist_ok=True)
    for data in () if asked.table else asked.data:
        dataset = dataset_of(data, 0, Workspace(asked.home))
        for row in rows:
            name = f"{data}-{row}"
            path = asked.results / f"{name}.json"
            if not path.exists():
                path.write_text(json.dumps({"data": data, **measure(dataset, row, name)}, indent=1))


def train(
    run: RunConfig, dataset: Any, folder: Path, name: str, *, stop: Callable[[], bool] = lambda: False
) -> tuple[Training, int]:
    """Train a model of this name, printing held-out losses; return the training and the last step."""
    training = Training(run, dataset, folder=folder, model_id=name)
    step = 0
    for event in training.run(stop=stop):
        step = event.step
        if event.validation is not None:
            print(f"  {name} {event.stage} {event.step}/{event.total_steps} {event.validation:.5f}", flush=True)
    return training, step
