"""A stage of training: a module, its optimizer, and how to get the loss of step k."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from genediff.distributed import ALONE
from genediff.training.ema import EMA, copy_weights, trained
from genediff.training.rng_shards import shard_batch
from genediff.training.sharding import spread, whole

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from genediff.distributed import Ranks
    from genediff.training.rng_shards import Shard


class Stage(ABC):
    """One thing that is trained. Subclasses say what the loss is; this class owns weights and their history.

    Where several processes train together, each takes its parts of every batch; gradients and losses are those of the
    whole batch, whatever the number of processes and parts.
    """

    name: str

    def __init__(
        self,
        module: nn.Module,
        *,
        fabric: Fabric,
        total_steps: int,
        batch_size: int,
        learning_rate: float,
        weight_decay: float,
        warmup: int,
        clip: float,
        ema: float,
        patience: int,
        fast: dict[str, float],
        seed: int,
        ranks: Ranks = ALONE,
        accumulate: int = 1,
    ) -> None:
        self.ranks = ranks
        self.parts = shard_batch(batch_size, rank=ranks.rank, size=ranks.size, accumulate=accumulate)
        self.fabric, self.total_steps, self.batch_size = fabric, total_steps, batch_size
        self.warmup, self.clip, self.patience, self.seed = warmup, clip, patience, seed
        module.to(fabric.device)
        self.plain = module
        self.module = fabric.setup_module(module)
        groups = _groups(module, learning_rate=learning_rate, weight_decay=weight_decay, fast=fast)
        # One fused kernel for all weights: twice as fast as the loop on a CPU.
        fused = fabric.device.type in ("cpu", "cuda")
        inner = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99), fused=fused)
        self.rates = [group["lr"] for group in inner.param_groups]
        optimizer: Any = fabric.setup_optimizers(inner)
        self.optimizer = optimizer
        self.ema = EMA(module, ema)
        self.best: dict[str, Tensor] | None = None
        self.best_validation = math.inf
        self.looks_without_progress = 0

    @abstractmethod
    def loss(self, step: int, part: Shard) -> Tensor:
        """Return the mean training loss over a part of the batch of a step (counted from 0)."""

    @abstractmethod
    def validation_loss(self) -> float:
        """Return the loss on held-out cells, with noise that is the same at every look and in every process."""

    def train_step(self, step: int) -> float:
        """Take one step and return its loss, the same in every process."""
        scale = self._schedule(step)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * scale
        self.optimizer.zero_grad()
        total = 0.0
        for part in self.parts:
            # Processes talk once, after their last part.
            with self.fabric.no_backward_sync(self.module, enabled=self.ranks.size > 1 and part is not self.parts[-1]):
                loss = self.loss(step, part) * part.share
                # Gradients are averaged over processes, and each has a share of the sum.
                self.fabric.backward(loss * self.ranks.size)
            total += float(loss.detach())
        # A step without finite gradients would ruin all weights for good; it is an error, not something to skip.
        self.fabric.clip_gradients(self.module, self.optimizer, max_norm=self.clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.ema.update(step + 1)
        return self.ranks.total(total)

    def look(self) -> float:
        """Measure the averaged weights on held-out cells and remember the best."""
        with self.ema.applied(), torch.no_grad():
            value = self.validation_loss()
        if value < self.best_validation:
            self.best_validation, self.looks_without_progress = value, 0
            self.best = {name: t.clone() for name, t in self.ema.average.items()}
        else:
            self.looks_without_progress += 1
        return value

    def finish(self) -> None:
        """Leave the module with the weights that a model is kept with."""
        copy_weights(self.plain, self.kept_weights)

    @property
    def kept_weights(self) -> dict[str, Tensor]:
        """The averaged weights that a model is kept with: the best seen where training may stop early, else the last.

        The best likelihood of held-out cells is not the best generator: an autoencoder goes on to fit its dispersions
        long after its bound is at its lowest (measured in benchmarks/generation.md).
        """
        return self.best if self.patience > 0 and self.best is not None else self.ema.average

    def _schedule(self, step: int) -> float:
        """Linear warm-up, then a cosine to a hundredth of the peak."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.total_steps - self.warmup)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    # -- storage: everything that the next step depends on ---------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Return averages, best weights and the optimizer's memory, by name; the weights are saved with the model."""
        out = {f"ema.{k}": whole(t) for k, t in self.ema.average.items()}
        out |= {f"best.{k}": whole(t) for k, t in (self.best or {}).items()}
        for number, memory in self.optimizer.state_dict()["state"].items():
            out |= {f"optimizer.{number}.{k}": whole(torch.as_tensor(v)) for k, v in memory.items()}
        return out

    def numbers(self) -> dict[str, Any]:
        """Return the plain values of the stage's state."""
        best = None if math.isinf(self.best_validation) else self.best_validation
        return {"best_validation": best, "looks_without_progress": self.looks_without_progress}

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Put back what ``tensors`` and ``numbers`` gave."""
        parts: dict[str, dict[str, Tensor]] = {"ema": {}, "best": {}, "optimizer": {}}
        weights = dict(trained(self.plain))
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            parts[kind][name] = tensor if kind == "optimizer" else spread(tensor.to(self.fabric.device), weights[name])
        self.ema.average = parts["ema"]
        self.best = parts["best"] or None
        memory: dict[int, dict[str, Tensor]] = {}
        ordered = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, tensor in parts["optimizer"].items():
            number, _, name = key.partition(".")
            moment = tensor if tensor.ndim == 0 else spread(tensor.to(self.fabric.device), ordered[int(number)])
            memory.setdefault(int(number), {})[name] = moment
        state = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": memory, "param_groups": state["param_groups"]})
        best = numbers["best_validation"]
        self.best_validation = math.inf if best is None else best
        self.looks_without_progress = numbers["looks_without_progress"]


def _groups(
    module: nn.Module, *, learning_rate: float, weight_decay: float, fast: dict[str, float]
) -> list[dict[str, Any]]:
    """Split parameters: matrices decay, vectors do not, and those in ``fast`` have their own learning rate."""
    decayed, plain = [], []
    groups: list[dict[str, Any]] = []
    for name, p in trained(module):
        if name in fast:
            groups.append({"params": [p], "lr": fast[name], "weight_decay": 0.0})
        elif p.ndim >= 2:
            decayed.append(p)
        else:
            plain.append(p)
    groups.append({"params": decayed, "lr": learning_rate, "weight_decay": weight_decay})
    groups.append({"params": plain, "lr": learning_rate, "weight_decay": 0.0})
    return [g for g in groups if g["params"]]
