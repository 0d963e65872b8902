"""Write a model of responses to a folder of safetensors and JSON, and read it back beside its data set."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genediff.checkpoint import read_tensors, write_folder
from genediff.errors import InputError
from genediff.knowledge import Knowledge
from genediff.perturbation import Task
from genediff.response.gate import Gate
from genediff.response.identity import Identity
from genediff.response.info import WEIGHTS_FILE, ResponseInfo
from genediff.response.measured import measured
from genediff.response.model import ResponseModel
from genediff.response.spread import Spread
from genediff.versions import versions

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.dataset import Dataset
    from genediff.knowledge.network import Network
    from genediff.response.config import ResponseConfig
    from genediff.response.measured import MeasuredTask

KNOWLEDGE_FILE = "knowledge.json"
CARD_FILE = "card.md"


@dataclass(frozen=True, eq=False)
class Saved:
    """What is written beside the model itself."""

    config: ResponseConfig
    network: Network | None = None
    seconds: float = 0.0
    device: str = "cpu"


def save_response(model: ResponseModel, folder: Path, saved: Saved, *, model_id: str) -> ResponseInfo:
    """Write a model's folder, all or nothing, and return what it says of itself."""
    dataset = model.task.dataset
    info = ResponseInfo(
        id=model_id,
        title=model.title,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        dataset_id=dataset.info.id,
        dataset_name=dataset.info.name,
        content_hash=dataset.content_hash,
        config=saved.config,
        task=model.task.config.model_dump(mode="json"),
        gates={kind: gate.model_dump() for kind, gate in model.gates.items()},
        width=dict(model.width),
        tested=model.tested,
        network="" if saved.network is None else saved.network.title,
        n_trained=len(model.task.part("train")),
        flow={} if model.flow is None else model.flow.describe(),
        trained={"finished": True, "seconds": round(saved.seconds, 1), "device": saved.device},
        versions=versions(),
    )
    tensors = {
        "loadings": torch.from_numpy(np.ascontiguousarray(model.identity.loadings, dtype=np.float32)),
        "scale": torch.from_numpy(np.asarray(model.scale, dtype=np.float32)),
        "means": torch.from_numpy(np.stack(_means(model.task))),  # exact: at weight 0 predictions are the baseline's
    }
    if model.member_tasks:
        members = np.stack([np.stack(_means(task)) for task in model.member_tasks])
        tensors["members"] = torch.from_numpy(members.astype(np.float32))  # (member, group or control, gene)
    if model.flow is not None:
        tensors |= {f"flow.{name}": tensor for name, tensor in model.flow.tensors().items()}
    from genediff.response.card import response_card

    texts = {"response.json": info.to_json(), CARD_FILE: response_card(info)}
    if saved.network is not None:
        texts[KNOWLEDGE_FILE] = Knowledge(network=saved.network).to_json()
    write_folder(folder, tensors, texts, name="response")
    return info


def load_response(folder: Path, dataset: Dataset, *, models: Path | None = None, device: str = "cpu") -> ResponseModel:
    """Read a model beside the data set that it was trained on.

    Parameters
    ----------
    folder
        The model's.
    dataset
        The same cells as at training: they are what predictions start from.
    models
        The folder that holds the token model of a flow; the library beside the model's own where not given.
    device
        Where a flow runs.

    Raises
    ------
    InputError
        When the folder holds no model, or the data set is another one.
    """
    info = ResponseInfo.read(folder)
    if info.content_hash != dataset.content_hash:
        raise InputError(
            f"“{info.title}” was trained on other cells ({info.dataset_name}) than {dataset.info.name!r}; "
            "choose that data set, or train a model on this one."
        )
    tensors = read_tensors(folder / WEIGHTS_FILE)
    network = Knowledge.from_json((folder / KNOWLEDGE_FILE).read_text()).network if info.network else None
    task = measured(Task.of(dataset, **info.task))
    n_members = len(tensors["members"]) if "members" in tensors else 0
    members = [task.resampled(info.config.seed * 1000 + number) for number in range(n_members)]
    _remember(task, tensors["means"].numpy())
    for number, member in enumerate(members):
        _remember(member, tensors["members"][number].numpy().astype(np.float64))
    identity = Identity(
        task.genes,
        tensors["loadings"].numpy().astype(np.float64),
        None if network is None else Spread(network, task.genes),
    )
    flow: Any = None
    if info.flow:
        from genediff.response.flow import read_flow

        parts = {name.removeprefix("flow."): t for name, t in tensors.items() if name.startswith("flow.")}
        flow = read_flow(info.flow, parts, dataset, models or folder.parent.parent / "models", device=device)
    return ResponseModel(
        task,
        identity,
        {kind: Gate.model_validate(gate) for kind, gate in info.gates.items()},  # type: ignore[misc]
        members=members,
        width=info.width,  # type: ignore[arg-type]
        scale=tensors["scale"].numpy().astype(np.float64),
        tested=info.tested,
        title=info.title,
        flow=flow,
    )


def _places(task: MeasuredTask) -> list[np.ndarray]:
    """Return the row numbers of what a training part averages, in a fixed order."""
    groups = [group.rows for group in task.part("train")]
    return groups + [task.control_rows("train", context) for context in task.contexts]


def _means(task: MeasuredTask) -> list[np.ndarray]:
    return [task.mean(rows) for rows in _places(task)]


def _remember(task: MeasuredTask, means: np.ndarray) -> None:
    places = _places(task)
    if len(places) != len(means):
        raise InputError("The data set is divided in another way than when this model was trained; train it again.")
    for rows, mean in zip(places, means, strict=True):
        task.known[np.asarray(rows, dtype=np.int64).tobytes()] = mean
