"""Which way of inferring a network finds the edges that are there? On planted truth and on ChIP-seq, in one run.

    python -m benchmarks.network_inference             # the tables, also into network_inference.md

Scores are judged over all pairs of a regulator with at least one true edge and a gene with at least one true regulator.
The early precision ratio is the share of true edges among as many top pairs as there are true edges, over the share of
true edges among all pairs; the AUPRC ratio is average precision over the same share: 1 is chance. "Shuffled" judges the
same scores against networks of the same degrees (mean of five). Seconds are of one core on a shared machine.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.metrics import average_precision_score

from genediff.data.simulation.simulate import simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.knowledge.infer import in_context, ridge_weights
from genediff.knowledge.network import Network, make_network
from genediff.knowledge.read_network import read_network
from genediff.workspace import DEMO_DATASET, Workspace

HERE = Path(__file__).resolve().parent
CHIP = HERE.parents[1] / "shared" / "data" / "networks" / "omnipath_encode_chip.tsv"


def correlation(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    return z[:, acting].T @ z / len(z)  # (regulator, gene)


def correlated(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    return np.abs(correlation(z, acting))


def correlated_in_context(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    return in_context(correlated(z, acting), acting)


def ridge(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    return np.abs(ridge_weights(correlation(z, acting), acting))


def ours(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    return in_context(ridge(z, acting), acting)


def stable(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """Mean over ten random halves of the cells."""
    draw = np.random.default_rng(0)
    halves = (draw.choice(len(z), len(z) // 2, replace=False) for _ in range(10))
    return np.mean([ours(z[half], acting) for half in halves], axis=0)


def trees(z: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """GENIE3 (Huynh-Thu et al. 2010, doi:10.1371/journal.pone.0012776) with 50 extremely randomised trees per gene."""
    score = np.zeros((len(acting), z.shape[1]))
    for gene in range(z.shape[1]):
        rows = np.flatnonzero(acting != gene)
        forest = ExtraTreesRegressor(50, max_features="sqrt", min_samples_leaf=5, random_state=0)
        score[rows, gene] = forest.fit(z[:, acting[rows]], z[:, gene]).feature_importances_
    return score


FAST = {
    "correlation": correlated,
    "correlation in context (CLR)": correlated_in_context,
    "ridge": ridge,
    "ridge in context (ours)": ours,
    "ours, mean of 10 halves": stable,
}
ALL = {**FAST, "GENIE3, 50 trees": trees}


def standardised(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread > 1e-8, spread, np.inf)


def known(network: Network, genes: tuple[str, ...], acting: np.ndarray) -> np.ndarray:
    """Return the network as a mask (regulator, gene)."""
    row = {int(gene): number for number, gene in enumerate(acting)}
    mask = np.zeros((len(acting), len(genes)), dtype=bool)
    for source, target in network.indices(genes).T:
        if int(source) in row:
            mask[row[int(source)], target] = True
    return mask


def judge(score: np.ndarray, truth: np.ndarray, asked: np.ndarray) -> tuple[float, float]:
    """Return the early precision ratio and the AUPRC ratio over the pairs that are asked about."""
    values, labels = score[asked], truth[asked]
    top = np.argsort(-values, kind="stable")[: int(labels.sum())]
    return labels[top].mean() / labels.mean(), average_precision_score(labels, values) / labels.mean()


def compare(
    x: np.ndarray, genes: tuple[str, ...], regulators: tuple[str, ...], network: Network, methods: dict
) -> tuple[dict[str, list[float]], str]:
    """Return per method EPR, AUPRC ratio, both for shuffled truth, and seconds; and what was asked in words."""
    network, z = network.within(genes), standardised(np.asarray(x, dtype=np.float64))
    acting = np.flatnonzero(pd.Index(genes).isin(regulators))
    truth = known(network, genes, acting)
    asked = truth.any(axis=1)[:, None] & truth.any(axis=0)[None]
    asked[np.arange(len(acting)), acting] = False
    controls = [known(network.shuffled(seed=seed), genes, acting) for seed in range(5)]
    rows = {}
    for name, method in methods.items():
        start = time.perf_counter()
        score = method(z, acting)
        seconds = time.perf_counter() - start
        chance = np.mean([judge(score, control, asked) for control in controls], axis=0)
        rows[name] = [*judge(score, truth, asked), *chance, seconds]
    n_known = int(truth.any(axis=1).sum())
    said = (
        f"{len(z):,} cells, {len(genes):,} genes, {len(acting)} regulators ({n_known} with a true edge); "
        f"{int(truth[asked].sum()):,} true of {int(asked.sum()):,} pairs"
    )
    return rows, said


def planted(config: TruthConfig, *, n_cells: int, seeds: range, methods: dict) -> tuple[dict, str]:
    """Return means over simulated worlds."""
    found, said = [], ""
    for seed in seeds:
        truth = draw_truth(config, seed=seed)
        counts = simulate(truth, n_cells=n_cells, seed=seed).X.toarray()
        x = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4)
        rows, said = compare(x, truth.genes, truth.regulators, make_network("truth", truth.edges), methods)
        found.append(rows)
    mean = {name: list(np.mean([rows[name] for rows in found], axis=0)) for name in methods}
    return mean, f"{said}; mean of {len(found)} worlds, the last one's numbers"


def table(title: str, rows: dict[str, list[float]], said: str) -> str:
    head = "| method | early precision ratio | AUPRC ratio | shuffled: early | shuffled: AUPRC | seconds |\n"
    head += "|---|---|---|---|---|---|\n"
    body = "".join(
        f"| {name} | {row[0]:.2f} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.2f} | {row[4]:.1f} |\n"
        for name, row in rows.items()
    )
    return f"## {title}\n\n{said}.\n\n{head}{body}"


def main() -> None:
    small, large = TruthConfig(n_genes=150, n_regulators=15), TruthConfig(n_genes=1000, n_regulators=60)
    parts = [
        table("Planted, small", *planted(small, n_cells=800, seeds=range(3), methods=ALL)),
        table("Planted, larger", *planted(large, n_cells=1500, seeds=range(3), methods=FAST)),
    ]
    workspace = Workspace()
    dataset, library = workspace.open_dataset(DEMO_DATASET), workspace.library()
    known_networks = {"CollecTRI": library.network("collectri")}
    if CHIP.is_file():
        known_networks["ENCODE ChIP-seq"] = read_network(CHIP).network
    x = dataset.x("train").toarray()
    for title, network in known_networks.items():
        found = compare(x, dataset.genes, library.regulators(), network, FAST)
        parts.append(table(f"Blood cells (pbmc3k) against {title}", *found))
    about = __doc__.split("\n\n", 2)[2].strip()
    text = f"# Inferring a network from cells\n\n{about}\n\n" + "\n".join(parts)
    notes = HERE / "network_inference_notes.md"
    if notes.is_file():
        text += "\n" + notes.read_text(encoding="utf-8")
    print(text)
    (HERE / "network_inference.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
