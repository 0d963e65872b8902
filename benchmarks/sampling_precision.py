"""Are cells that are drawn in bfloat16 as good as those of 32 bits? Every shipped model, judged both ways.

    python -m benchmarks.sampling_precision            # the table, also into sampling_precision.md
    python -m benchmarks.sampling_precision --table    # only write the table of what is measured

Each model draws one cell for each validation cell, with the same seeds in 32 bits and in bfloat16 (the network alone;
solver, noise and counts keep 32 bits), and both are judged against the validation cells. Rounding is the same number
format on a GPU and on a CPU, so what is judged here holds for both; speed is not, and is measured by `benchmarks.gpu`.
Rows are kept in results/sampling_precision: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from genediff.distributed.device import device_name
from genediff.evaluation import evaluate
from genediff.models.load_model import load_model
from genediff.workspace import Workspace

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "sampling_precision"
METRICS = {"c2st_pcs": "C2ST (components)", "w2_debiased": "W2²", "precision": "precision", "recall": "recall"}
SEEDS = tuple(range(6))
PRECISIONS = ("fp32", "bf16")
CELLS = {"grn": 150}  # gene tokens take a hundred times as long
MOST = 300


def measure(model_id: str, place: Workspace) -> dict[str, Any]:
    """Return the figures of each seed and precision, and how many entries of the cells are the same in both."""
    model = load_model(place.model_folder(model_id), device="cpu")
    dataset = place.open_dataset(model.spec.dataset_id)
    asked = dataset.obs.loc[dataset.obs["split"] == "validation", list(model.conditions)]
    asked = asked.sample(min(len(asked), CELLS.get(model.spec.run.model.tokenizer, MOST)), random_state=0)
    found: dict[str, Any] = {"cells": len(asked), "same": [], **{precision: [] for precision in PRECISIONS}}
    for seed in SEEDS:
        drawn = {
            precision: model.generate(conditions=asked, seed=seed, precision=precision) for precision in PRECISIONS
        }
        found["same"].append(float((drawn["fp32"].X.toarray() == drawn["bf16"].X.toarray()).mean()))
        for precision, cells in drawn.items():
            report = evaluate(cells, dataset, against="validation", seeds=(seed,), baselines=())
            found[precision].append({name: report.score("model", name).mean for name in METRICS})
    return found


def row(model_id: str, found: dict[str, Any]) -> str:
    cells = [model_id, str(found["cells"]), f"{statistics.mean(found['same']):.1%}"]
    for name in METRICS:
        figures = {precision: [one[name] for one in found[precision]] for precision in PRECISIONS}
        spread = statistics.stdev(figures["fp32"])
        changes = [b - a for a, b in zip(figures["fp32"], figures["bf16"], strict=True)]
        error = statistics.stdev(changes) / len(changes) ** 0.5
        cells += [
            f"{statistics.mean(figures['fp32']):.3f} ± {spread:.3f}",
            f"{statistics.mean(changes):+.3f} ± {error:.3f}",
        ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    chosen = parser.parse_args()
    place, rows = Workspace(), []
    shipped = sorted((info.id for info in place.list_models() if info.shipped), key=lambda one: "grn" in one)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for model_id in shipped:
        kept = RESULTS / f"{model_id}.json"
        if chosen.table and not kept.exists():
            rows.append(f"| {model_id} | not measured |{' |' * (2 * len(METRICS) + 1)}")
            continue
        if chosen.again or not kept.exists():
            kept.write_text(json.dumps(measure(model_id, place), indent=1) + "\n", encoding="utf-8")
        rows.append(row(model_id, json.loads(kept.read_text(encoding="utf-8"))))
        print(rows[-1], flush=True)
    head = ["model", "cells", "entries that are the same"]
    head += [title for name in METRICS.values() for title in (f"{name}, 32 bits", "bfloat16 moves it by")]
    text = "\n".join(
        [
            "# Cells drawn in bfloat16",
            "",
            f"The shipped models on {device_name(torch.device('cpu'))}, their own sampler and steps, {len(SEEDS)} "
            "seeds. A figure in 32 bits is the mean over seeds ± one standard deviation between them; what bfloat16 "
            "moves it by is the mean of the differences seed by seed ± its standard error: one that is not twice its "
            "error is none that can be told, and among twenty one is beyond that by "
            "chance. *Entries that are the same* are those of the matrix of counts, with the "
            "same seed; where one random number falls otherwise, all later ones of a batch do.",
            "",
            f"| {' | '.join(head)} |",
            f"|{'---|' * len(head)}",
            *rows,
            "",
        ]
    )
    print(text)
    (HERE / "sampling_precision.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
