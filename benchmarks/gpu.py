"""How fast models train and generate on this device: every strategy, beside the plain way and beside the roofline.

    python -m benchmarks.gpu                                # every strategy at 2,000 and 20,000 genes, into gpu.md
    python -m benchmarks.gpu --genes 2000 --rows grn mlp    # some of them
    python -m benchmarks.gpu --table                        # only write the table of what is measured

Cells are random numbers of the right shape, knowledge is random sets and edges of the right size. A case is a process
of its own, and its figures are a file in results/gpu: what is there is not measured again, so a run that was stopped
goes on where it was (`--again` measures anew). On a GPU: preset *standard*, training in bfloat16. Without one: *quick*,
32 bits.

The roofline is the time that the arithmetic of a step would take at the rate of a large matrix product, or its bytes at
the rate of a copy, whichever is longer; both rates are measured on the device first. Arithmetic is that of matrix
products and attention, counted by torch; that along edges is counted as 4 numbers per edge and channel. Bytes are the
least there must be: weights as often as a step touches them, the cells once.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.naive import plain
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.distributed.device import choose_device, device_name
from genediff.knowledge import Library, stand_in
from genediff.models.config import SpeedConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.tokenizers import TOKENIZERS
from genediff.training.autoencoder_stage import AutoencoderStage
from genediff.training.estimate import random_cells
from genediff.training.fabric import make_fabric
from genediff.training.flow_stage import FlowStage
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.models.config import RunConfig
    from genediff.training.stage import Stage

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "gpu"
GENES = (2000, 20_000)
WAYS = ("ours", "plain", "fast")
SPEEDS = {
    "32 bits": SpeedConfig(precision="fp32"),
    "bfloat16": SpeedConfig(precision="bf16"),
    "compiled": SpeedConfig(precision="fp32", compiled=True),
    "both": SpeedConfig(precision="bf16", compiled=True),
}
MOST_MEMORY = 8  # GB that a case may take on a machine without a GPU, which it shares with others
MOST_SECONDS = 1200  # of the processor, that a case may take there
MOST_WAIT = 7200.0  # seconds by the clock, anywhere
SETS, EDGES_PER_GENE, SOLVER_STEPS = 50, 5, 10
# AdamW reads weight, gradient and two moments and writes all but the gradient; the average is read and written; the
# forward and the backward read the weight, and the backward writes the gradient.
TOUCHES_PER_STEP = 7 + 2 + 3
NO_GPU = "no GPU was to be had"


def rates(device: torch.device, kind: torch.dtype) -> tuple[float, float]:
    """Return arithmetic per second of a large matrix product, and bytes per second of a copy."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))
    x = torch.empty(2**28 if device.type == "cuda" else 2**25, device=device)
    y = torch.empty_like(x)
    product, copy = best(lambda: a @ b, device), best(lambda: y.copy_(x), device)
    return 2 * n**3 / product, 2 * x.numel() * 4 / copy


def best(run: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    return min(seconds(run, device) for _ in range(repeats))


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a run: by the clock on a GPU, of the processor (all threads) without one."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begun = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begun


def configuration(strategy: str, n_genes: int, preset: str) -> tuple[RunConfig, DatasetInfo]:
    info = DatasetInfo(
        id="random",
        name="random",
        source="",
        n_cells=4096,
        n_genes=n_genes,
        n_genes_total=n_genes,
        has_counts=True,
        values="counts",
        species="human",
        label="type",
        conditions=("type",),
        batch=None,
        perturbation=None,
        control=None,
        split_sizes={},
        target_sum=1e4,
        config={},
        created="",
        content_hash="",
        notes=(),
        has_umap=False,
        shipped=False,
        folder=HERE,
    )
    run = preset_run(preset, info, strategy=strategy)
    needs = {"gene_sets": f"nmf:{SETS}", "network": f"inferred:{EDGES_PER_GENE * n_genes}"}
    wanted = {need: needs[need] for need in TOKENIZERS[strategy].needs}
    return run.model_copy(update={"model": run.model.model_copy(update=wanted)}), info


def build(run: RunConfig, info: DatasetInfo, device: torch.device) -> tuple[GenerativeModel, Any]:
    genes = tuple(f"G{i}" for i in range(info.n_genes))
    knowledge = stand_in(Library(HERE), gene_sets=run.model.gene_sets, network=run.model.network, genes=genes)
    torch.manual_seed(0)
    cells = random_cells(run, info, [10])
    spec = ModelSpec(
        id="speed",
        title="",
        created="",
        dataset_id="random",
        dataset_name="random",
        run=run,
        genes=genes,
        levels={"type": tuple(map(str, range(10)))},
        combinations=tuple(((level,), 1) for level in range(10)),
        has_counts=True,
        target_sum=cells.target_sum,
    )
    return GenerativeModel(spec, cells.statistics(), knowledge=knowledge).to(device), cells


def case(strategy: str, n_genes: int, preset: str, way: str, device: torch.device, budget: float) -> dict[str, float]:
    """Measure one strategy one way; ``budget`` are the seconds for the timed steps of each part."""
    run, info = configuration(strategy, n_genes, preset)
    # Every gene with every gene, for each cell and head, fits in memory for a few cells only.
    few = 0 if way == "ours" or strategy != "grn" else 4 if n_genes <= 5000 else 2
    if few:
        run = run.model_copy(
            update={"train": run.train.model_copy(update={"batch_size": few, "tokenizer_batch_size": few})}
        )
    fabric = make_fabric(str(device), "32-true" if way == "plain" else "auto")
    model, cells = build(run, info, device)
    found: dict[str, float] = {"parameters": model.n_parameters}
    stages = [AutoencoderStage, FlowStage] if model.in_latent_space else [FlowStage]
    per_cell = arithmetic = moved = 0.0
    for kind in stages:
        stage: Stage = kind(model, cells, run.train, fabric=fabric, seed=0)
        arithmetic += counted(stage, model) / stage.batch_size  # and warms up
        n = sum(p.numel() for p in stage.plain.parameters())
        moved += TOUCHES_PER_STEP * 4 * n / stage.batch_size + 8 * n_genes
        per_cell += timed(stage.train_step, device, budget) / stage.batch_size
        stage.finish()
        del stage
        gc.collect()
    found |= {"train": 1 / per_cell, "train_flops": arithmetic, "train_bytes": moved, "train_peak": peak_bytes(device)}
    n = few or drawn_at_once(model, device)
    codes, config = model.level_codes(n, None, seed=0), model.sample_config(n_steps=SOLVER_STEPS, sampler="heun")

    speed = SpeedConfig(precision="fp32")

    def draw(_: int) -> None:
        list(model.batches(codes, config=config, seed=0, batch_size=n, speed=speed))

    with FlopCounterMode(display=False) as counter:
        draw(0)  # and warms up
    evaluations = 2 * SOLVER_STEPS
    edges = along_edges(model) * evaluations
    found["sample_flops"] = counter.get_total_flops() / n + edges
    weights = 4 * sum(p.numel() for p in model.denoiser.parameters())
    found["sample_bytes"] = evaluations * weights / n + 4 * n_genes
    found["sample"] = n / timed(draw, device, budget)
    found["cells"] = n
    return found


def peak_bytes(device: torch.device) -> float:
    """Return the most memory so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def fast_case(strategy: str, n_genes: int, preset: str, device: torch.device, budget: float) -> dict[str, float]:
    """Measure how fast one strategy draws cells in 32 bits, in bfloat16, compiled, and both."""
    run, info = configuration(strategy, n_genes, preset)
    model, _ = build(run, info, device)
    n = drawn_at_once(model, device)
    codes, config = model.level_codes(n, None, seed=0), model.sample_config(n_steps=SOLVER_STEPS, sampler="heun")
    found: dict[str, float] = {"cells": n, "width": run.model.width}
    for name, speed in SPEEDS.items():

        def draw(_: int, speed: SpeedConfig = speed) -> None:
            list(model.batches(codes, config=config, seed=0, batch_size=n, speed=speed))

        begun = time.monotonic()
        draw(0)  # compiles, where asked
        found[f"{name}, first call"] = time.monotonic() - begun
        found[name] = n / timed(draw, device, budget)
    return found


def drawn_at_once(model: GenerativeModel, device: torch.device) -> int:
    if device.type == "cuda":
        return 1024
    return 128 if model.tokenizer.layout.n_tokens < 5000 else 8


def counted(stage: Stage, model: GenerativeModel) -> float:
    """Return the arithmetic of a training step; the backward of what torch does not count is twice its forward."""
    with FlopCounterMode(display=False) as counter:
        stage.train_step(0)
    extra = 3 * along_edges(model) * stage.batch_size if isinstance(stage, FlowStage) else 0.0
    return counter.get_total_flops() + extra


def along_edges(model: GenerativeModel) -> float:
    """Return the arithmetic of attention along edges for one cell: a product and a sum per edge and channel, twice."""
    graph = model.denoiser.backbone.graph
    config = model.spec.run.model
    return 0.0 if graph is None else 4.0 * graph.n_edges * config.width * config.depth


def timed(step: Callable[[int], object], device: torch.device, budget: float) -> float:
    """Return the median seconds of a step that has been warmed up."""
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < budget and len(taken) < 50):
        taken.append(seconds(lambda: step(1 + len(taken)), device))
        if sum(taken) > 4 * budget:
            break
    return statistics.median(taken)


def measured(
    strategy: str, n_genes: int, preset: str, way: str, device: torch.device, budget: str, *, again: bool
) -> None:
    """Measure a case in a process of its own and keep its figures, unless they are there."""
    path = result_path(strategy, n_genes, preset, way, device)
    if path.exists() and not again:
        return
    words = (strategy, str(n_genes), preset, way, str(device), budget)
    begun = time.monotonic()
    found: dict[str, Any]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu", "--case", *words],
            capture_output=True, text=True, check=False, cwd=HERE.parent, timeout=MOST_WAIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        found = {"failed": f"not done in {MOST_WAIT / 3600:.0f} hours"}
    else:
        found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"failed": why(done)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{strategy}, {n_genes:,} genes, {way}: {time.monotonic() - begun:.0f} s; {found}", flush=True)


def why(done: subprocess.CompletedProcess[str]) -> str:
    """Return in words why a case did not come to its end."""
    if done.returncode == -signal.SIGXCPU:
        return f"not done in {MOST_SECONDS // 60} minutes of the processor"
    if done.returncode == -9:
        return "killed for lack of memory"
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if re.search("can't allocate|out of memory|MemoryError|bad_alloc", last):
        return "does not fit"
    return last


def result_path(strategy: str, n_genes: int, preset: str, way: str, device: torch.device) -> Path:
    name = re.sub(r"[^A-Za-z0-9]+", "-", device_name(device) if device.type == "cuda" else device.type).strip("-")
    return RESULTS / f"{name}_{preset}_{n_genes}_{strategy}_{way}.json"


def result(strategy: str, n_genes: int, preset: str, way: str, device: torch.device) -> dict[str, Any]:
    path = result_path(strategy, n_genes, preset, way, device)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"failed": "not measured"}


def row(strategy: str, n_genes: int, preset: str, device: torch.device, peak: tuple[float, float]) -> str:
    ours, naive = (result(strategy, n_genes, preset, way, device) for way in ("ours", "plain"))
    cells = [f"{strategy}", f"{n_genes:,}"]
    if "failed" in ours:
        return f"| {' | '.join([*cells, str(ours['failed']), *[''] * (len(HEAD) - 3)])} |"
    cells.append(f"{ours['parameters'] / 1e6:.1f} M")
    for part in ("train", "sample"):
        times = (ours[f"{part}_flops"] / peak[0], ours[f"{part}_bytes"] / peak[1])
        bound = "arithmetic" if times[0] > times[1] else "bytes"
        plain_way = naive["failed"] if "failed" in naive else number(naive[part])
        ratio = "" if "failed" in naive else f"**{ours[part] / naive[part]:.1f} ×**"
        amount = f"{ours[f'{part}_flops'] / 1e6:,.0f} M / {ours[f'{part}_bytes'] / 1e3:,.0f} kB"
        cells += [number(ours[part]), plain_way, ratio, amount, f"{ours[part] * max(times):.0%} ({bound})"]
    cells.append(f"{ours['train_peak'] / 1e9:.1f} GB")
    return f"| {' | '.join(cells)} |"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:,.1f}" if value >= 1 else f"{value:,.2f}"


def fast_cases(device: torch.device, preset: str) -> list[tuple[str, int, str]]:
    """Return strategy, genes and preset of the table of faster drawing: on a CPU at 2,000 genes, some of them wider."""
    if device.type == "cuda":
        return [(strategy, n_genes, preset) for n_genes in GENES for strategy in TOKENIZERS]
    return [*((strategy, GENES[0], preset) for strategy in TOKENIZERS),
            *((strategy, GENES[0], "standard") for strategy in ("latent", "pathway", "mlp"))]  # fmt: skip


def fast_row(strategy: str, n_genes: int, preset: str, device: torch.device) -> str:
    found = result(strategy, n_genes, preset, "fast", device)
    if "failed" in found:
        return f"| {strategy} | {n_genes:,} | {preset} | {found['failed']} | | | | |"
    usual = found["32 bits"]
    faster = [f"{number(found[name])} ({found[name] / usual:.2f} ×)" for name in SPEEDS if name != "32 bits"]
    first = f"{found['compiled, first call']:.0f} s"
    cells = [strategy, f"{n_genes:,}", f"{found['width']:.0f} ({preset})", number(usual), *faster, first]
    return f"| {' | '.join(cells)} |"


HEAD = ["strategy", "genes", "parameters"]
for _part in ("training", "sampling"):
    HEAD += [f"{_part}, cells/s", "plain way", "ratio", "arithmetic / bytes per cell", "of the roofline"]
HEAD.append("peak memory of training")


def kept_rates(device: torch.device, kind: torch.dtype, preset: str, *, again: bool) -> tuple[float, float]:
    """Return the two rates of the roofline, measured when the table was begun."""
    path = result_path("device", 0, preset, "rates", device)
    if again or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rates(device, kind)) + "\n", encoding="utf-8")
    product, copy = json.loads(path.read_text(encoding="utf-8"))
    return product, copy


def intro(device: torch.device, kind: torch.dtype, preset: str, peak: tuple[float, float]) -> str:
    on_gpu = device.type == "cuda"
    where = (
        f"**{device_name(device)}**" if on_gpu else f"**{device_name(device)}; {NO_GPU}, so nothing here is of one**"
    )
    text = (
        f"{where}; torch {torch.__version__}, preset *{preset}*, {str(kind).removeprefix('torch.')}. A matrix product "
        f"reaches {peak[0] / 1e12:.2f} TFLOP/s, a copy {peak[1] / 1e9:.0f} GB/s: the roofline. Training is one pass of "
        f"a cell through all stages; sampling is {SOLVER_STEPS} steps of Heun and the drawing of counts. {SETS} random "
        f"sets, {EDGES_PER_GENE} random edges per gene. The plain way writes attention out (masked, along a network), "
        "has a layer per set, 32 bits and AdamW in a loop; for gene tokens it takes 2 to 4 cells at once, since more "
        "do not fit."
    )
    if on_gpu:
        return text
    return (
        f"{text} Seconds are those of the processor, all threads together, since neighbours on this machine (two to "
        "eight busy processes) stretch the clock; they also take caches and memory bandwidth, so a ratio below about "
        f"1.5 says little and a single figure nothing. A case may take {MOST_MEMORY} GB: what does not fit, says so, "
        f"and so does what takes longer than {MOST_SECONDS // 60} minutes of the processor."
    )


def has_bf16() -> bool:
    try:
        return bool(re.search("avx512_bf16|amx_bf16", Path("/proc/cpuinfo").read_text(encoding="utf-8")))
    except OSError:
        return False


def write_table(device: torch.device, kind: torch.dtype, preset: str, peak: tuple[float, float]) -> None:
    lines = ["# Speed on one device", "", intro(device, kind, preset, peak), ""]
    lines += [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    lines += [row(strategy, n_genes, preset, device, peak) for n_genes in GENES for strategy in TOKENIZERS]
    lines += [
        "",
        "## Drawing faster",
        "",
        "Sampling, cells/s, with the network in 32 bits; in bfloat16; compiled by torch (on a GPU into CUDA graphs); "
        "and both. In brackets: against 32 bits. What bfloat16 does to the cells is in "
        "[sampling_precision.md](sampling_precision.md)."
        + (
            ""
            if device.type == "cuda"
            else f" This processor {'has' if has_bf16() else 'lacks'} AVX512-BF16 or AMX, "
            "without which bfloat16 is no faster on a CPU."
        ),
        "",
        "| strategy | genes | width (preset) | 32 bits | bfloat16 | compiled | both | first compiled call |",
        f"|{'---|' * 8}",
        *(fast_row(*one, device) for one in fast_cases(device, preset)),
    ]
    text = "\n".join([*lines, ""])
    print(text)
    (HERE / "gpu.md").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, nargs="+", default=list(GENES))
    parser.add_argument("--rows", nargs="+", choices=TOKENIZERS, default=list(TOKENIZERS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--preset")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", default="2", help="for the timed steps of each part")
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--case", nargs=6, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(one_case(*chosen.case)))
        return
    device = choose_device(chosen.device)
    on_gpu = device.type == "cuda"
    preset = chosen.preset or ("standard" if on_gpu else "quick")
    kind = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    peak = kept_rates(device, kind, preset, again=chosen.again)
    if not chosen.table:
        for n_genes in chosen.genes:
            for strategy in chosen.rows:
                for way in [way for way in chosen.ways if way != "fast"]:
                    measured(strategy, n_genes, preset, way, device, chosen.seconds, again=chosen.again)
        for strategy, n_genes, which in fast_cases(device, preset) if "fast" in chosen.ways else ():
            if strategy in chosen.rows and n_genes in chosen.genes:
                measured(strategy, n_genes, which, "fast", device, chosen.seconds, again=chosen.again)
    write_table(device, kind, preset, peak)


def one_case(strategy: str, n_genes: str, preset: str, way: str, device: str, budget: str) -> dict[str, float]:
    if device == "cpu" and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY * 10**9, MOST_MEMORY * 10**9))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 60))
    if way == "fast":
        return fast_case(strategy, int(n_genes), preset, torch.device(device), float(budget))
    with plain() if way == "plain" else contextlib.nullcontext():
        return case(strategy, int(n_genes), preset, way, torch.device(device), float(budget))


if __name__ == "__main__":
    main()
