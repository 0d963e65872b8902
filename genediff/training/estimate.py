"""Parameters, memory and time of a run, before it starts: by building it and timing a few steps of each stage."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.models.count_denoiser import CountDenoiser
from genediff.models.count_mixture import CLUSTER_SIZES, MOST_FITTED, N_QUANTILES, CountMixture
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.training.autoencoder_stage import AutoencoderStage
from genediff.training.count_stage import COARSE, CountStage
from genediff.training.fabric import make_fabric
from genediff.training.fit_recalibration import fit_recalibration
from genediff.training.flow_stage import FlowStage
from genediff.training.rng_shards import shard_batch
from genediff.training.training_cells import TrainingCells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data.cells.dataset import DatasetInfo
    from genediff.knowledge import Knowledge
    from genediff.models.config import RunConfig, TrainConfig
    from genediff.training.stage import Stage


# Steps that may take longer than this (seconds) are timed with so many cells and not whole.
LONG_STEP = 1.0
SMALL_BATCHES = (8, 32)
MOST_STEPS, MOST_START_STEPS = 7, 3


@dataclass(frozen=True)
class Estimate:
    """What a run will need; its time is measured on this machine as busy as it is now.

    ``memory_bytes`` is that of each of the ``processes``. ``step_seconds`` are those of one step of the autoencoder (0
    where there is none) and of the flow, by one process; ``start_seconds`` what fitting the start of count space takes.
    With ``may_stop`` training ends before all steps are taken where held-out cells no longer improve.
    """

    n_parameters: int
    memory_bytes: int
    seconds: float
    step_seconds: tuple[float, float] = (0.0, 0.0)
    start_seconds: float = 0.0
    may_stop: bool = False
    processes: int = 1
    on_gpu: bool = False


def estimate(
    config: RunConfig,
    info: DatasetInfo,
    *,
    genes: Sequence[str] = (),
    knowledge: Knowledge | None = None,
    levels: dict[str, int] | None = None,
    processes: int = 1,
) -> Estimate:
    """Estimate a run from its configuration, the size of its data set and what it knows of its genes.

    Parameters
    ----------
    genes
        Of the data set; names are made up where there are none, which is enough without knowledge.
    knowledge
        Gene sets or a network over these genes, or stand-ins of the right size (`stand_in`).
    levels
        Number of levels of each condition; 10 where unknown (it hardly matters).
    processes
        That share each batch. On GPUs they share the time as well; on a CPU they share its cores, which saves none.

    Raises
    ------
    InputError
        When the model cannot be built, for instance because its knowledge is missing or about other genes, or a batch
        is too small for the processes and its parts.
    """
    train, accumulate = config.train, config.accumulate
    rows = max(
        part.rows.stop - part.rows.start
        for batch_size in (train.tokenizer_batch_size, train.batch_size)
        for part in shard_batch(batch_size, size=processes, accumulate=accumulate)
    )
    n_levels = [(levels or {}).get(column, 10) for column in config.model.conditions]
    cells = random_cells(config, info, n_levels)
    spec = ModelSpec(
        id="estimate",
        title="",
        created="",
        dataset_id=info.id,
        dataset_name=info.name,
        run=config,
        genes=tuple(genes) or tuple(f"g{i}" for i in range(info.n_genes)),
        levels={c: tuple(map(str, range(n))) for c, n in zip(config.model.conditions, n_levels, strict=True)},
        combinations=(),
        has_counts=info.has_counts,
        target_sum=cells.target_sum,
    )
    model = GenerativeModel(spec, cells.statistics(), knowledge=knowledge)
    fabric = make_fabric(config.device, config.precision)
    on_gpu = fabric.device.type == "cuda"

    def make(kind: Callable[..., Stage]) -> Callable[[TrainConfig, int], Stage]:
        return lambda changed, parts: kind(model, cells, changed, fabric=fabric, seed=0, accumulate=parts)

    first = 0.0
    if model.in_latent_space:
        first = _step_seconds(make(AutoencoderStage), train, train.tokenizer_batch_size, accumulate)
    stage = CountStage if model.in_count_space else FlowStage
    start = _start_seconds(model, cells, info.n_cells) if model.in_count_space else 0.0
    flow = _step_seconds(make(stage), train, train.batch_size, accumulate)
    seconds = train.tokenizer_steps * first + train.steps * flow
    n = model.n_parameters
    # Weights, gradients, two AdamW moments, the average, the best: six copies, of which fsdp deals out the denoiser's;
    # then activations of one part of a batch, and the data.
    shared = sum(p.numel() for p in model.denoiser.parameters()) if config.strategy == "fsdp" else 0
    weights = n - shared + shared / processes
    data = 8 * info.n_genes * info.n_cells // 10
    return Estimate(
        n_parameters=n,
        memory_bytes=int(6 * 4 * weights + 4 * _activations(config, model) * rows + data + 600e6),
        seconds=start + (seconds / processes if on_gpu else seconds),
        step_seconds=(first, flow),
        start_seconds=start,
        may_stop=train.patience > 0,
        processes=processes,
        on_gpu=on_gpu,
    )


def _start_seconds(model: GenerativeModel, cells: TrainingCells, n_cells: int) -> float:
    """Time a few steps of fitting what count space starts from, on mixtures as large as those that may be chosen.

    The clustering before is not counted. The model then has such a start, so that its training steps take their time.
    """
    denoiser, seconds = model.denoiser, 0.0
    assert isinstance(denoiser, CountDenoiser)
    most = MOST_FITTED * len(cells.train_codes.unique(dim=0)) if model.null.numel() else MOST_FITTED
    for size in (COARSE[-1], CLUSTER_SIZES[-1]):
        denoiser.start = _mixture_of(max(1, min(n_cells, most) // size), model, cells)
        steps = fit_recalibration(denoiser, cells, np.arange(cells.n_train), seed=0)
        next(steps)
        begun = time.perf_counter()
        for _, total in itertools.islice(steps, MOST_START_STEPS):
            seconds += (time.perf_counter() - begun) / MOST_START_STEPS * total
            begun = time.perf_counter()
        steps.close()
    return seconds


def _mixture_of(n: int, model: GenerativeModel, cells: TrainingCells) -> CountMixture:
    """Return a mixture of n components that all expect the same, in the conditions of some cells."""
    mixture = CountMixture(model.null.tolist(), len(model.genes))
    mixture.log_mean = torch.full((n, len(model.genes)), -math.log(len(model.genes)))
    mixture.theta, mixture.weight = torch.ones_like(mixture.log_mean), torch.ones(n)
    mixture.codes = cells.train_codes[torch.arange(n) % cells.n_train]
    mixture.library = torch.zeros(n, N_QUANTILES)
    return mixture


def _step_seconds(make: Callable[[TrainConfig, int], Stage], train: TrainConfig, size: int, accumulate: int) -> float:
    """Time a step of a whole batch; where that would take long, extend the line through two small ones."""

    def seconds(cells: int) -> float:
        changed = train.model_copy(update={"batch_size": cells, "tokenizer_batch_size": cells})
        return _seconds(make(changed, accumulate if cells == size else 1))

    few, some = SMALL_BATCHES
    if size <= some:
        return seconds(size)
    at_few = seconds(few)
    if at_few * size / few <= LONG_STEP:
        return seconds(size)
    at_some = seconds(some)
    return at_some + max(at_some - at_few, 0.0) / (some - few) * (size - some)


def _seconds(stage: Stage) -> float:
    """Return the median of a few steps after a first one: another program's moment should not count."""
    stage.train_step(0)
    taken: list[float] = []
    while len(taken) < MOST_STEPS and sum(taken) < LONG_STEP / 2:
        begun = time.perf_counter()
        stage.train_step(1 + len(taken))
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _activations(config: RunConfig, model: GenerativeModel) -> float:
    """Numbers kept for the backward pass per cell: about 16 widths per token and block, and the genes a few times.

    Attention along edges keeps a weight per edge, head and block.
    """
    layout, shape = model.tokenizer.layout, config.model
    tokens = model.denoiser.backbone.n_places
    tokens += tokens > 1  # the library size
    weights = 0 if layout.edges is None else 2.0 * (layout.edges.shape[1] + tokens) * shape.heads * shape.depth
    return 16.0 * tokens * shape.width * shape.depth + weights + 8.0 * len(model.genes)


def random_cells(config: RunConfig, info: DatasetInfo, n_levels: list[int]) -> TrainingCells:
    """Return a few random cells of the right shape, enough for one batch."""
    from scipy import sparse

    n = max(config.train.batch_size, config.train.tokenizer_batch_size, 8)
    matrix = sparse.csr_matrix(sparse.random(n, info.n_genes, density=0.1, dtype=np.float32, random_state=0))
    matrix.data = np.ceil(matrix.data * 5)
    codes = (
        torch.stack([torch.randint(k, (n,)) for k in n_levels], 1) if n_levels else torch.empty(n, 0, dtype=torch.long)
    )
    return TrainingCells(matrix, matrix[:8], codes, codes[:8], info.has_counts, float(info.target_sum or 1.0))
