"""GeneDiff: how the way a cell's expression is cut into tokens decides what a diffusion model learns.

The names below are the library's public face. They are loaded when they are first used, so that importing the package
is quick and does nothing else.

>>> import genediff
>>> workspace = genediff.Workspace()
>>> dataset = workspace.open_dataset("pbmc3k")
>>> model = genediff.GeneDiff.load(workspace.model_folder("pbmc3k-quick"))
>>> cells = model.generate(500, conditions={"cell_type_derived": "B"}, guidance=1.5, seed=1)  # AnnData
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Cancelled": "errors",
    "InputError": "errors",
    "Workspace": "workspace",
    "Dataset": "data",
    "ImportConfig": "data",
    "diagnose": "data",
    "import_cells": "data",
    "ModelConfig": "config",
    "RunConfig": "config",
    "SampleConfig": "config",
    "TrainConfig": "config",
    "PRESETS": "presets",
    "preset_run": "presets",
    "in_gene_space": "presets",
    "ModelInfo": "model_info",
    "GeneDiff": "model",
    "train_model": "training.run",
    "estimate": "training.estimate",
    "TOKENIZERS": "tokenizers",
    "Evaluation": "evaluation",
    "METRICS": "evaluation",
    "evaluate": "evaluation",
    "Run": "runs",
    "submit": "runs",
    "list_runs": "runs",
    "export_model": "model_archive",
    "import_model": "model_archive",
}

if TYPE_CHECKING:
    from genediff.config import ModelConfig, RunConfig, SampleConfig, TrainConfig
    from genediff.data import Dataset, ImportConfig, diagnose, import_cells
    from genediff.errors import Cancelled, InputError
    from genediff.evaluation import METRICS, Evaluation, evaluate
    from genediff.model import GeneDiff
    from genediff.model_archive import export_model, import_model
    from genediff.model_info import ModelInfo
    from genediff.presets import PRESETS, in_gene_space, preset_run
    from genediff.runs import Run, list_runs, submit
    from genediff.tokenizers import TOKENIZERS
    from genediff.training.estimate import estimate
    from genediff.training.run import train_model
    from genediff.workspace import Workspace


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"genediff has no {name!r}; its public names are in genediff.__all__")
    return getattr(import_module(f"genediff.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


__all__ = [
    "METRICS",
    "PRESETS",
    "TOKENIZERS",
    "Cancelled",
    "Dataset",
    "Evaluation",
    "GeneDiff",
    "ImportConfig",
    "InputError",
    "ModelConfig",
    "ModelInfo",
    "Run",
    "RunConfig",
    "SampleConfig",
    "TrainConfig",
    "Workspace",
    "diagnose",
    "estimate",
    "evaluate",
    "export_model",
    "import_cells",
    "import_model",
    "in_gene_space",
    "list_runs",
    "preset_run",
    "submit",
    "train_model",
]
