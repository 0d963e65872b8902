"""Write a model of responses to a folder of safetensors and JSON, and read it back beside its data set."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch

from genediff.core.checkpoint import read_tensors, write_folder
from genediff.core.errors import InputError
from genediff.core.json_files import parse
from genediff.core.versions import versions
from genediff.knowledge import Knowledge
from genediff.models.response_info import WEIGHTS_FILE, ResponseInfo
from genediff.perturbation import Task
from genediff.perturbation.model.gene_priors import GenePrior, GenePriors
from genediff.perturbation.model.measured_shifts import measured
from genediff.perturbation.model.network_diffusion import Spread
from genediff.perturbation.model.perturbation_identity import Identity
from genediff.perturbation.model.response_model import ResponseModel
from genediff.perturbation.model.shrinkage import Shrinkage

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.knowledge.network import Network
    from genediff.models.response_config import ResponseConfig
    from genediff.perturbation.model.measured_shifts import MeasuredTask

KNOWLEDGE_FILE = "knowledge.json"
PRIORS_FILE = "priors.json"
_CSR = ("data", "indices", "indptr")
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
    from genediff.perturbation.model.response_card import response_card

    texts = {"response.json": info.to_json(), CARD_FILE: response_card(info)}
    if priors := model.identity.priors:
        kept = priors.within([*dict.fromkeys([*dataset.all_genes, *model.possible()])])
        texts[PRIORS_FILE] = json.dumps([
            {"id": one.id, "title": one.title, "genes": one.genes, "names": one.names, "n": one.features.shape[1],
             "weight": priors.weights.get(one.id, 0.0)} for one in kept.sources
        ])  # fmt: skip
        for number, one in enumerate(kept.sources):
            for part in _CSR:
                tensors[f"prior.{number}.{part}"] = torch.from_numpy(getattr(one.features, part).copy())
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
        read_priors(folder / PRIORS_FILE, tensors),
    )
    flow: Any = None
    if info.flow:
        from genediff.perturbation.model.response_flow import read_flow

        parts = {name.removeprefix("flow."): t for name, t in tensors.items() if name.startswith("flow.")}
        flow = read_flow(info.flow, parts, dataset, models or folder.parent.parent / "models", device=device)
    return ResponseModel(
        task,
        identity,
        {kind: Shrinkage.model_validate(gate) for kind, gate in info.gates.items()},  # type: ignore[misc]
        members=members,
        width=info.width,  # type: ignore[arg-type]
        scale=tensors["scale"].numpy().astype(np.float64),
        tested=info.tested,
        title=info.title,
        flow=flow,
    )


def read_priors(path: Path, tensors: dict[str, torch.Tensor]) -> GenePriors | None:
    """Return the knowledge of genes that a model was trained with, from its file and its tensors."""
    if not path.is_file():
        return None
    sources, weights = [], {}
    for number, about in enumerate(parse(path.read_bytes())):
        parts = tuple(tensors[f"prior.{number}.{part}"].numpy() for part in _CSR)
        features = sp.csr_matrix(parts, shape=(len(about["genes"]), about["n"]))
        sources.append(GenePrior(about["id"], about["title"], tuple(about["genes"]), features, tuple(about["names"])))
        weights[about["id"]] = about["weight"]
    return GenePriors(tuple(sources), weights)


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
