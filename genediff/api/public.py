"""The public names of the library, gathered where they may import everything below."""

from __future__ import annotations

from genediff import tokenizers
from genediff.api import perturb, pl, tl
from genediff.api.generator import GeneDiff
from genediff.api.quality import evaluate
from genediff.api.user_cells import Cells, open_dataset, read_h5ad
from genediff.core.errors import Cancelled, InputError
from genediff.data import Dataset, ImportConfig, diagnose, import_cells
from genediff.evaluation import METRICS, Evaluation
from genediff.models.archive import export_model, import_model
from genediff.models.config import ModelConfig, RunConfig, SampleConfig, TrainConfig
from genediff.models.model_info import ModelInfo
from genediff.runs import Run, list_runs, submit
from genediff.tokenizers import TOKENIZERS
from genediff.training.estimate import estimate
from genediff.training.presets import PRESETS, preset_run
from genediff.training.train import train_model
from genediff.workspace import Workspace

__all__ = [
    "METRICS",
    "PRESETS",
    "TOKENIZERS",
    "Cancelled",
    "Cells",
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
    "list_runs",
    "open_dataset",
    "perturb",
    "pl",
    "preset_run",
    "read_h5ad",
    "submit",
    "tl",
    "tokenizers",
    "train_model",
]
