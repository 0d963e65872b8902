"""Predictions of perturbations beside every baseline and the split-half ceiling, on what was held out.

    python -m benchmarks.perturbation                # all that is lacking, row by row; goes on where it stopped
    python -m benchmarks.perturbation --cases kang_b --seeds 1
    python -m benchmarks.perturbation --table        # the tables of what is there

Real data are the h5ad files of CaRPool-seq (real effects, simulated noise), Papalexi and Kang, looked for below
``../shared/data/h5ad`` (``--data`` names another folder); simulated cells are drawn here. Seeds decide which
perturbations are held out; for Kang one cell type is held out whole and the seed decides which one validates. Writes
``benchmarks/results/perturbation/`` and ``benchmarks/perturbation.md``, losers included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import spearman_brown
from genediff.data import ImportConfig, import_cells
from genediff.perturbation import METRICS, Scores, Task, score
from genediff.perturbation.replicate import REPLICATE
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "perturbation"
SHOWN = (
    "pearson_delta", "pearson_perturbed", "discrimination_score_l1", "mse", "weighted_mse", "e_distance",
    "overlap_at_N", "de_direction_match", "de_sig_genes_recall", "pr_auc",
)  # fmt: skip
ROWS = ("baselines", "genediff")
KANG_TYPES = {
    "b": "B cells",
    "mono": "CD14+ Monocytes",
    "cd4": "CD4 T cells",
    "cd8": "CD8 T cells",
    "fcgr3a": "FCGR3A+ Monocytes",
}
FILES = {
    "carpool": "carpool_doubles_semisynthetic.h5ad",
    "papalexi": "papalexi_thp1_crisprko_299genes_counts_sceptre.h5ad",
    "kang": "kang_ifnb_counts_2000cells_harmony.h5ad",
}
# What each case is: title, data, how it is divided.
CASES: dict[str, tuple[str, str, dict[str, object]]] = {
    "carpool_doubles": ("CaRPool, held-out pairs", "carpool", {"scheme": "doubles"}),
    "carpool_singles": ("CaRPool, unseen genes", "carpool", {"scheme": "unseen_single"}),
    "simulated_doubles": ("Simulated, held-out pairs", "simulated", {"scheme": "doubles"}),
    "simulated_singles": ("Simulated, unseen genes", "simulated", {"scheme": "unseen_single"}),
    "papalexi_cells": ("Papalexi, held-out cells", "papalexi", {"scheme": "cells"}),
    "papalexi_unseen": ("Papalexi, unseen genes", "papalexi", {"scheme": "unseen_single"}),
    **{
        f"kang_{short}": (
            f"Kang, interferon in {name}, unseen there",
            "kang",
            {"scheme": "context", "context": "cell_type_pred", "hold_out": (name,)},
        )
        for short, name in KANG_TYPES.items()
    },
}
HEAD = """# Predictions of perturbations

Written by `python -m benchmarks.perturbation`. Each table is of held-out perturbations or cells; figures are means over
perturbations, then over seeds. Baselines are fitted on the training part. In bold, for each metric, the baseline that
did best on the *validation* part (of the first seed): it is the one that a model has to beat. The ceiling compares two
halves of the measured cells, with controls of their own, and is cautious: a good prediction may pass it; under the
table it is corrected to the full number of cells (Spearman and Brown). "Worse" is the share of perturbations on which a
predictor correlates less than the best baseline.

In the CaRPool file effects are real and the noise between cells is simulated, with 50 cells for each perturbation. The
additive model's r = 0.69 and the ceiling of 0.84 that are known of these data are of the measured pseudobulks, which
are less noisy; here both are lower.

Genes are chosen, and components fitted, at the import of a data set, which sees the cells (not the labels) of held-out
perturbations.
"""


def dataset_of(name: str, data: Path, home: Path) -> Dataset:
    """Import a data set, or draw it."""
    place = Workspace(home)
    if name == "simulated":
        from genediff.data.simulation.simulate import perturbation_plan, simulate
        from genediff.data.simulation.truth_draw import TruthConfig, draw_truth

        truth = draw_truth(TruthConfig(n_gated_pairs=8), seed=5)
        plan = perturbation_plan(truth, n_singles=20, n_doubles=30, seed=5)
        path = home / "simulated.h5ad"
        home.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            simulate(truth, n_cells=8000, perturbations=plan, controls=0.3, seed=5).write_h5ad(path)
        config = ImportConfig(perturbation="perturbation", control="control", n_genes=300, umap=False)
        return import_cells(path, config, place.datasets)
    column = {"perturbation": "condition", "control": "ctrl", "label": "cell_type_pred"} if name == "kang" else {}
    choices = {"perturbation": "perturbation", "control": "control", "umap": False, **column}
    return import_cells(data / FILES[name], ImportConfig.parse(choices), place.datasets)


def run(case: str, row: str, seed: int, dataset: Dataset) -> None:
    """Judge one row of one case, and keep its figures."""
    began = time.process_time()
    task = Task.of(dataset, seed=seed, **CASES[case][2])
    if row == "baselines":
        found = score(task, seeds=(seed,))
    else:
        from genediff.perturbation.model.fit_response import fit_response

        found = score(task, [fit_response(task, seed=seed)], seeds=(seed,), with_baselines=False, with_replicate=False)
    found.about["cpu_seconds"] = round(time.process_time() - began, 1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    found.save(path_of(case, row, seed))


def path_of(case: str, row: str, seed: int) -> Path:
    return RESULTS / f"{case}-{row}-{seed}.json"


def kept(case: str) -> list[Scores]:
    """Return the tables of a case by seed, the rows of each beside each other."""
    seeds = []
    for seed in range(100):
        rows = [Scores.read(path_of(case, row, seed)) for row in ROWS if path_of(case, row, seed).exists()]
        if rows and path_of(case, "baselines", seed).exists():
            whole = rows[0]
            for other in rows[1:]:
                whole = whole.beside(other)
            seeds.append(whole)
    return seeds


def table(case: str) -> list[str]:
    """Return one case as Markdown."""
    seeds = kept(case)
    if not seeds:
        return []
    metrics = [name for name in SHOWN if any(name in one.metrics for one in seeds)]
    names = list(dict.fromkeys(name for one in seeds for name in one.titles))
    names = [name for name in names if name != REPLICATE] + [REPLICATE]
    n = [one.table.groupby(["context", "perturbation"]).ngroups for one in seeds]
    tested = ", ".join(map(str, n))
    lines = [f"## {CASES[case][0]}", "", f"Seeds: {len(seeds)}. Perturbations in the test part of each: {tested}."]
    lines += ["", "| | " + " | ".join(METRICS[name].title for name in metrics) + " | worse |"]
    lines += ["| --- |" + " ---: |" * (len(metrics) + 1)]
    titles = {name: one.titles[name] for one in seeds for name in one.titles}
    for name in names:
        cells = []
        for metric in metrics:
            values = [one.per_perturbation(name, metric).mean() for one in seeds if name in one.titles]
            mean = np.nanmean(values) if np.isfinite(values).any() else np.nan
            text = f"{mean:.3f}" if np.isfinite(mean) else "–"
            cells.append(f"**{text}**" if seeds[0].best.get(metric) == name else text)
        here = [one for one in seeds if name in one.titles]
        worse = "–" if name == REPLICATE else f"{np.mean([one.harm_rate(name) for one in here]):.0%}"
        lines.append(f"| {titles[name]} | {' | '.join(cells)} | {worse} |")
    halves = np.mean([one.per_perturbation(REPLICATE, "pearson_delta").mean() for one in seeds])
    lines += [
        "",
        f"The true change would correlate {np.sqrt(spearman_brown(float(halves))):.3f} with the measured one.",
    ]
    lines += _paired(seeds)
    return [*lines, ""]


def _paired(seeds: list[Scores]) -> list[str]:
    """Return the model against the baseline that it has to beat, perturbation by perturbation, over all seeds."""
    if not any("genediff" in one.titles for one in seeds):
        return []
    said = []
    for metric in ("pearson_delta", "e_distance", "mse"):
        sign = 1 if METRICS[metric].better == "high" else -1
        gaps = pd.concat(
            [
                sign * (one.per_perturbation("genediff", metric) - one.per_perturbation(one.best[metric], metric))
                for one in seeds
                if "genediff" in one.titles
            ]
        )
        draw = np.random.default_rng(0)
        means = gaps.to_numpy()[draw.integers(0, len(gaps), (1000, len(gaps)))].mean(axis=1)
        low, high = np.quantile(means, [0.05, 0.95])
        said.append(f"{METRICS[metric].title} {gaps.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
    return ["", f"GeneDiff less the best baseline, paired, positive where it is better: {'; '.join(said)}."]


def write_page() -> None:
    text = "\n".join([HEAD, *(line for case in CASES for line in table(case))])
    PAGE.write_text(text.rstrip() + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/h5ad"))
    parser.add_argument("--table", action="store_true", help="only write the tables of what is there")
    given = parser.parse_args()
    if not given.table:
        with tempfile.TemporaryDirectory() as folder:
            sets: dict[str, Dataset] = {}
            for seed in range(given.seeds):
                for case in given.cases:
                    for row in given.rows:
                        if path_of(case, row, seed).exists():
                            continue
                        name = CASES[case][1]
                        if name not in sets:
                            sets[name] = dataset_of(name, given.data, Path(folder))
                        run(case, row, seed, sets[name])
                        print(f"{case} {row} seed {seed}", flush=True)
                        write_page()
    write_page()
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
