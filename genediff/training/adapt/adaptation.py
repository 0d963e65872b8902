"""A whole adaptation: a frozen base, new cells in its genes, and a small folder at the end."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING

import torch

from genediff.core.checkpoint import write_folder
from genediff.core.errors import Cancelled, InputError
from genediff.core.interruption import stoppable
from genediff.core.versions import versions
from genediff.data.cells.view import GeneView
from genediff.distributed.device import device_name
from genediff.models.adapter_info import ADAPTER_FILE, AdapterInfo, read_adapter
from genediff.models.alignment import align
from genediff.models.load_model import put_together, weights_hash
from genediff.models.model_info import CARD_FILE, MODEL_FILE, ModelSpec, read_spec
from genediff.training.adapt.adaptation_card import adapter_card
from genediff.training.adapt.adaptation_cells import aligned_cells
from genediff.training.adapt.adaptation_stages import AdaptAutoencoder, AdaptFlow
from genediff.training.adapt.levels import grow_levels
from genediff.training.adapt.lora import learned, make_adaptable
from genediff.training.fabric import make_fabric
from genediff.training.release_memory import peak_gpu_memory, peak_memory
from genediff.training.train import TrainEvent, combinations_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.models.config import RunConfig
    from genediff.training.adapt.config import AdaptConfig
    from genediff.training.stage import Stage


class Adaptation:
    """One adaptation, from a base and a data set to a saved adapter.

    Parameters
    ----------
    config
        What to adapt and how.
    base
        Folder of the base; it is only read.
    dataset
        The new cells.
    folder
        The adapter is written to ``folder / "model"``, at the end and in one step.
    model_id
        The id that the adapted model carries.

    Raises
    ------
    InputError
        When base and data do not fit: too few shared genes, counts on one side only, unknown conditions.
    """

    def __init__(self, config: AdaptConfig, base: Path, dataset: Dataset, *, folder: Path, model_id: str) -> None:
        self.config, self.folder = config, folder
        spec = read_spec(base)
        _check(base, spec, dataset)
        self.alignment = align(spec.genes, dataset.all_genes, name=dataset.info.name)
        self.view = GeneView(dataset, self.alignment.shared)
        self.levels = grow_levels(spec.levels, config.conditions, dataset)
        self.base, self.base_spec, self.base_hash = base, spec, weights_hash(base)
        run = adapted_run(config, spec.run, tuple(self.levels.levels))
        self.fabric = make_fabric(config.device, run.precision)
        codes = {split: self.levels.codes(dataset, split) for split in ("train", "validation")}
        self.spec = spec.model_copy(
            update={
                "id": model_id,
                "title": config.name or f"{spec.title}, adapted to {dataset.info.name}",
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "dataset_id": dataset.info.id,
                "dataset_name": dataset.info.name,
                "run": run,
                "levels": self.levels.levels,
                "combinations": combinations_of(codes["train"], self.levels.levels),
                "versions": versions(),
            }
        )
        if spec.run.model.space == "counts":
            raise InputError("models in count space cannot be adapted yet; train one on the new cells instead")
        model = put_together(base, self.spec, {}, scale=0.0, known=self.levels.known)
        self.model = model.to(self.fabric.device)
        self.share = _profile_share(self.model.mean, self.alignment.present, spec)
        self.cells = aligned_cells(
            self.view,
            self.alignment,
            mean=self.model.mean,
            profile_share=self.share,
            target_sum=spec.target_sum,
            codes=codes,
        )
        torch.manual_seed(config.seed)  # of the new matrices; everything after draws from generators of its own
        self.targets = make_adaptable(self.model, rank=config.rank, alpha=config.alpha, known=self.levels.known)
        self._see_new_data()
        self.held_out: dict[str, tuple[float, float]] = {}
        self.seconds, self.cells_seen = 0.0, 0

    @property
    def n_trained(self) -> int:
        """The number of numbers that learn, and are saved."""
        return sum(t.numel() for t in self.tensors().values())

    def run(self, *, stop: Callable[[], bool] = lambda: False) -> Iterator[TrainEvent]:
        """Train, yielding an event for every step; when ``stop`` turns true it ends and nothing is written."""
        yield TrainEvent("start", 0, 0, message=self.alignment.sentence)
        yield TrainEvent(
            "start",
            0,
            0,
            message=f"{self.n_trained:,} numbers learn on {device_name(self.fabric.device)}; the base's "
            f"{self.base_spec.n_parameters:,} stay as they are.",
        )
        train = self.spec.run.train
        kinds = (AdaptAutoencoder, AdaptFlow) if self.model.in_latent_space else (AdaptFlow,)
        for kind in kinds:
            stage = kind(self.model, self.cells, train, fabric=self.fabric, seed=self.config.seed)
            try:
                with stoppable(stage.plain, stop):
                    finished = yield from self._run_stage(stage, stop)
            except Cancelled:
                finished = False
            if not finished:
                return
            stage.finish()
        self.save()

    def tensors(self) -> dict[str, Tensor]:
        """Return what has been learned so far, and the library of the new data."""
        out = learned(self.model, self.targets, known=self.levels.known)
        return out | {"set.library_scale": self.model.library_scale.clone()}

    def save(self) -> None:
        """Write the folder of the adapted model: what was learned, and no weight of the base."""
        tensors = self.tensors()
        n_parameters = self.base_spec.n_parameters + self.n_trained
        trained = {
            "finished": True,
            "seconds": round(self.seconds, 1),
            "cells_seen": self.cells_seen,
            "device": device_name(self.fabric.device),
            "threads": torch.get_num_threads(),
            "peak_memory": peak_memory(),
            "peak_gpu_memory": peak_gpu_memory(self.fabric.device),
        }
        spec = self.spec.model_copy(update={"n_parameters": n_parameters, "trained": trained})
        info = AdapterInfo(
            base_id=self.base_spec.id,
            base_title=self.base_spec.title,
            base_hash=self.base_hash,
            rank=self.config.rank,
            alpha=self.config.alpha,
            targets=self.targets,
            known_levels=self.levels.known,
            new_levels=self.levels.new,
            not_measured=self.alignment.not_measured,
            n_left_out=self.alignment.n_left_out,
            profile_share=self.share,
            library=(float(self.model.library_scale[0]), float(self.model.library_scale[1])),
            n_trained=self.n_trained,
            held_out=self.held_out,
        )
        texts = {
            MODEL_FILE: spec.model_dump_json(indent=1),
            ADAPTER_FILE: info.model_dump_json(indent=1),
            CARD_FILE: adapter_card(spec, info),
        }
        write_folder(self.folder / "model", tensors, texts, name="adapter")

    def _run_stage(self, stage: Stage, stop: Callable[[], bool]) -> Generator[TrainEvent, None, bool]:
        """Yield the events of a stage and return whether it came to its end."""
        train = self.spec.run.train
        before = stage.look()
        yield TrainEvent(stage.name, 0, max(stage.total_steps, 1), None, before)
        value = before
        for step in range(stage.total_steps):
            begun = time.monotonic()
            loss = stage.train_step(step)
            rate = stage.batch_size / max(time.monotonic() - begun, 1e-9)
            if not torch.isfinite(torch.tensor(loss)):
                raise InputError(
                    f"the loss of the {stage.name} stage is no longer a number at step {step + 1}; "
                    "lower the learning rate and adapt again"
                )
            done = step + 1
            looked = done == stage.total_steps or done % train.validate_every == 0
            value = stage.look() if looked else value
            self.seconds += time.monotonic() - begun
            self.cells_seen += stage.batch_size
            yield TrainEvent(stage.name, done, stage.total_steps, loss, value if looked else None, rate)
            if stop():
                return False
        self.held_out[stage.name] = (before, value)
        return True

    @torch.no_grad()
    def _see_new_data(self) -> None:
        """Set what is measured and not learned: the library, and which genes have a share in the profile."""
        if self.spec.has_counts:
            self.model.library_scale.copy_(self.cells.library_scale())
        profile = getattr(self.model.autoencoder and self.model.autoencoder.head, "log_profile", None)
        if profile is not None:
            # A profile of zero: a gene that was not measured gets no share of the counts, and no gradient.
            profile.masked_fill_(~self.cells.present.to(profile.device), -torch.inf)


def adapted_run(config: AdaptConfig, base: RunConfig, columns: tuple[str, ...]) -> RunConfig:
    """Return the configuration of the adapted model: that of its base, with the length and rate of the adaptation."""
    train = base.train.model_copy(
        update={
            "tokenizer_steps": config.tokenizer_steps,
            "steps": config.steps,
            "batch_size": config.batch_size,
            "tokenizer_batch_size": config.batch_size,
            "learning_rate": config.learning_rate,
            "tokenizer_learning_rate": config.learning_rate,
            # Decay would pull rows of old labels, which stay.
            "weight_decay": 0.0,
            "patience": 0,
            "ema": min(base.train.ema, 0.99),
            "validate_every": max(1, min(base.train.validate_every, config.steps)),
        }
    )
    return base.model_copy(
        update={
            "name": config.name,
            "dataset_id": config.dataset_id,
            "seed": config.seed,
            "device": config.device,
            "model": base.model.model_copy(update={"conditions": columns}),
            "train": train,
        }
    )


def _check(base: Path, spec: ModelSpec, dataset: Dataset) -> None:
    if (info := read_adapter(base)) is not None:
        raise InputError(f"{base.name!r} is an adapter itself; adapt its base {info.base_id!r} instead")
    if spec.has_counts != dataset.info.has_counts:
        has, lacks = (spec.title, dataset.info.name) if spec.has_counts else (dataset.info.name, spec.title)
        raise InputError(
            f"{has!r} is about counts and {lacks!r} is not, so one cannot be adapted to the other; choose a model of "
            "the same kind of values"
        )


def _profile_share(mean: Tensor, present: tuple[bool, ...], spec: ModelSpec) -> float:
    """Return the share of the base's normalised counts that the shared genes hold."""
    if not spec.has_counts:
        return 1.0
    level = torch.expm1(mean.cpu().double())
    return float(level[torch.tensor(present)].sum() / level.sum())
