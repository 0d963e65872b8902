"""What is known of a saved model without loading its weights: no torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from genediff.core.checkpoint import check_tensors
from genediff.core.errors import InputError
from genediff.core.json_files import read_object, read_or_none
from genediff.models.adapter_info import ADAPTER_WEIGHTS_FILE, AdapterInfo, read_adapter
from genediff.models.config import RunConfig

FORMAT_VERSION = 1
MODEL_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.md"
EVALUATION_FILE = "evaluation.json"
KNOWLEDGE_FILE = "knowledge.json"
MEASURES_FILE = "measures.json"


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name occurs twice")
    return names


class ModelSpec(BaseModel):
    """What rebuilds a model around its weights: everything is plain values, no code.

    ``levels`` keeps the order of the labels, so that an index means the same at training and at sampling.
    ``combinations`` are the rows of level codes seen in training (-1: no label) with their number of cells.
    ``knowledge`` says in words which gene sets and network the model was built on (they lie in a file beside this one).
    """

    model_config = ConfigDict(frozen=True)

    format_version: int = FORMAT_VERSION
    id: str
    title: str
    created: str
    dataset_id: str
    dataset_name: str
    run: RunConfig
    genes: Annotated[tuple[str, ...], AfterValidator(_all_different)]
    levels: dict[str, tuple[str, ...]]
    combinations: tuple[tuple[tuple[int, ...], int], ...]
    has_counts: bool
    target_sum: float
    n_parameters: int = 0
    knowledge: dict[str, str] = {}
    trained: dict[str, Any] = {}
    versions: dict[str, str] = {}


class ModelInfo(BaseModel):
    """One row of the model library.

    ``measures`` are what was measured of the model besides the quality of its cells: how fast it draws them, and how
    well its tokens bring held-out cells back. Empty where that was not done. ``adapter`` says which base an adapted
    model stands on.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    created: str
    dataset_id: str
    dataset_name: str
    strategy: str
    preset: str
    space: str
    n_parameters: int
    n_genes: int
    conditions: dict[str, tuple[str, ...]]
    knowledge: dict[str, str] = {}
    has_counts: bool
    metrics: dict[str, float]
    measures: dict[str, float] = {}
    adapter: AdapterInfo | None = None
    config: RunConfig
    trained: dict[str, Any]
    versions: dict[str, str]
    shipped: bool
    folder: Path

    @classmethod
    def read(cls, folder: Path, *, shipped: bool = False) -> ModelInfo:
        """Read the JSON files of a model folder.

        Raises
        ------
        InputError
            When the folder holds no model, one of a newer format, or one whose weights are missing or cut off.
        """
        spec, adapter = read_spec(folder), read_adapter(folder)
        check_tensors(folder / (ADAPTER_WEIGHTS_FILE if adapter else WEIGHTS_FILE))
        return cls(
            id=folder.name,
            title=spec.title,
            created=spec.created,
            dataset_id=spec.dataset_id,
            dataset_name=spec.dataset_name,
            strategy=spec.run.model.tokenizer,
            preset=spec.run.preset,
            space=spec.run.model.space,
            n_parameters=spec.n_parameters,
            n_genes=len(spec.genes),
            conditions=spec.levels,
            knowledge=spec.knowledge,
            has_counts=spec.has_counts,
            metrics=_numbers(folder / EVALUATION_FILE, "headline"),
            measures=_numbers(folder / MEASURES_FILE, "measures"),
            adapter=adapter,
            config=spec.run,
            trained=spec.trained,
            versions=spec.versions,
            shipped=shipped,
            folder=folder,
        )


def read_spec(folder: Path) -> ModelSpec:
    """Read what rebuilds the model in this folder; InputError when it is not there, broken or too new."""
    path = folder / MODEL_FILE
    try:
        raw = read_object(path)
    except FileNotFoundError:
        raise InputError(
            f"{folder.name} holds no model ({MODEL_FILE} is missing); choose a folder saved by genediff"
        ) from None
    except (OSError, ValueError):
        raise InputError(f"{MODEL_FILE} in {folder.name} is not readable JSON; export the model again") from None
    version = raw.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            f"the model {folder.name} has format {version!r} and this genediff reads up to {FORMAT_VERSION}; "
            "update genediff"
        )
    try:
        return ModelSpec.model_validate(raw)
    except ValueError as error:
        first = str(error).splitlines()[1] if len(str(error).splitlines()) > 1 else str(error)
        raise InputError(
            f"{MODEL_FILE} in {folder.name} does not describe a model (field {first}); export it again"
        ) from None


def _numbers(path: Path, part: str) -> dict[str, float]:
    """Return the numbers under a name of a JSON file, or none where it is not there."""
    found = (read_or_none(path) or {}).get(part)
    if not isinstance(found, dict):
        return {}
    return {str(k): float(v) for k, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}
