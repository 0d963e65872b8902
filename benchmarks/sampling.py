"""How many sampling steps are enough? Quality and speed of each sampler with the shipped model, in one run.

    python -m benchmarks.sampling                      # the table, also into sampling.md
    python -m benchmarks.sampling --model FOLDER --dataset ID

Cells are generated for the labels of the *validation* cells and judged against them, since a default is chosen here. An
evaluation is one call of the network for one cell; Heun makes two of them per step. Speed is that of 2,048 cells in one
call, the best of three.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from genediff.diffusion import samplers
from genediff.evaluation import evaluate
from genediff.model import GeneDiff
from genediff.training.device import device_name
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

HERE = Path(__file__).resolve().parent
CASES = (
    *(("heun", n) for n in (4, 8, 10, 16, 32)),
    ("dopri5", 1),
    *(("euler", n) for n in (8, 16, 32)),
)
GRIDS = (4, 6, 8, 10, 16)
METRICS = ("c2st_pcs", "c2st_genes", "w2_debiased", "precision", "recall")


def measure(model: GeneDiff, dataset, sampler: str, n_steps: int) -> list[str]:
    """Return one row of the table."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handle = model.denoiser.register_forward_hook(count)
    asked = dataset.obs.loc[dataset.obs["split"] == "validation", list(model.conditions)]
    reports = []
    for seed in (0, 1, 2):
        calls = 0
        cells = model.generate(conditions=asked, seed=seed, sampler=sampler, n_steps=n_steps)
        report = evaluate(cells, dataset, against="validation", seeds=(seed,), baselines=())
        reports.append([report.score("model", metric).mean for metric in METRICS])
    handle.remove()
    best = min(_seconds(model, sampler, n_steps) for _ in range(3))
    figures = torch.tensor(reports)
    shown = [f"{m:.2f} ± {s:.2f}" for m, s in zip(figures.mean(0).tolist(), figures.std(0).tolist(), strict=True)]
    return [sampler, "adaptive" if sampler == "dopri5" else str(n_steps), str(calls), *shown, f"{2048 / best:,.0f}"]


def _seconds(model: GeneDiff, sampler: str, n_steps: int) -> float:
    begun = time.perf_counter()
    model.generate(2048, seed=0, sampler=sampler, n_steps=n_steps, batch_size=2048)
    return time.perf_counter() - begun


@torch.no_grad()
def path_errors(model: GeneDiff, *, n: int = 256) -> list[str]:
    """Return a table: how far Heun's end points are from those of 128 steps, from the same noise, by grid.

    Unlike the metrics this has no noise of drawing cells in it.
    """
    start = model.objective.start
    codes = model._codes(n, None, seed=1).to(model.device)
    x_0 = torch.randn(n, model.state_size, generator=torch.Generator().manual_seed(0)).to(model.device)

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return model.objective.velocity(model.denoiser(x, t, codes), x, t)

    def end(times: torch.Tensor) -> torch.Tensor:
        *_, x = samplers.heun(velocity, x_0, (start + (1 - start) * times).to(x_0), model.objective.path)
        return x

    exact = end(torch.linspace(0, 1, 129))
    lines = ["| Heun steps | equal steps | the grid used | ratio |", "|---|---|---|---|"]
    for steps in GRIDS:
        equal, ours = (
            float((end(times) - exact).square().mean().sqrt())
            for times in (torch.linspace(0, 1, steps + 1), samplers.grid(steps))
        )
        lines.append(f"| {steps} | {equal:.3f} | {ours:.3f} | {equal / ours:.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    workspace = Workspace()
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--dataset", default=DEMO_DATASET)
    parser.add_argument("--out", type=Path, default=HERE / "sampling.md")
    args = parser.parse_args()
    model = GeneDiff.load(args.model or workspace.model_folder(DEMO_MODEL))
    dataset = workspace.open_dataset(args.dataset)
    head = [
        "sampler",
        "steps",
        "network calls",
        "C2ST PCs",
        "C2ST genes",
        "W2² debiased",
        "precision",
        "recall",
        "cells/s",
    ]
    lines = [
        f"Model {model.spec.title}, {device_name(model.device)}. Mean ± sd over three seeds, against validation cells.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    errors = [
        "Distance of the end points from those of 128 steps, from the same noise (in standard deviations):",
        "",
        *path_errors(model),
    ]
    print("\n".join(errors))
    for sampler, n_steps in CASES:
        lines.append("| " + " | ".join(measure(model, dataset, sampler, n_steps)) + " |")
        print(lines[-1], flush=True)
        args.out.write_text("\n".join(["# Sampling: quality against steps", "", *errors, "", *lines, ""]))


if __name__ == "__main__":
    main()
