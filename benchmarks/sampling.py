"""How many sampling steps are enough? Quality and speed of each sampler with the shipped model, in one run.

    python -m benchmarks.sampling                      # the table, also into sampling.md
    python -m benchmarks.sampling --model FOLDER --dataset ID

Cells are generated for the labels of the *validation* cells and judged against them, since a default is chosen here. An
evaluation is one call of the network for one cell; Heun makes two of them per step. Speed is that of 512 cells in one
call, the best of three, and beside it the same of 10 Heun steps taken just before: on a busy machine the ratio is what
to read. Each row is kept in benchmarks/results/sampling, and what is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import TYPE_CHECKING

import torch

from genediff.diffusion import samplers
from genediff.distributed.device import device_name
from genediff.evaluation import evaluate
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

HERE = Path(__file__).resolve().parent
CASES = (
    *(("heun", n) for n in (4, 8, 10, 16, 32)),
    ("dopri5", 1),
    *(("euler", n) for n in (8, 16, 32)),
)
GRIDS = (4, 6, 8, 10, 16)
YARDSTICK = ("heun", 10)
CELLS = 512
CLOSING = (
    "The default is 10 Heun steps. There the path error has fallen to a hundredth of a standard deviation; more Heun",
    "steps and the adaptive solver, at up to six times the cost, do not show in the figures beyond their spread over",
    "seeds. Euler with 8 to 16 steps, at less than half to four fifths of the calls, does not show either: choose it",
    "where speed counts. It is not the default, since what it gets wrong has a direction: it narrows (for normal data",
    "of half the noise's width, where the end is known, 16 steps lose a tenth of the standard deviation and 10 Heun",
    "steps gain a hundredth), which here happens to undo that this model's cells are a little too wide.",
)
METRICS = ("c2st_pcs", "c2st_genes", "w2_debiased", "precision", "recall")


def measure(model: GenerativeModel, dataset, sampler: str, n_steps: int) -> dict[str, object]:
    """Return the figures of one row."""
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
    pairs = [(_seconds(model, *YARDSTICK), _seconds(model, sampler, n_steps)) for _ in range(3)]
    usual, own = (min(seconds) for seconds in zip(*pairs, strict=True))
    return {
        "sampler": sampler,
        "steps": "adaptive" if sampler == "dopri5" else n_steps,
        "calls": calls,
        "scores": reports,
        "cells_per_second": CELLS / own,
        "of_default": usual / own,
    }


def shown(row: dict) -> str:
    """Return a row of the table."""
    figures = torch.tensor(row["scores"])  # (seed, metric)
    scores = [f"{m:.2f} ± {s:.2f}" for m, s in zip(figures.mean(0).tolist(), figures.std(0).tolist(), strict=True)]
    speed = [f"{row['cells_per_second']:,.0f}", f"{row['of_default']:.2f}"]
    return "| " + " | ".join([row["sampler"], str(row["steps"]), str(row["calls"]), *scores, *speed]) + " |"


def _seconds(model: GenerativeModel, sampler: str, n_steps: int) -> float:
    begun = time.perf_counter()
    model.generate(CELLS, seed=0, sampler=sampler, n_steps=n_steps, batch_size=CELLS)
    return time.perf_counter() - begun


@torch.no_grad()
def path_errors(model: GenerativeModel, *, n: int = 256) -> list[str]:
    """Return a table: how far Heun's end points are from those of 128 steps, from the same noise, by grid.

    Unlike the metrics this has no noise of drawing cells in it.
    """
    start = model.objective.start
    codes = model.level_codes(n, None, seed=1).to(model.device)
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
    parser.add_argument("--results", type=Path, default=HERE / "results" / "sampling")
    args = parser.parse_args()
    model = load_model(args.model or workspace.model_folder(DEMO_MODEL))
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
        "speed / default",
    ]
    lines = [
        f"Model {model.spec.title}, {device_name(model.device)}. Mean ± sd over three seeds, against validation cells. "
        "The network is called once per step by Euler, twice by Heun; the adaptive solver (dopri5, tolerance 1e-4) "
        "calls it as often as it must. The last column compares with 10 Heun steps measured just before.",
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
    args.results.mkdir(parents=True, exist_ok=True)
    for sampler, n_steps in CASES:
        path = args.results / f"{sampler}_{n_steps}.json"
        if not path.exists():
            path.write_text(json.dumps(measure(model, dataset, sampler, n_steps)))
        lines.append(shown(json.loads(path.read_text())))
        print(lines[-1], flush=True)
    args.out.write_text("\n".join(["# Sampling: quality against steps", "", *errors, "", *lines, "", *CLOSING, ""]))


if __name__ == "__main__":
    main()
