"""Does the biology matter? Pathway and GRN tokens on planted knowledge, and on the same knowledge shuffled.

    python -m benchmarks.controls [--seeds 0 1 2] [--cells 2000]

Cells are simulated from a known network and known pathways. Each strategy is trained twice with everything alike but
the knowledge: once the planted sets or network, once shuffled (same set sizes and sets per gene; same in- and
out-degrees). Everything is measured on cells that were not trained on. Writes ``benchmarks/controls.md``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_gene_sets, planted_network
from genediff.data.simulation.simulate import simulate
from genediff.evaluation import evaluate
from genediff.knowledge import Library
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

PAGE = Path(__file__).with_suffix(".md")
CASES = {
    "pathway": {"tokenizer_steps": 1000, "steps": 800, "batch_size": 64},
    "grn": {"steps": 1200, "batch_size": 32},
}
METRICS = {
    "autoencoder": "held-out bound (nats per cell)",
    "flow": "held-out flow loss",
    "correlation_error": "gene–gene correlation error",
    "c2st_genes": "C2ST genes",
    "w2_debiased": "W2² debiased",
}
HEAD = """# Planted knowledge against its shuffled control

Written by `python -m benchmarks.controls`. Simulated cells with a known network and known pathways; the control has
the same set sizes and sets per gene, or the same in- and out-degrees. All figures are of held-out cells; lower is
better in each (C2ST: .5 is best). The flow loss of pathway tokens is not comparable between rows: each has a latent
space of its own. "wins": in how many seeds the planted knowledge was better.

"""


def measure(strategy: str, seed: int, n_cells: int, *, shuffled: bool) -> dict[str, float]:
    """Train once and return what held-out cells say."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cells = simulate(n_cells=n_cells, seed=seed)
        cells.write_h5ad(folder / "cells.h5ad")
        workspace = Workspace(folder / "home")
        choices = {"name": "simulated", "label": "cell_type", "n_genes": cells.n_vars, "umap": False, "seed": seed}
        dataset = import_cells(folder / "cells.h5ad", ImportConfig.parse(choices), workspace.datasets)
        library = Library(workspace.knowledge)
        knowledge = {
            "gene_sets": library.add_gene_sets(planted_gene_sets(cells)),
            "network": library.add_network(planted_network(cells)),
            "shuffled": shuffled,
        }
        run = preset_run("quick", dataset.info, strategy=strategy, seed=seed)
        run = run.model_copy(
            update={
                "model": run.model.model_copy(update=knowledge),
                "train": run.train.model_copy(update={"validate_every": 100_000, **CASES[strategy]}),
            }
        )
        last: dict[str, float] = {}
        for event in Training(run, dataset, folder=folder / "run", model_id="m", library=library).run():
            if event.validation is not None:
                last[event.stage] = event.validation
        model = load_model(folder / "run" / "model")
        asked = dataset.obs.loc[dataset.obs["split"] == "test", list(model.conditions)]
        report = evaluate(model.generate(conditions=asked, seed=seed), dataset, seeds=(seed,), baselines=())
        scores = {m: report.score("model", m) for m in METRICS}
        return last | {m: s.mean for m, s in scores.items() if s is not None}


def table(results: dict[tuple[str, bool], list[dict[str, float]]]) -> str:
    """Return the Markdown table: mean ± standard deviation over seeds, and how often the planted knowledge won."""
    lines = ["| strategy | figure | planted | shuffled | difference | wins |", "|---|---|---|---|---|---|"]
    for strategy in CASES:
        planted, control = results[strategy, False], results[strategy, True]
        for metric, title in METRICS.items():
            ours, theirs = (np.array([r[metric] for r in rows if metric in r]) for rows in (planted, control))
            if not len(ours):
                continue
            gap = ours - theirs
            shown = [f"{v.mean():.3f} ± {v.std(ddof=1) if len(v) > 1 else 0:.3f}" for v in (ours, theirs, gap)]
            lines.append(f"| {strategy} | {title} | " + " | ".join(shown) + f" | {(gap < 0).sum()} of {len(gap)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--cells", type=int, default=2000)
    args = parser.parse_args()
    results: dict[tuple[str, bool], list[dict[str, float]]] = {}
    for strategy in CASES:
        for seed in args.seeds:
            for shuffled in (False, True):
                found = measure(strategy, seed, args.cells, shuffled=shuffled)
                print(strategy, seed, "shuffled" if shuffled else "planted", found, flush=True)
                results.setdefault((strategy, shuffled), []).append(found)
    page = HEAD + table(results)
    print(page)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
