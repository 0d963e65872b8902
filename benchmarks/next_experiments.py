"""Which perturbations to measure next: a finished screen replayed, design against random choice.

    python -m benchmarks.next_experiments                       # all screens, twenty replays each
    python -m benchmarks.next_experiments --cases papalexi --replays 5

A replay sets a third of the perturbed genes aside as the rest, which is only predicted. Of the others, a few are
measured at random; then one after the other is measured, chosen by a design or at random, and everything is fitted anew
(mean of the measured ones plus what genes that are alike by prior knowledge differ by). A design sees what was measured
so far and the names of all genes, no measured change of another. Writes ``benchmarks/next_experiments.md``, losers
included.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.perturbation import dataset_of
from benchmarks.unseen_genes import CASES
from genediff.core.stats import mean_interval, pearson
from genediff.data.simulation.planted import kept_truth
from genediff.knowledge.library import Library
from genediff.knowledge.network import make_network
from genediff.perturbation import Task
from genediff.perturbation.model.effect_matrices import effects_of
from genediff.perturbation.model.gene_priors import GenePriors, prior_of, priors_of
from genediff.perturbation.model.perturbation_identity import find_identity
from genediff.perturbation.model.prior_weights import STANDARD
from genediff.perturbation.model.regression import Regression
from genediff.perturbation.model.screen_overview import whole
from genediff.perturbation.target_loss import without_targets

if TYPE_CHECKING:
    from genediff.perturbation.model.effect_matrices import Effects
    from genediff.perturbation.model.perturbation_identity import Identity

PAGE = Path(__file__).with_suffix(".md")
DESIGNS = {
    "variance": "greatest fall of the posterior variance of all genes that are not measured",
    "effect": "the same, each gene weighted by its expected effect",
}
START, RANDOM = 5, 5
"""Perturbations that are measured first, and random choices that a design stands beside in each replay."""
HEAD = """# Which perturbations to measure next

Written by `python -m benchmarks.next_experiments`: finished screens replayed, a design against random choice. The error
is that of changes predicted for a third of the perturbed genes, which no choice can measure, averaged over the course
of {start} to two thirds of the screen; gain is how much lower it is than with random choice, relative to it, and by how
much the correlation is higher, each with its 95% t interval over replays (which share the screen, so the interval is of
choices and divisions, not of screens).

| screen | design | replays | error, random | error falls by | r, random | r rises by |
| --- | --- | --- | --- | --- | --- | --- |
"""
FOOT = """
A design counts as ahead where its error and its correlation are both better than random choice, intervals included. It
is ahead on {ahead} of {n} screens; the app would offer it from two on. {verdict}
"""


def replay(effects: Effects, identity: Identity, keep: np.ndarray, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Return (error, r) of the rest over the course of a replay, averaged, by design; ``keep`` (entry, gene) counts."""
    n = len(effects)
    order = draw.permutation(n)
    rest, pool = order[: n // 3], order[n // 3 :]
    steps = len(pool) - START
    found = {design: course(effects, identity, keep, pool, rest, steps, design, draw) for design in DESIGNS}
    chance = [course(effects, identity, keep, pool, rest, steps, "random", draw) for _ in range(RANDOM)]
    return found | {"random": np.mean(chance, axis=0)}


def course(
    effects: Effects, identity: Identity, keep: np.ndarray, pool: np.ndarray, rest: np.ndarray, steps: int, design: str,
    draw: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Measure one perturbation after the other, and return the mean (error, r) of the rest over half of the steps."""
    known, left, scores = list(pool[:START]), list(pool[START:]), []
    names = [items[0] for items in effects.items]
    alike = identity.prior_similarity(names, names)
    for _ in range(steps // 2):
        chosen = int(draw.integers(len(left))) if design == "random" else best(effects, alike, known, left, design)
        known.append(left.pop(chosen))
        model = Regression(effects.subset(known), identity, STANDARD)
        predicted = model.predict([effects.items[i] for i in rest], [effects.contexts[i] for i in rest])
        truth, counts = effects.change[rest], keep[rest]
        r = [float(pearson(a[on], b[on])) for a, b, on in zip(predicted, truth, counts, strict=True)]
        scores.append((float(((predicted - truth)[counts] ** 2).mean()), float(np.mean(r))))
    return np.mean(scores, axis=0)


def best(effects: Effects, alike: np.ndarray, known: list[int], left: list[int], design: str) -> int:
    """Return the place in ``left`` of the perturbation that would lower the variance of all unmeasured ones most."""
    noise = 1 + STANDARD.noise  # what a gene does by itself is noise to all others
    gain = np.linalg.solve(alike[np.ix_(known, known)] + noise * np.eye(len(known)), alike[known])
    open_ = alike - alike[:, known] @ gain  # posterior covariance, (gene, gene)
    weight = np.ones(len(alike))
    if design == "effect":
        size = np.linalg.norm(effects.change[known], axis=1)
        weight = np.maximum(size.mean() + gain.T @ (size - size.mean()), 0) ** 2
    unmeasured = np.setdiff1d(np.arange(len(alike)), known)
    falls = weight[unmeasured] @ open_[np.ix_(unmeasured, left)] ** 2 / (np.diag(open_)[left] + noise)
    return int(falls.argmax())


def screen_of(case: str, data: Path, home: Path) -> tuple[Effects, Identity, np.ndarray]:
    """Return a finished screen of single genes, what is known of them, and which genes count for each."""
    dataset = dataset_of(case, data, home)
    task = whole(Task.of(dataset, scheme="cells"))
    task = replace(task, groups=tuple(group for group in task.groups if len(group.perturbation.parts) == 1))
    truth = kept_truth(dataset)
    if truth is None:
        priors = priors_of(Library(home / "knowledge"))
    else:
        priors = GenePriors((prior_of(make_network("planted", truth.edges), id="planted"),), {"planted": 1.0})
    keep = np.stack([without_targets(task, group.perturbation) for group in task.part("train")])
    return effects_of(task), find_identity(task, None, priors), keep


def main() -> None:
    """Replay the screens and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data/h5ad"))
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    chosen = parser.parse_args()
    lines, ahead = [], dict.fromkeys(DESIGNS, 0)
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen.cases:
            screen = screen_of(case, chosen.data, Path(folder))
            found = [replay(*screen, np.random.default_rng([seed, 71])) for seed in range(chosen.replays)]
            chance = np.array([one["random"] for one in found])  # (replay, score)
            for design, words in DESIGNS.items():
                own = np.array([one[design] for one in found])
                falls, rises = mean_interval(1 - own[:, 0] / chance[:, 0]), mean_interval(own[:, 1] - chance[:, 1])
                ahead[design] += falls.low > 0 and rises.low > 0
                lines.append(
                    f"| {CASES[case]} | {words} | {len(own)} | {chance[:, 0].mean():.4f} | {falls.mean:+.1%} "
                    f"({falls.low:+.1%} to {falls.high:+.1%}) | {chance[:, 1].mean():.3f} | {rises.mean:+.3f} "
                    f"({rises.low:+.3f} to {rises.high:+.3f}) |"
                )
                print(lines[-1], flush=True)
    most = max(ahead.values())
    verdict = "So it may be offered." if most >= 2 else "So it is not offered."
    foot = FOOT.format(ahead=most, n=len(chosen.cases), verdict=verdict)
    PAGE.write_text(HEAD.format(start=START) + "\n".join(lines) + "\n" + foot)


if __name__ == "__main__":
    main()
