"""A whole training: stages in order, with checkpoints, early stopping, and a clean stop at any step."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genediff.core.checkpoint import finish_replacement, read_tensors, write_folder
from genediff.core.errors import Cancelled, InputError
from genediff.core.interruption import stoppable
from genediff.core.json_files import read_object
from genediff.core.versions import versions
from genediff.distributed import ALONE, launch, launch_size
from genediff.distributed.device import choose_device, device_name
from genediff.knowledge import Knowledge, Library, resolve_knowledge
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import CARD_FILE, KNOWLEDGE_FILE, MODEL_FILE, ModelSpec
from genediff.training.autoencoder_stage import AutoencoderStage
from genediff.training.count_stage import CountStage, fitted_start
from genediff.training.fabric import make_fabric
from genediff.training.flow_stage import FlowStage, fit_token_scale
from genediff.training.release_memory import peak_gpu_memory, peak_memory
from genediff.training.rng_shards import shard_batch
from genediff.training.sharding import whole
from genediff.training.training_card import model_card
from genediff.training.training_cells import TrainingCells
from genediff.training.training_samples import TrainingSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from torch import Tensor

    from genediff.data.cells.dataset import Dataset
    from genediff.distributed import Ranks
    from genediff.models.config import RunConfig
    from genediff.training.stage import Stage


# A run may go on with other values of these.
SAME_MODEL = ("devices", "strategy", "accumulate")


@dataclass(frozen=True)
class TrainEvent:
    """What one step told. ``validation`` is there only after a look at held-out cells."""

    stage: str
    step: int
    total_steps: int
    loss: float | None = None
    validation: float | None = None
    cells_per_second: float | None = None
    message: str = ""


class Training:
    """One run, from a configuration and a data set to a saved model.

    Parameters
    ----------
    config
        What to train.
    dataset
        The imported cells.
    folder
        Where checkpoints go; a run that finds its own checkpoint there goes on from it, to the same weights as an
        unbroken run (bitwise on a CPU).
    model_id
        The id that the saved model carries.
    library
        Where the gene sets and the network that the configuration names are looked up; what ships where None.
    ranks
        This process among those that train together. All make the same training; the first alone writes. A run may be
        resumed by another number of processes.
    samples
        Whether cells are generated now and then while the flow trains, into a file of `folder`; only where one process
        trains and the cells have a map. The model is the same with and without.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        *,
        folder: Path,
        model_id: str,
        library: Library | None = None,
        ranks: Ranks = ALONE,
        samples: bool = False,
    ) -> None:
        self.config, self.folder, self.ranks = config, folder, ranks
        self.samples = (
            TrainingSamples(dataset, folder) if samples and ranks.size == 1 and dataset.info.has_umap else None
        )
        # In gene space a tokenizer's spread plays no part.
        in_latent_space = config.model.space == "latent"
        self.fabric = make_fabric(config.device, config.precision, ranks=ranks, all_used=in_latent_space)
        self.cells = TrainingCells.of(dataset, config.model.conditions, where=config.train.cells, scratch=folder)
        self.spec = make_spec(config, dataset, self.cells, model_id=model_id)
        with ranks.first_before_others():
            self.knowledge = self._knowledge(library or Library(folder))
        self.spec = self.spec.model_copy(update={"knowledge": _titles(self.knowledge)})
        torch.manual_seed(config.seed)  # initial weights; everything after draws from generators of its own
        self.model = GenerativeModel(self.spec, self.cells.statistics(), knowledge=self.knowledge).to(
            self.fabric.device
        )
        self.seconds = 0.0
        self.cells_seen = 0

    def run(self, *, stop: Callable[[], bool] = lambda: False) -> Generator[TrainEvent, None, bool]:
        """Train, yielding an event for every step; returns whether it came to its end.

        When ``stop`` turns true a checkpoint is written and the generator ends. One process leaves even a step or a
        look in hand, which a resumed run does again; several finish it together. Where the flow has begun, the model
        folder then holds a model that can generate.
        """
        stages = ["autoencoder", "flow"] if self.model.in_latent_space else ["flow"]
        saved = self._saved()
        first = stages.index(saved["stage"]) if saved else 0
        if saved:
            self._restore_model()
        yield TrainEvent("start", 0, 0, message=f"Training on {self._where()}.")
        if self.model.in_count_space and not (yield from self._fit_start(stop)):
            return False
        for name in stages[first:]:
            stage = self._stage(name)
            start = 0
            if saved and saved["stage"] == name:
                stage.restore(self._tensors("stage"), saved["numbers"])
                start = saved["step"]
                yield TrainEvent(name, start, stage.total_steps, message=f"Resumed after step {start:,}.")
            unlooked = start > 0 and bool(saved and saved.get("unlooked"))
            with self._hearing(stage, stop):
                finished = yield from self._run_stage(stage, start, stop, unlooked=unlooked)
            if not finished:
                if name == "flow":
                    with stage.ema.applied(stage.kept_weights):
                        self.save(finished=False)
                return False
            stage.finish()
            if name == "autoencoder":
                fit_token_scale(self.model, self.cells, self.config.train, seed=self.config.seed, ranks=self.ranks)
        self.save(finished=True)
        return True

    def _fit_start(self, stop: Callable[[], bool]) -> Generator[TrainEvent, None, bool]:
        """Fit what count space starts from, and return whether that came to its end; a resumed run begins it anew."""
        for done, total in fitted_start(self.model, self.cells, seed=self.config.seed):
            yield TrainEvent("start", done, total)
            [stopped] = self.ranks.any(stop())
            if stopped:
                return False
        return True

    def _knowledge(self, library: Library) -> Knowledge:
        """Return the knowledge that the configuration names; what a run found once it keeps."""
        kept = self.folder / KNOWLEDGE_FILE
        if kept.exists():
            return Knowledge.from_json(kept.read_text())
        model = self.config.model
        knowledge = resolve_knowledge(
            library,
            gene_sets=model.gene_sets,
            network=model.network,
            genes=self.spec.genes,
            x=self.cells.log_normalised,
            seed=self.config.seed,
            shuffled=model.shuffled,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(knowledge.to_json())
        return knowledge

    def _where(self) -> str:
        """Say in words on what the run trains."""
        config, n, name = self.config, self.ranks.size, device_name(self.fabric.device)
        where = name if n == 1 else f"{n} processes, each on {name}"
        parts = f", in {config.accumulate} parts per step" if config.accumulate > 1 else ""
        return where + parts

    def _stage(self, name: str) -> Stage:
        flow = CountStage if self.model.in_count_space else FlowStage
        kind = {"autoencoder": AutoencoderStage, "flow": flow}[name]
        fabric, config = self.fabric, self.config
        if name == "flow" and config.strategy == "fsdp" and self.ranks.size > 1:
            # The denoiser is what is large; the autoencoder, whose prior looks at weights from outside, stays whole.
            fabric = make_fabric(config.device, config.precision, ranks=self.ranks, strategy="fsdp")
        return kind(
            self.model,
            self.cells,
            config.train,
            fabric=fabric,
            seed=config.seed,
            ranks=self.ranks,
            accumulate=config.accumulate,
        )

    def _run_stage(
        self, stage: Stage, start: int, stop: Callable[[], bool], *, unlooked: bool
    ) -> Generator[TrainEvent, None, bool]:
        """Yield the events of a stage and return whether it came to its end.

        ``unlooked``: the run was left while it looked at held-out cells after the step ``start``.
        """
        train = self.config.train
        last_saved = time.monotonic()
        for done in range(start if unlooked else start + 1, stage.total_steps + 1):
            begun = time.monotonic()
            loss, rate, value = None, None, None
            if done > start:
                try:
                    loss = stage.train_step(done - 1)
                except Cancelled:  # before the optimizer: no weight knows of this step
                    self._checkpoint(stage, done - 1)
                    return False
                rate = stage.batch_size / max(time.monotonic() - begun, 1e-9)
                self.cells_seen += stage.batch_size
                if not torch.isfinite(torch.tensor(loss)):
                    raise InputError(
                        f"the loss of the {stage.name} stage is no longer a number at step {done}; "
                        "lower the learning rate and train again"
                    )
            last = done == stage.total_steps
            look_is_due = last or done % train.validate_every == 0
            with contextlib.suppress(Cancelled):
                value = stage.look() if look_is_due else None
            self.seconds += time.monotonic() - begun
            looked = stage.name == "flow" and value is not None
            if looked and self.samples is not None and (last or self.samples.are_due(self.seconds)):
                with contextlib.suppress(Cancelled), stage.ema.applied():
                    self.samples.draw(self.model, done)
            yield TrainEvent(stage.name, done, stage.total_steps, loss, value, rate)
            if look_is_due and value is None:
                self._checkpoint(stage, done, unlooked=True)
                return False
            stopped_early = bool(train.patience) and stage.looks_without_progress >= train.patience
            # All processes must take the same way, and only one of them has heard the signal or looks at this clock.
            due = self.ranks.first and time.monotonic() - last_saved >= train.checkpoint_seconds
            stopped, due = self.ranks.any(stop(), due)
            if stopped:
                self._checkpoint(stage, done)
                return False
            if stopped_early:
                yield TrainEvent(
                    stage.name,
                    done,
                    stage.total_steps,
                    message=f"Stopped early: {train.patience} looks at held-out cells without progress.",
                )
                break
            if not last and due:
                self._checkpoint(stage, done)
                last_saved = time.monotonic()
        return True

    def _hearing(self, stage: Stage, stop: Callable[[], bool]) -> contextlib.AbstractContextManager[None]:
        """Raise `Cancelled` out of what is done inside, layer by layer, once ``stop`` is true.

        Several processes that train together wait for one another, so none may leave on its own.
        """
        return stoppable(stage.plain, stop) if self.ranks.size == 1 else contextlib.nullcontext()

    # -- storage ---------------------------------------------------------------------------------------------------

    def _checkpoint(self, stage: Stage, step: int, *, unlooked: bool = False) -> None:
        tensors = {f"model.{k}": whole(t) for k, t in self.model.state_dict().items()}
        tensors |= {f"stage.{k}": t for k, t in stage.tensors().items()}
        if not self.ranks.first:
            return
        numbers = {
            "stage": stage.name,
            "step": step,
            "unlooked": unlooked,
            "numbers": stage.numbers(),
            "seconds": self.seconds,
            "cells_seen": self.cells_seen,
            "config": self.config.model_dump(mode="json"),
        }
        write_folder(self.folder / "resume", tensors, {"state.json": json.dumps(numbers, indent=1)}, name="state")

    def _saved(self) -> dict[str, Any] | None:
        with self.ranks.first_before_others():
            there = finish_replacement(self.folder / "resume")
        if not there:
            return None
        saved = read_object(self.folder / "resume" / "state.json")
        if _what_decides(saved["config"]) != _what_decides(self.config.model_dump(mode="json")):
            raise InputError("the checkpoint in this run folder is of another configuration; start a new run instead")
        self.seconds, self.cells_seen = saved["seconds"], saved["cells_seen"]
        return saved

    def _restore_model(self) -> None:
        self.model.load_state_dict(self._tensors("model"))

    def _tensors(self, part: str) -> dict[str, torch.Tensor]:
        tensors = read_tensors(self.folder / "resume" / "state.safetensors")
        return {k.removeprefix(f"{part}."): t for k, t in tensors.items() if k.startswith(f"{part}.")}

    def save(self, *, finished: bool) -> None:
        """Write the model folder: weights, what rebuilds it, and its card."""
        tensors = {name: whole(t) for name, t in self.model.state_dict().items()}
        if not self.ranks.first:
            return
        trained = {
            "finished": finished,
            "seconds": round(self.seconds, 1),
            "cells_seen": self.cells_seen,
            "device": device_name(self.fabric.device),
            "processes": self.ranks.size,
            "threads": torch.get_num_threads(),
            "peak_memory": peak_memory(),
            "peak_gpu_memory": peak_gpu_memory(self.fabric.device),
        }
        spec = self.spec.model_copy(update={"n_parameters": self.model.n_parameters, "trained": trained})
        texts = {MODEL_FILE: spec.model_dump_json(indent=1), CARD_FILE: model_card(spec)}
        if spec.knowledge:
            texts[KNOWLEDGE_FILE] = self.knowledge.to_json()
        write_folder(self.folder / "model", tensors, texts, name="model")


def train_model(
    config: RunConfig,
    dataset: Dataset,
    *,
    folder: Path,
    model_id: str,
    library: Library | None = None,
    stop: Callable[[], bool] = lambda: False,
    samples: bool = False,
) -> Generator[TrainEvent, None, bool]:
    """Train a model into ``folder / "model"``; see `Training` for resuming, stopping and samples.

    Where the configuration asks for several processes they are started here, or joined where a cluster has started
    them, and end with the training.
    """
    named = [name for name in (config.model.gene_sets, config.model.network) if name]
    if named:
        yield TrainEvent("start", 0, 0, message=f"Reading {' and '.join(named)}.")
    arguments = {
        "config": config.model_dump(mode="json"),
        "dataset": str(dataset.info.folder),
        "folder": str(folder),
        "model_id": model_id,
        "library": None if library is None else str(library.folder),
    }
    n, gpus = launch_size(config.devices), choose_device(config.device).type == "cuda"
    if n > 1:
        for batch_size in {config.train.tokenizer_batch_size, config.train.batch_size}:
            shard_batch(
                batch_size, size=n, accumulate=config.accumulate
            )  # says what is wrong before anything is started
        yield TrainEvent("start", 0, 0, message=f"Starting with {n} processes.")
    target = "genediff.training.train_worker:train_along"
    with launch(target, arguments, size=n, gpus=gpus) as ranks:
        training = Training(
            config, dataset, folder=folder, model_id=model_id, library=library, ranks=ranks, samples=samples
        )
        return (yield from training.run(stop=stop))


def _what_decides(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration what does not change the model: how many processes work on it."""
    return {key: value for key, value in config.items() if key not in SAME_MODEL}


def _titles(knowledge: Knowledge) -> dict[str, str]:
    given = {"gene_sets": knowledge.gene_sets, "network": knowledge.network}
    return {kind: item.title for kind, item in given.items() if item is not None}


def make_spec(config: RunConfig, dataset: Dataset, cells: TrainingCells, *, model_id: str) -> ModelSpec:
    """Write down what the model will be: genes and label levels in order, and where they come from."""
    columns = config.model.conditions
    known = set(dataset.info.conditions)
    if missing := [c for c in columns if c not in known]:
        listed = ", ".join(sorted(known)) or "none"
        raise InputError(f"{dataset.info.name!r} has no condition {missing[0]!r}; it was imported with: {listed}")
    levels = {column: tuple(dataset.vocabulary(column)) for column in columns}
    return ModelSpec(
        id=model_id,
        title=config.name or f"{config.preset} on {dataset.info.name}",
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        dataset_id=dataset.info.id,
        dataset_name=dataset.info.name,
        run=config,
        genes=tuple(dataset.genes),
        levels=levels,
        combinations=combinations_of(cells.train_codes, levels),
        has_counts=cells.has_counts,
        target_sum=cells.target_sum,
        versions=versions(),
    )


def combinations_of(codes: Tensor, levels: dict[str, tuple[str, ...]]) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return which levels occur together in codes (cell, column), -1 for no label, and in how many cells."""
    if not levels:
        return ()
    sizes = torch.tensor([len(names) for names in levels.values()])
    rows, counts = torch.unique(torch.where(codes == sizes, -1, codes), dim=0, return_counts=True)
    return tuple((tuple(r), int(c)) for r, c in zip(rows.tolist(), counts.tolist(), strict=True))
