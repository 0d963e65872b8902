"""Do tokens that know biology help where cells are few? Planted knowledge, its shuffled control and the flat vector.

    python -m benchmarks.limited_data [--seeds 0 1 2] [--sizes 100 300 1000] [--rows mlp pathway …]

Cells are simulated from a known network and known pathways. Each strategy is trained in count space with its *quick*
preset on so many cells (a quarter of that number for validation, which decide where a training stops), and judged on
1,000 others: nats that it adds to independent genes, on the very same molecules. Writes
``benchmarks/results/limited_data/`` and ``benchmarks/limited_data.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import scipy.stats

from benchmarks.controls import planted_knowledge
from genediff.core.stats import false_discovery_rates
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.simulate import simulate
from genediff.evaluation.held_out_nats import held_out_nats
from genediff.knowledge import Library
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.config import RunConfig

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "limited_data"
ROWS = {
    "mlp": ("MLP (no tokens)", "mlp", False),
    "latent": ("latent tokens", "latent", False),
    "pathway": ("pathway tokens, planted pathways", "pathway", False),
    "pathway-shuffled": ("pathway tokens, shuffled", "pathway", True),
    "grn": ("GRN tokens, planted network", "grn", False),
    "grn-shuffled": ("GRN tokens, shuffled", "grn", True),
}
SIZES = (100, 300, 1000)
DEPTHS = (30, 100, 300)
N_TEST = 1000
AGAINST = {"latent": ("mlp",), "pathway": ("mlp", "pathway-shuffled"), "grn": ("mlp", "grn-shuffled")}
HEAD = """# Few training cells

Written by `python -m benchmarks.limited_data`, whose head says what was done. Thousandths of a nat per molecule that a
model adds to independent genes fitted to the same cells, after 30, 100 and 300 molecules of each of 1,000 test cells;
mean ± standard deviation over seeds, each with other cells. Differences are paired over seeds (t-test; FDR of Benjamini
and Hochberg over all differences of the page, at 100 molecules).

"""


def measure(row: str, size: int, seed: int) -> dict[str, float]:
    """Train once and return what is added to independent genes, by depth."""
    _, strategy, shuffled = ROWS[row]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dataset, library, run = prepared(strategy, size, seed, folder, shuffled=shuffled)
        for _ in Training(run, dataset, folder=folder / "run", model_id="m", library=library).run():
            pass
        found = held_out_nats(load_model(folder / "run" / "model"), dataset, depths=DEPTHS)
        return {str(one.depth): 1000 * (one.independent - one.model) for one in found.rows}


def prepared(
    strategy: str, size: int, seed: int, folder: Path, *, shuffled: bool = False
) -> tuple[Dataset, Library, RunConfig]:
    """Simulate and import cells, and return them with what they were drawn from and a run in count space."""
    n_validation = max(size // 4, 20)
    cells = simulate(n_cells=size + n_validation + N_TEST, seed=seed)
    parts = ["train"] * size + ["val"] * n_validation + ["test"] * N_TEST
    cells.obs["part"] = np.random.default_rng(seed).permutation(parts)
    cells.write_h5ad(folder / "cells.h5ad")
    workspace = Workspace(folder / "home")
    choices = {
        "name": "simulated", "label": "cell_type", "n_genes": cells.n_vars, "umap": False, "seed": seed,
        "split_column": "part",
    }  # fmt: skip
    dataset = import_cells(folder / "cells.h5ad", ImportConfig.parse(choices), workspace.datasets)
    library = Library(workspace.knowledge)
    run = preset_run("quick", dataset.info, strategy=strategy, space="counts", seed=seed)
    known = planted_knowledge(cells, library, shuffled=shuffled)
    return dataset, library, run.model_copy(update={"model": run.model.model_copy(update=known)})


def results() -> dict[tuple[str, int], dict[int, dict[str, float]]]:
    """Return what was measured, by row and training cells, then by seed."""
    found: dict[tuple[str, int], dict[int, dict[str, float]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        row, size, seed = path.stem.rsplit("_", 2)
        found.setdefault((row, int(size)), {})[int(seed)] = json.loads(path.read_text())
    return found


def gaps(
    found: dict[tuple[str, int], dict[int, dict[str, float]]], row: str, other: str, size: int, *, depth: str = "100"
) -> np.ndarray:
    """Return what a row adds to another one after so many molecules, for each seed that both have."""
    own, rival = found.get((row, size), {}), found.get((other, size), {})
    return np.array([own[seed][depth] - rival[seed][depth] for seed in sorted(set(own) & set(rival))])


def table() -> str:
    """Return the Markdown tables of all results that are there."""
    found = results()
    lines = ["| row | training cells | after 30 | after 100 | after 300 | seeds |", "|---|---|---|---|---|---|"]
    for row, size in product(ROWS, SIZES):
        if own := found.get((row, size)):
            shown = [spread([one[str(depth)] for one in own.values()]) for depth in DEPTHS]
            lines.append(f"| {ROWS[row][0]} | {size:,} | {' | '.join(shown)} | {len(own)} |")
    rows, p_values = [], []
    for (row, others), size in product(AGAINST.items(), SIZES):
        for other in others:
            if len(gap := gaps(found, row, other, size)) > 1:
                p_values.append(float(scipy.stats.ttest_1samp(gap, 0).pvalue))
                rows.append(
                    f"| {ROWS[row][0]} | {ROWS[other][0]} | {size:,} | {spread(gap)} | {{q:.3g}} | {len(gap)} |"
                )
    rates = false_discovery_rates(np.array(p_values)) if rows else []
    lines += ["", "| row | against | training cells | difference | FDR | seeds |", "|---|---|---|---|---|---|"]
    lines += [row.format(q=rate) for row, rate in zip(rows, rates, strict=True)]
    return "\n".join(lines) + "\n"


def spread(values: list[float] | np.ndarray) -> str:
    """Return a mean with its standard deviation, in words of a table."""
    return f"{np.mean(values):+.2f} ± {np.std(values, ddof=1) if len(values) > 1 else np.nan:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    args = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed, size, row in product(args.seeds, args.sizes, args.rows):
        file = RESULTS / f"{row}_{size}_{seed}.json"
        if not file.exists():
            file.write_text(json.dumps(measure(row, size, seed), indent=1) + "\n")
            print(file.name, file.read_text(), flush=True)
        PAGE.write_text(HEAD + table())


if __name__ == "__main__":
    main()
