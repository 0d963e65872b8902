"""Does the Regulation page name the regulators that are there, and none where there are none?

    python -m benchmarks.regulation [--seeds 0] [--targets 40] [--folder KEPT]

Planted: cells are simulated from a known network. A model of gene tokens is given the true edges and as many decoys
into the same targets, all without signs; its control the same network with its edges shuffled. Both are asked by the
functions of the page. Real: THP-1 cells with regulators knocked out (Papalexi 2021, ../shared/data); what the model
says about each regulator stands beside what its knock-out did. Writes ``benchmarks/regulation.md``. With ``--folder``
trained models are kept there and used again.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from genediff.data import Dataset, ImportConfig, import_cells
from genediff.data.simulation.planted import planted_network
from genediff.data.simulation.simulate import Noise, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.inspection.regulation.interventions import edge_tests
from genediff.inspection.regulation.probed_cells import probe
from genediff.inspection.regulation.query import find_paths
from genediff.inspection.regulation.regulators import regulators_of
from genediff.inspection.regulation.significance import SUPPORTED
from genediff.knowledge import Library, Network, make_network
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.training.train import Training
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.models.generative_model import GenerativeModel

PAGE = Path(__file__).with_suffix(".md")
NOTES = Path(__file__).with_name("regulation_notes.md")
PAPALEXI = (
    Path(__file__)
    .resolve()
    .parents[2]
    .joinpath("shared", "data", "h5ad", "papalexi_thp1_crisprko_299genes_counts_sceptre.h5ad")
)
ACTING = ("STAT1", "JAK2", "IFNGR2", "STAT2", "STAT3", "CMTM6", "NFKBIA", "TNFRSF14", "UBE2L6")
TARGETS = ("STAT1", "UBE2L6", "PSMB9")
HEAD = """# Regulation: planted regulators, shuffled networks, knock-outs

Written by `python -m benchmarks.regulation`. Lists are those of the Regulation page (all regulators of a gene, ranked
by what their silence changes); tests those of its paths of up to two edges. Cells are held out. "By the prior alone" is
what an order gives that knows the network (true edges and decoys) and nothing else: the distance to it is what was
learned.

"""
WORLD = TruthConfig(n_genes=200, n_regulators=40)
NOISE = Noise(depth=2000)
N_CELLS = 3000


def with_decoys(network: Network, regulators: tuple[str, ...], *, seed: int) -> Network:
    """Return the true edges and as many false ones into the same targets; neither says its sign."""
    draw = np.random.default_rng(seed)
    true = network.edges[["source", "target"]]
    taken = set(zip(true["source"], true["target"], strict=True))
    taken |= {(target, source) for source, target in taken}
    rows = []
    for target, count in true.groupby("target").size().items():
        free = [name for name in regulators if name != target and (name, target) not in taken]
        rows += [(str(name), str(target)) for name in draw.choice(free, min(count, len(free)), replace=False)]
    decoys = pd.DataFrame(rows, columns=["source", "target"])
    return make_network("true edges and decoys", pd.concat([true, decoys], ignore_index=True))


def train(folder: Path, dataset: Dataset, library: Library, network: str, **changes: object) -> GenerativeModel:
    """Train gene tokens by the quick preset, or load what was trained before."""
    shape = {"network": network, **{name: changes.pop(name) for name in ("shuffled", "conditions") if name in changes}}
    if not (folder / "model" / "model.safetensors").is_file():
        run = preset_run("quick", dataset.info, strategy="grn", seed=0)
        run = run.model_copy(
            update={
                "model": run.model.model_copy(update=shape),
                "train": run.train.model_copy(update={"validate_every": 1000, "batch_size": 32, **changes}),
            }
        )
        for event in Training(run, dataset, folder=folder, model_id="m", library=library).run():
            if event.validation is not None:
                print(folder.name, event.step, event.validation, flush=True)
    return load_model(folder / "model")


def planted(folder: Path, seed: int, *, shuffled: bool) -> tuple[GenerativeModel, Dataset, AnnData, Network]:
    """Return a model trained on simulated cells, the data set, the cells with their truth, and the true network."""
    folder = folder / f"planted-{seed}"
    folder.mkdir(exist_ok=True, parents=True)
    cells = simulate(draw_truth(WORLD, seed=seed), n_cells=N_CELLS, noise=NOISE, seed=seed)
    truth = planted_network(cells)
    workspace = Workspace(folder / "home")
    if not (own := [info for info in workspace.list_datasets() if not info.shipped]):
        cells.write_h5ad(folder / "cells.h5ad")
        choices = {"name": "simulated", "label": "cell_type", "n_genes": cells.n_vars, "umap": False, "seed": seed}
        own = [import_cells(folder / "cells.h5ad", ImportConfig.parse(choices), workspace.datasets).info]
    dataset, library = workspace.open_dataset(own[0].id), Library(workspace.knowledge)
    acting = tuple(sorted(set(truth.edges["source"])))
    network = library.add_network(with_decoys(truth, acting, seed=seed))
    name = "shuffled" if shuffled else "true"
    return train(folder / name, dataset, library, network, shuffled=shuffled, steps=3000), dataset, cells, truth


def with_signal(cells: AnnData, truth: Network, genes: tuple[str, ...]) -> list[str]:
    """Return the targets whose true regulators' true levels explain 3 % of them or more, within cell types."""
    x = np.log1p(cells.X.toarray() / cells.X.sum(1) * 1e4)
    levels = np.log(cells.obsm["regulators"].clip(lower=1e-6))
    kinds = cells.obs["cell_type"].to_numpy()
    within = lambda frame: frame - frame.groupby(kinds).transform("mean")  # noqa: E731
    x, levels = within(pd.DataFrame(x, columns=cells.var_names)), within(levels.reset_index(drop=True))
    found = []
    for target, group in truth.edges.groupby("target"):
        known = levels[list(group["source"])].to_numpy()
        y = x[target].to_numpy()
        rest = y - known @ np.linalg.lstsq(known, y, rcond=None)[0]
        if target in genes and rest.var() < 0.97 * y.var():
            found.append(str(target))
    return found


def ranking(model: GenerativeModel, given: Probe, truth: Network, targets: list[str]) -> dict[str, float]:
    """Ask the page for its list of all regulators of each target, and look where the true ones stand."""
    best, every, chance, above, signs = [], [], [], [], []
    network = model.knowledge.network
    assert network is not None
    tested = edge_tests(model, given)
    for target in targets:
        table = regulators_of(model, given, target, tested=tested)
        true = truth.edges[truth.edges["target"] == target].set_index("source")["sign"]
        top = max(1, round(0.1 * len(table)))
        place = {name: number for number, name in enumerate(table["regulator"])}
        ranks = np.array([place[name] for name in true.index if name in place])
        best.append(ranks.min() < top)
        every.append((ranks < top).mean())
        # An order that puts the edges of the prior first, true ones and decoys mixed.
        n_prior = int((network.edges["target"] == target).sum())
        missed = math.comb(n_prior - len(ranks), top) / math.comb(n_prior, top) if n_prior >= top + len(ranks) else 0.0
        chance.append((1 - missed, min(1.0, top / n_prior)))
        decoys = [place[s] for s in network.edges.query("target == @target")["source"] if s not in true.index]
        above += [float(a < b) for a in ranks for b in decoys]
        slope = table.set_index("regulator")["slope"]
        signs += [float(np.sign(slope[name]) == sign) for name, sign in true.items() if name in place]
    prior = np.mean(chance, axis=0)
    return {
        "targets": len(targets),
        "a true regulator in the top 10 %": float(np.mean(best)),
        "… by the prior alone (chance among its edges)": float(prior[0]),
        "share of true regulators in the top 10 %": float(np.mean(every)),
        "… by the prior alone": float(prior[1]),
        "true regulator before decoy": float(np.mean(above)),
        "sign as planted": float(np.mean(signs)),
    }


def reported(model: GenerativeModel, given: Probe, targets: list[str], *, n_shuffled: int) -> dict[str, float]:
    """Ask the page for the paths into each target, and count what it calls significant."""
    tested = edge_tests(model, given)
    tables = [find_paths(model, given, target, n_shuffled=n_shuffled, tested=tested).paths for target in targets]
    paths = pd.concat(tables)
    return {
        "targets": len(targets),
        "paths tested": len(paths),
        "flow: q < .05": float((paths["flow_q"] < 0.05).mean()),
        "flow: p < .05": float((paths["flow_p"] < 0.05).mean()),
        "all edges p < .05": float((paths["p"] < 0.05).mean()),
        "supported": float((paths["verdict"] == SUPPORTED).mean()),
    }


def knock_outs(folder: Path) -> pd.DataFrame | None:
    """Train on THP-1 cells without naming the knock-outs, and set the model's slopes beside what they did.

    Every gene of the list may act on every other one, so the network itself says nothing.
    """
    if not PAPALEXI.is_file():
        return None
    workspace = Workspace(folder / "papalexi" / "home")
    if not (own := [info for info in workspace.list_datasets() if not info.shipped]):
        choices = {"name": "Papalexi", "label": "perturbation", "n_genes": 299, "umap": False, "seed": 0}
        own = [import_cells(PAPALEXI, ImportConfig.parse(choices), workspace.datasets).info]
    dataset, library = workspace.open_dataset(own[0].id), Library(workspace.knowledge)
    acting = [gene for gene in ACTING if gene in dataset.genes]
    pairs = [(source, target, 1.0, 0) for source in acting for target in dataset.genes if target != source]
    frame = pd.DataFrame(pairs, columns=["source", "target", "weight", "sign"])
    network = library.add_network(make_network("every acting gene on every gene", frame))
    model = train(folder / "papalexi", dataset, library, network, conditions=(), steps=1500)
    x, done = dataset.x().toarray(), dataset.obs["perturbation"].astype(str).to_numpy()
    given = probe(model, dataset, dataset.rows("test"), most=256)
    rows, tested = [], edge_tests(model, given)
    for target in (gene for gene in TARGETS if gene in dataset.genes):
        table = regulators_of(model, given, target, tested=tested).set_index("regulator")
        column = dataset.genes.index(target)
        for number, (name, row) in enumerate(table.iterrows()):
            moved = x[done == name, column].mean() - x[done == "control", column].mean()
            rows.append((target, name, number + 1, row["effect"], row["slope"], moved))
    return pd.DataFrame(rows, columns=["target", "regulator", "place", "effect (SD)", "slope", "knock-out (log1p)"])


def lines(title: str, rows: dict[str, dict[str, float]]) -> str:
    """Return a table with one column per case."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    text = f"## {title}\n\n| | {' | '.join(rows)} |\n|---|{'---|' * len(rows)}\n"
    for name in names:
        values = [
            f"{row[name]:g}" if name in ("targets", "paths tested") else f"{row[name]:.3f}" for row in rows.values()
        ]
        text += f"| {name} | {' | '.join(values)} |\n"
    return text + "\n"


def plain_table(table: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    rows = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row] for row in table.itertuples(index=False)]
    body = [list(table.columns), ["---"] * table.shape[1], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in body) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--targets", type=int, default=40, help="how many are asked about")
    parser.add_argument("--shuffled", type=int, default=19, help="shuffled networks of each test")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--no-knock-outs", action="store_true")
    args = parser.parse_args()
    ranks: dict[str, dict[str, float]] = {}
    told: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        for seed in args.seeds:
            for shuffled in (False, True):
                model, dataset, cells, truth = planted(folder, seed, shuffled=shuffled)
                given = probe(model, dataset, dataset.rows("test"))
                chosen = with_signal(cells, truth, model.genes)
                asked = sorted(np.random.default_rng(seed).permutation(chosen)[: args.targets].tolist())
                name = f"{'shuffled' if shuffled else 'true edges and decoys'}, seed {seed}"
                network = model.knowledge.network
                assert network is not None
                fed = set(network.edges["target"])
                if not shuffled:
                    ranks[name] = ranking(model, given, truth, [one for one in asked if one in fed])
                    print(name, ranks[name], flush=True)
                told[name] = reported(model, given, [one for one in asked if one in fed], n_shuffled=args.shuffled)
                print(name, told[name], flush=True)
        real = None if args.no_knock_outs else knock_outs(folder)
    page = HEAD + lines("Do true regulators come first?", ranks) + lines("What the page calls significant", told)
    if real is not None:
        page += "## Knock-outs (Papalexi)\n\n" + plain_table(real)
    if NOTES.is_file():
        page += "\n" + NOTES.read_text(encoding="utf-8")
    print(page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
