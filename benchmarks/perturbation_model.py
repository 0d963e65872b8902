"""The model of perturbations against every baseline and the ceiling, on held-out perturbations and cells.

    python -m benchmarks.perturbation_model [--data ../shared/data/h5ad] [--seeds 0 1 2] [--cases simulated kang ...]
    python -m benchmarks.perturbation_model --table        # the page of what is there

A seed draws what is held out. Gates are set by the training and validation parts; the test part has no say in it. The
model has no network on measured cells; on simulated ones it has none, the planted one, and a shuffled one. Differences
are paired over the perturbations of all seeds, against the best baseline that the validation part names for the metric
and against the baseline that a case names. Writes ``benchmarks/perturbation_model.md``; cases that are not run again
keep their figures, which lie in ``benchmarks/results/perturbation_model/``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import kept_truth
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth_draw import draw_truth
from genediff.knowledge.network import make_network
from genediff.perturbation import Task
from genediff.perturbation.change_scores import score_changes
from genediff.perturbation.evaluate_predictions import score
from genediff.perturbation.model.fit_response import fit_response
from genediff.perturbation.score_table import Scores
from genediff.workspace import Workspace
from scripts.demo_screen import CONFIG as SCREEN
from scripts.demo_screen import WORLD, screen_plan

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "perturbation_model"
METRICS = ("pearson_delta", "pearson_perturbed", "mse", "e_distance", "discrimination_score_l1")
CHOICES = {
    "carpool": ("carpool_doubles_semisynthetic", {"perturbation": "perturbation", "control": "control"}),
    "papalexi": ("papalexi_thp1_crisprko_299genes_counts_sceptre", {"perturbation": "perturbation"}),
    "kang": (
        "kang_ifnb_counts_2000cells_harmony",
        {"perturbation": "condition", "control": "ctrl", "label": "cell_type_pred"},
    ),
}


@dataclass(frozen=True)
class Case:
    """A data set, what is held out of it, and the baselines that a model must not fall below."""

    title: str
    data: str
    task: dict[str, Any]
    against: tuple[str, ...]
    networks: tuple[str, ...] = ("",)
    hold_out: tuple[str, ...] = field(default=())


CAUTION = (
    "**How far these test parts are untouched: not strictly.** While the model was built its makers looked at the test "
    "parts of CaRPool, Papalexi and Kang, and at simulated worlds of this kind, more than once. The priors for a new "
    "cell type were chosen after all five held-out types of Kang had been seen, so that row is optimistic; how changes "
    "are carried to a new type was then chosen by leaving out training types alone, but a type that one round holds "
    "out is a training type of the others. The term "
    "for pairs came after a look at simulated pairs. No fresh data were kept back. Genes were chosen, and components "
    "fitted, at the import of each data set, which sees the cells (not the labels) of held-out perturbations."
)
NETWORKS = ("", "planted", "shuffled")
TYPES = ("B cells", "CD14+ Monocytes", "CD4 T cells", "CD8 T cells", "FCGR3A+ Monocytes")
PAIRS, SINGLES = {"scheme": "doubles"}, {"scheme": "unseen_single"}
CONTEXT = {"scheme": "context", "context": "cell_type_pred"}
CASES = {
    "simulated": Case("Simulated screen, held-out pairs", "simulated", PAIRS, ("additive",), NETWORKS),
    "simulated_single": Case("Simulated screen, unseen single genes", "simulated", SINGLES, ("linear",), NETWORKS),
    "carpool": Case("CaRPool, held-out pairs", "carpool", PAIRS, ("additive",)),
    "carpool_1": Case("CaRPool, pairs with one unseen gene", "carpool", {**PAIRS, "n_seen": 1}, ("additive",)),
    "carpool_single": Case("CaRPool, unseen single genes", "carpool", SINGLES, ("linear",)),
    "papalexi": Case("Papalexi, held-out cells", "papalexi", {"scheme": "cells"}, ("matching_mean",)),
    "kang": Case(
        "Kang, each cell type left out in turn", "kang", CONTEXT, ("nearest", "matching_mean"), hold_out=TYPES
    ),
}


def dataset_of(name: str, folder: Path, data: Path, seed: int) -> Any:
    """Import a data set without a UMAP; the simulated one is drawn anew for each seed."""
    place = Workspace(folder)
    if name != "simulated":
        file, choices = CHOICES[name]
        return import_cells(data / f"{file}.h5ad", ImportConfig(umap=False, **choices), place.datasets)
    path = folder / f"screen{seed}.h5ad"
    if not path.exists():
        truth = draw_truth(WORLD, seed=1 + seed)
        cells = simulate(truth, n_cells=3000, perturbations=screen_plan(truth)[0], noise=Noise(depth=1000), seed=seed)
        cells.write_h5ad(path)
    return import_cells(path, SCREEN.model_copy(update={"umap": False}), place.datasets)


def network_of(name: str, dataset: Any, seed: int) -> Any:
    """Return the planted network, the same rewired, or none."""
    if not name:
        return None
    truth = kept_truth(dataset)
    assert truth is not None
    network = make_network("planted", truth.edges)
    return network.shuffled(seed=seed) if name == "shuffled" else network


def measure(case: Case, seeds: list[int], folder: Path, data: Path) -> Scores:
    """Fit and judge over all seeds; return one table, and what the gates said."""
    tables, said, titles, best = [], [], {}, {}
    rounds = [(seed, {"hold_out": (name,)}) for seed in seeds[:1] for name in case.hold_out] or [(s, {}) for s in seeds]
    for number, (seed, extra) in enumerate(rounds):
        dataset = dataset_of(case.data, folder, data, seed)
        task = Task.of(dataset, seed=seed, **case.task, **extra)
        models = []
        for network in case.networks:
            begun = time.process_time()
            model = fit_response(task, network=network_of(network, dataset, seed), seed=seed, members=2)
            took = time.process_time() - begun
            model.name = "genediff" + (f"_{network}" if network else "")
            model.title = "GeneDiff" + (f", {network} network" if network else "")
            models.append(model)
            kinds = {model.kind(g.perturbation, g.context) for g in task.part("test")}
            gates = [f"{k}: {model.gates[k].baseline}, weight {model.gates[k].weight:g}" for k in sorted(kinds)]
            which = extra.get("hold_out", (f"seed {seed}",))[0]
            slope = score_changes(task, [model], baselines=()).slope(model.name)
            said.append(
                f"{model.title}, {which}: {'; '.join(gates)}; slope of measured on predicted changes {slope:.2f}; "
                f"{took:.1f} s of CPU"
            )
            print(said[-1], flush=True)
        scores = score(task, models, seeds=(0,), with_de=False)
        table = scores.table.assign(perturbation=scores.table["perturbation"].astype(str) + f" #{number}")
        titles, best = scores.titles, best or scores.best
        tables.append(table)
        for metric, name in scores.best.items():  # what the validation part of a round names is that round's best
            if metric in table:
                rows = table.loc[table["predictor"] == name, ["seed", "context", "perturbation", metric]]
                tables.append(rows.assign(predictor=f"best:{metric}"))
    about = {"said": said, "seeds": seeds}
    return Scores(pd.concat(tables, ignore_index=True), titles, {m: f"best:{m}" for m in best}, about)


def write(results: dict[str, Scores]) -> str:
    """Return the page."""
    about = (__doc__ or "").split("\n\n")[2].replace("\n", " ")
    text = ["# The model of perturbations against its baselines", "", about, "", CAUTION, ""]
    how = (
        "Gain over a baseline, paired over perturbations (above 0: the model is better), with its 95 % t interval, and "
        "the share of perturbations on which the model is worse:"
    )
    for name, scores in results.items():
        case, said = CASES[name], scores.about["said"]
        shown = [metric for metric in METRICS if metric in scores.metrics]
        n = scores.table.loc[scores.table["predictor"] == "genediff", ["context", "perturbation"]].drop_duplicates()
        text += [f"## {case.title} ({len(n)} perturbations in all)", "", "| row | " + " | ".join(shown) + " |"]
        text += ["| --- |" + " --- |" * len(shown)]
        for predictor, title in scores.titles.items():
            values = [scores.per_perturbation(predictor, metric).mean() for metric in shown]
            text.append(f"| {title} | " + " | ".join("–" if np.isnan(v) else f"{v:.3f}" for v in values) + " |")
        text += ["", how, "", "| model | metric | against | gain | worse on |", "| --- | --- | --- | --- | --- |"]
        for predictor in (p for p in scores.titles if p.startswith("genediff")):
            for metric in shown:
                for other, called in [
                    *((name, name) for name in case.against),
                    (f"best:{metric}", "best by validation"),
                ]:
                    if metric not in scores.best and other.startswith("best"):
                        continue
                    row = scores.gain(predictor, other, metric)
                    sure = np.isfinite(row.low)
                    gain = f"{row.mean:+.4f} " + (f"({row.low:+.4f} to {row.high:+.4f})" if sure else "(too few)")
                    harm = scores.harm(predictor, other, metric)
                    text.append(f"| {scores.titles[predictor]} | {metric} | {called} | {gain} | {harm:.0%} |")
        text += ["", *[f"- {line}" for line in said], ""]
    return "\n".join(text)


def main() -> None:
    """Run the cases and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data/h5ad"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--table", action="store_true", help="only write the page of what is there")
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in [] if chosen.table else chosen.cases:
            print(f"== {name}", flush=True)
            measure(CASES[name], chosen.seeds, Path(folder), chosen.data).save(RESULTS / f"{name}.json")
            _write_page()
    _write_page()
    print(PAGE.read_text(encoding="utf-8"))


def _write_page() -> None:
    paths = {name: RESULTS / f"{name}.json" for name in CASES}
    PAGE.write_text(write({name: Scores.read(path) for name, path in paths.items() if path.exists()}).rstrip() + "\n")


if __name__ == "__main__":
    main()
