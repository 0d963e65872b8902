"""Power and false findings of Regulation's tests on planted truth: cells of `genediff simulate` as it stands.

    python -m benchmarks.regulation_power                       # what is there already is not repeated
    python -m benchmarks.regulation_power --only counts-planted-64     # one case
    python -m benchmarks.regulation_power --table               # the table of all results so far, also into the .md

A model of GRN tokens (preset quick), in count and in gene space, is trained on the planted network and one on its
shuffled control, which has the same degrees. For numbers of held-out cells it measures, at FDR < 5 %: the edges that
are supported, the regulators that are found, and the paths of up to two edges at 40 genes, of which each edge must be
supported. An edge *acts* where its source regulates its target directly or through others. One that does not act may
still be *associated* with it: the target acts on the source, or both follow the same regulator or pathway, and then the
source's value does predict the target. *Exchanged* are the same edges in cells in which every regulator has the value
of another cell of its type, so that none can say anything.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from benchmarks.resumable import HERE, parser
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_network, planted_truth
from genediff.data.simulation.simulate import simulate
from genediff.inspection.regulation.count_probe import CountProbe
from genediff.inspection.regulation.held_out_test import within_groups
from genediff.inspection.regulation.interventions import interventions
from genediff.inspection.regulation.probed_cells import probe
from genediff.inspection.regulation.query import find_paths
from genediff.inspection.regulation.regulators import regulators_of
from genediff.models.config import SPACE_NAMES
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import train_model
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.data.simulation.truth import Truth
    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.models.generative_model import GenerativeModel

CELLS = (64, 128, 256, 512, 800)
STEPS = 2000
MODELS = tuple((space, network) for space in ("counts", "gene") for network in ("planted", "shuffled"))
N_TARGETS, LEVEL = 40, 0.05


class World:
    """What acts on what among the genes of a simulated world; all masks are (source, target) in the truth's order."""

    def __init__(self, truth: Truth) -> None:
        self.place = {gene: number for number, gene in enumerate(truth.genes)}
        self.direct = np.zeros((len(self.place), len(self.place)), dtype=bool)
        self.direct[truth.edges["source"].map(self.place), truth.edges["target"].map(self.place)] = True
        self.acts = np.linalg.matrix_power((self.direct | np.eye(len(self.place), dtype=bool)).astype(float), 8) > 0
        pathways = (truth.loadings.to_numpy() != 0) @ self.acts  # (pathway, gene)
        causes = np.concatenate([self.acts, pathways])
        self.associated = (causes.T.astype(float) @ causes) > 0

    def ends(self, sources: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the places of genes by name."""
        return np.array([self.place[one] for one in sources]), np.array([self.place[one] for one in targets])


def main() -> None:
    """Measure what is missing, and print the table."""
    ask = parser(__doc__, "regulation_power", data=[])
    ask.add_argument("--only", choices=[f"{space}-{name}-{n}" for space, name in MODELS for n in CELLS])
    asked = ask.parse_args()
    torch.set_num_threads(1)
    asked.results.mkdir(parents=True, exist_ok=True)
    if not asked.table:
        cells = simulate(n_cells=2000, seed=0)
        world, network = World(planted_truth(cells)), planted_network(cells)
        place = Workspace(asked.home / "regulation_power", assets=asked.home / "nothing-ships")
        dataset = _dataset(cells, place)
        key = place.library().add_network(network)
        for space, name, n in ((*model, n) for model in MODELS for n in CELLS):
            path = asked.results / f"{space}-{name}-{n}.json"
            if not path.exists() and asked.only in (None, path.stem):
                model = _model(space, name, dataset, place, key)
                path.write_text(json.dumps(measure(model, dataset, world, n), indent=1))
                print(path.name, path.read_text(), flush=True)
    found = {(*model, n): json.loads(path.read_text()) for model in MODELS for n in CELLS
             if (path := asked.results / f"{'-'.join(model)}-{n}.json").exists()}  # fmt: skip
    (HERE / "regulation_power.md").write_text(table(found))
    print(table(found))


def measure(model: GenerativeModel, dataset: Dataset, world: World, n: int) -> dict[str, Any]:
    """Return the shares that each test finds in n held-out cells; None where there is nothing of the kind."""
    seen = probe(model, dataset, np.flatnonzero(dataset.obs["split"] == "train"), most=2000)
    given = probe(model, dataset, np.flatnonzero(dataset.obs["split"] != "train"), t=0.6, most=n)
    known = seen.clean[:, : seen.n_genes].numpy()
    tested = interventions(model, given, known, seen.groups, n_shuffled=0)
    edges, regulators = tested.edges, tested.regulators
    ends = world.ends(edges["source"], edges["target"])
    acts, direct, associated = world.acts[ends], world.direct[ends], world.associated[ends]
    kinds = {"planted": direct, "indirect": acts & ~direct, "associated": associated & ~acts, "unrelated": ~associated}
    found = {"cells": given.n_cells, "edges": {kind: _shares(edges, mask) for kind, mask in kinds.items()}}
    exchanged = interventions(model, _exchanged(given, edges["source"], model), known, seen.groups, n_shuffled=0).edges
    fixed = ~exchanged["target"].isin(set(edges["source"])).to_numpy()  # a regulator's own value was exchanged too
    found["edges"]["exchanged"] = _shares(exchanged, fixed)
    real = np.array([acts[(edges["source"] == one).to_numpy()].any() for one in regulators["regulator"]])
    found["regulators"] = {"acting": _shares(regulators, real), "others": _shares(regulators, ~real)}
    targets = sorted(set(edges["target"]))
    targets = targets[:: max(1, len(targets) // N_TARGETS)]
    found["paths"] = _paths(model, given, world, targets, edges)
    found["one gene"] = _one_gene(model, given, world, targets, edges)
    return found


def _one_gene(
    model: GenerativeModel, given: Probe, world: World, targets: list[str], tested: pd.DataFrame
) -> dict[str, Any]:
    found = {target: regulators_of(model, given, target, tested=tested) for target in targets}
    rows = pd.concat([table.assign(target=target) for target, table in found.items()])
    rows = rows[rows["effect"] > 0]
    ends = world.ends(rows["regulator"], rows["target"])
    others = ~rows["direct"].to_numpy()
    return {
        "direct": _shares(rows, world.direct[ends]),
        "indirect": _shares(rows, others & world.acts[ends]),
        "others": _shares(rows, ~world.acts[ends]),
    }


def _paths(
    model: GenerativeModel, given: Probe, world: World, targets: list[str], tested: pd.DataFrame
) -> dict[str, Any]:
    parts: dict[str, list[tuple[float, float]]] = {kind: [] for kind in ("planted", "two planted", "others")}
    for target in targets:
        for row in find_paths(model, given, target, n_shuffled=0, tested=tested).paths.itertuples():
            steps = world.ends(row.genes[:-1], row.genes[1:])
            acts = world.acts[world.ends(row.genes[:1], row.genes[-1:])][0]
            if world.direct[steps].all():
                parts["planted" if len(steps[0]) == 1 else "two planted"].append((row.p, row.q))
            elif not acts:
                parts["others"].append((row.p, row.q))
    return {kind: _summary(np.array(rows).reshape(-1, 2)) for kind, rows in parts.items()}


def _exchanged(given: Probe, sources: Any, model: GenerativeModel) -> Probe:
    draw, clean = np.random.default_rng(0), given.clean.clone()
    counts = given.counts.clone() if isinstance(given, CountProbe) else None
    for gene in sorted(set(sources)):
        place, order = model.genes.index(gene), torch.from_numpy(within_groups(given.groups, draw))
        clean[:, place] = clean[order, place]
        if counts is not None:
            counts[:, place] = counts[order, place]
    return replace(given, clean=clean) if counts is None else replace(given, clean=clean, counts=counts)


def _shares(table: Any, mask: np.ndarray) -> dict[str, Any]:
    return _summary(table.loc[mask, ["p", "q"]].to_numpy())


def _summary(rows: np.ndarray) -> dict[str, Any]:
    p, q = (rows < LEVEL).mean(0).tolist() if len(rows) else (None, None)
    return {"n": len(rows), "p": p, "found": q}


def _dataset(cells: Any, place: Workspace) -> Dataset:
    there = place.list_datasets()
    if there:
        return place.open_dataset(there[0].id)
    bare = cells.copy()
    for part in (bare.uns, bare.obsm):
        part.clear()
    place.root.mkdir(parents=True, exist_ok=True)
    bare.write_h5ad(place.root / "cells.h5ad")
    how = ImportConfig(label="cell_type", n_genes=300, umap=False, min_cells_per_gene=1, name="simulated")
    return import_cells(place.root / "cells.h5ad", how, place.datasets)


def _model(space: str, name: str, dataset: Dataset, place: Workspace, network: str) -> GenerativeModel:
    folder: Path = place.root / f"{space}-{name}"
    if not (folder / "model" / "model.json").exists():
        run = preset_run("quick", dataset.info, strategy="grn", space=space)
        chosen = run.model.model_copy(update={"network": network, "shuffled": name == "shuffled"})
        train = run.train.model_copy(update={"steps": STEPS})
        run = run.model_copy(update={"model": chosen, "train": train, "device": "cpu"})
        for _ in train_model(run, dataset, folder=folder, model_id=name, library=place.library()):
            pass
    return load_model(folder / "model", device="cpu")


def table(found: dict[tuple[str, str, int], dict[str, Any]]) -> str:
    """Return what was measured as markdown."""
    columns = [
        ("edges", "planted", "planted edges"), ("edges", "indirect", "edges that act indirectly"),
        ("edges", "associated", "edges that do not act, associated"), ("edges", "unrelated", "edges, unrelated"),
        ("edges", "exchanged", "edges, values exchanged"), ("regulators", "acting", "regulators that act"),
        ("regulators", "others", "regulators that do not act"), ("paths", "planted", "planted paths, one edge"),
        ("paths", "two planted", "planted paths, two edges"), ("paths", "others", "paths that do not act"),
        ("one gene", "direct", "direct regulators of a gene"),
        ("one gene", "indirect", "regulators of a gene without an edge that act"),
        ("one gene", "others", "those that do not act on it"),
    ]  # fmt: skip
    lines = [
        "# Power and false findings of Regulation's tests",
        "",
        "Written by `python -m benchmarks.regulation_power`, whose head says what the rows are. Each field: share "
        "found at FDR < 5 % (share with p < .05 before correction; how many there are).",
    ]
    for space, name in MODELS:
        cells = [n for n in CELLS if (space, name, n) in found]
        if not cells:
            continue
        head = " | ".join(f"{n} cells" for n in cells)
        lines += [
            "",
            f"## {SPACE_NAMES[space].capitalize()}, trained on the {name} network",
            "",
            f"| | {head} |",
            "|---" * (len(cells) + 1) + "|",
        ]
        for group, kind, title in columns:
            row = [found[space, name, n][group][kind] for n in cells]
            if row[0]["n"]:
                fields = [f"{one['found']:.1%} ({one['p']:.1%}; {one['n']})" for one in row]
                lines.append(f"| {title} | " + " | ".join(fields) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
