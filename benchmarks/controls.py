"""Does the biology matter? Pathway and GRN tokens on planted knowledge, and on the same knowledge shuffled.

    python -m benchmarks.controls [--seeds 0 1 2 3 4] [--cells 2000] [--cases grn-counts]

Cells are simulated from a known network and known pathways. Each strategy is trained twice with everything alike but
the knowledge: once the planted sets or network, once shuffled (same set sizes and sets per gene; same in- and
out-degrees). Everything is measured on cells that were not trained on, in count space on the very same molecules.
Writes ``benchmarks/results/controls/`` and ``benchmarks/controls.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import scipy.stats

from genediff.core.stats import false_discovery_rates
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_gene_sets, planted_network
from genediff.data.simulation.simulate import simulate
from genediff.evaluation import evaluate
from genediff.evaluation.held_out_nats import held_out_nats
from genediff.knowledge import Library
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from anndata import AnnData

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "controls"
CASES = {
    "grn-counts": ("GRN tokens, count space", "grn", "counts", {"steps": 600}),
    "pathway-counts": ("pathway tokens, count space", "pathway", "counts", {"steps": 600}),
    "pathway-latent": (
        "pathway tokens, latent space", "pathway", "latent", {"tokenizer_steps": 1000, "steps": 800, "batch_size": 64}
    ),
}  # fmt: skip
DEPTHS = (30, 100, 300)
METRICS = {
    **{f"nats_{depth}": f"held-out surprise after {depth} molecules (1/1,000 nat per molecule)" for depth in DEPTHS},
    "autoencoder": "held-out bound (nats per cell)",
    "correlation_error": "gene–gene correlation error",
    "c2st_genes": "C2ST genes",
    "w2_debiased": "W2² debiased",
}
HEAD = """# Planted knowledge against its shuffled control

Written by `python -m benchmarks.controls`. Simulated cells with a known network and known pathways; the control has
the same set sizes and sets per gene, or the same in- and out-degrees. All figures are of held-out cells; lower is
better in each (C2ST: .5 is best). Difference: planted less shuffled, paired over seeds; ±: standard deviation over
seeds; FDR: of paired t-tests, Benjamini and Hochberg's over all figures of the page. "wins": in how many seeds the
planted knowledge was better.

"""


def measure(case: str, seed: int, n_cells: int, *, shuffled: bool) -> dict[str, float]:
    """Train once and return what held-out cells say."""
    _, strategy, space, options = CASES[case]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cells = simulate(n_cells=n_cells, seed=seed)
        cells.write_h5ad(folder / "cells.h5ad")
        workspace = Workspace(folder / "home")
        choices = {"name": "simulated", "label": "cell_type", "n_genes": cells.n_vars, "umap": False, "seed": seed}
        dataset = import_cells(folder / "cells.h5ad", ImportConfig.parse(choices), workspace.datasets)
        library = Library(workspace.knowledge)
        knowledge = planted_knowledge(cells, library, shuffled=shuffled)
        run = preset_run("quick", dataset.info, strategy=strategy, space=space, seed=seed)
        run = run.model_copy(
            update={
                "model": run.model.model_copy(update=knowledge),
                "train": run.train.model_copy(update={"validate_every": 100_000, **options}),
            }
        )
        last: dict[str, float] = {}
        for event in Training(run, dataset, folder=folder / "run", model_id="m", library=library).run():
            if event.validation is not None:
                last[event.stage] = event.validation
        model = load_model(folder / "run" / "model")
        nats = {}
        if model.in_count_space:
            found = held_out_nats(model, dataset, depths=DEPTHS)
            nats = {f"nats_{row.depth}": 1000 * row.model for row in found.rows}
        asked = dataset.obs.loc[dataset.obs["split"] == "test", list(model.conditions)]
        report = evaluate(model.generate(conditions=asked, seed=seed), dataset, seeds=(seed,), baselines=())
        scores = {m: report.score("model", m) for m in METRICS}
        return last | nats | {m: s.mean for m, s in scores.items() if s is not None}


def planted_knowledge(cells: AnnData, library: Library, *, shuffled: bool) -> dict[str, Any]:
    """Add what simulated cells were drawn from to a library, and return the options of a model that is built on it."""
    return {
        "gene_sets": library.add_gene_sets(planted_gene_sets(cells)),
        "network": library.add_network(planted_network(cells)),
        "shuffled": shuffled,
    }


def table() -> str:
    """Return the Markdown table of all results that are there."""
    rows, p_values = [], []
    for case, (title, *_) in CASES.items():
        found = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{case}-*.json"))]
        for metric, words in METRICS.items():
            pairs = np.array(
                [[one[k][metric] for k in ("planted", "shuffled")] for one in found if metric in one["planted"]]
            )
            if len(pairs) < 2:
                continue
            gap = pairs[:, 0] - pairs[:, 1]
            shown = [f"{v.mean():.3f} ± {v.std(ddof=1):.3f}" for v in (*pairs.T, gap)]
            rows.append(f"| {title} | {words} | " + " | ".join(shown) + f" | {{p}} | {(gap < 0).sum()} of {len(gap)} |")
            p_values.append(float(scipy.stats.ttest_1samp(gap, 0).pvalue))
    rates = false_discovery_rates(np.array(p_values))
    lines = [row.format(p=f"{rate:.3g}") for row, rate in zip(rows, rates, strict=True)]
    head = ["| strategy | figure | planted | shuffled | difference | FDR | wins |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *lines]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--cells", type=int, default=2000)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    args = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for case in args.cases:
        for seed in args.seeds:
            kinds = {"planted": False, "shuffled": True}
            found = {name: measure(case, seed, args.cells, shuffled=shuffled) for name, shuffled in kinds.items()}
            print(case, seed, found, flush=True)
            (RESULTS / f"{case}-{seed}.json").write_text(json.dumps(found, indent=1) + "\n")
            PAGE.write_text(HEAD + table())


if __name__ == "__main__":
    main()
