"""Prior knowledge of genes in predictions of genes that were never perturbed, beside shuffled gene names.

    python -m benchmarks.unseen_genes                    # all cases, five hold-outs each
    python -m benchmarks.unseen_genes --cases papalexi --seeds 0 1

Five seeds hold out every perturbed gene once, a fifth at a time. Priors are GO biological processes, Reactome,
CollecTRI and TRRUST; for simulated cells, whose genes are in none of these, the planted network. Shuffled: gene names
permuted, or edges rewired. Writes ``benchmarks/results/unseen_genes/`` and ``benchmarks/unseen_genes.md``, losers
included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.perturbation import dataset_of
from genediff.core.stats import MeanInterval, mean_interval
from genediff.data.simulation.planted import kept_truth
from genediff.knowledge.library import Library
from genediff.knowledge.network import make_network
from genediff.perturbation import BASELINES, BaselinePredictor, Task, fit_baselines
from genediff.perturbation.change_scores import WORSE_BY, score_changes
from genediff.perturbation.model.fit_response import fit_response
from genediff.perturbation.model.gene_priors import GenePriors, prior_of, priors_of
from genediff.perturbation.target_loss import without_targets

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "unseen_genes"
CASES = {
    "carpool": "CaRPool, single knock-downs",
    "papalexi": "Papalexi, single knock-outs",
    "simulated": "Simulated screen, single knock-outs",
}
FOLDS = 5
ROWS = {"none": "no priors", "priors": "priors", "shuffled": "priors, gene names permuted"}
HEAD = """# Gene priors for genes that were never perturbed

Written by `python -m benchmarks.unseen_genes`. Five hold-outs of a fifth of the perturbed genes each, every gene once.
Gain: r of predicted and measured change, less that of the simple baseline that is best *on these very genes*, the
perturbed gene itself left out; its 95% t interval is over held-out genes of all hold-outs. The best baseline is one
over all hold-outs of a screen; in the last column it is another one for each hold-out, which makes the luckiest of six
the one to beat. Worse: share of held-out genes whose r is lower than that of the one best baseline by more than 0.02.
Coverage: share of genes of held-out perturbations within the model's 90% interval, where it gives one (at least nine
perturbations left out in training).

| screen | model | held-out genes | r | best baseline | gain | worse | coverage | gain over the best of each hold-out |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def measure(case: str, row: str, seed: int, data: Path, home: Path) -> dict[str, object]:
    """Fit and judge one row of a case on one hold-out."""
    dataset = dataset_of(case, data, home)
    names = sorted({p.parts[0] for p in Task.of(dataset, scheme="cells").perturbations if len(p.parts) == 1})
    mixed = np.random.default_rng([seed // FOLDS, 73]).permutation(names)
    held = tuple(str(name) for name in mixed[seed % FOLDS :: FOLDS])
    task = Task.of(dataset, scheme="unseen_single", seed=seed, hold_out=held)
    task = replace(task, groups=tuple(group for group in task.groups if len(group.perturbation.parts) == 1))
    truth, priors, network = kept_truth(dataset), None, None
    if row != "none" and truth is None:
        priors = priors_of(Library(home / "knowledge"))
        priors = priors.shuffled(seed) if row == "shuffled" else priors
    elif row != "none":
        planted = make_network("planted", truth.edges)
        network = planted.shuffled(seed=seed) if row == "shuffled" else planted
        priors = GenePriors((prior_of(network, id="planted"),), {})
    model = fit_response(task, network=network, priors=priors, members=2, seed=seed)
    shifts = fit_baselines(task)
    scores = score_changes(task, [model, *map(BaselinePredictor, shifts.values())], baselines=tuple(shifts))
    covered = []
    for group in task.part("test"):
        if (ends := model.interval(group.perturbation, group.context)) is not None:
            keep, truth_ = without_targets(task, group.perturbation), task.delta(group)
            covered.append(float(((ends[0] <= truth_) & (truth_ <= ends[1]))[keep].mean()))
    weights = {} if model.identity.priors is None else dict(model.identity.priors.weights)
    return {
        "r": {str(name): column.tolist() for name, column in scores.wide.items()}, "model": model.name,
        "gains": scores.gains.tolist(), "covered": covered, "weights": weights,
        "weight": model.gates["single"].weight, "prior": model.gates["single"].recipe.prior,
    }  # fmt: skip


def results(case: str, row: str) -> list[dict[str, Any]]:
    """Return what was measured of a row, a hold-out each."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{case}-{row}-*.json"))]


def correlations(found: list[dict[str, Any]]) -> tuple[np.ndarray, dict[str, np.ndarray], str]:
    """Return r of a model over held-out genes, (gene,), that of each baseline, and the one that is best on them."""
    r = {name: np.concatenate([one["r"][name] for one in found]) for name in found[0]["r"]}
    own = r.pop(found[0]["model"])
    return own, r, max(r, key=lambda name: r[name].mean())


def write() -> None:
    """Write the page of what is there."""
    lines = []
    for case, title in CASES.items():
        for row, words in ROWS.items():
            found = results(case, row)
            if not found:
                continue
            own, r, best = correlations(found)
            gains = own - r[best]
            gain, each = mean_interval(gains), mean_interval(np.concatenate([one["gains"] for one in found]))
            covered = [share for one in found for share in one["covered"]]
            lines.append(
                f"| {title} | {words} | {len(gains)} in {len(found)} | {own.mean():.3f} | {r[best].mean():.3f} "
                f"{BASELINES[best].title} | {_words(gain)} | {(gains < -WORSE_BY).mean():.0%} | "
                f"{f'{np.mean(covered):.2f}' if covered else '–'} | {_words(each)} |"
            )
    PAGE.write_text(HEAD + "\n".join(lines) + "\n")


def _words(gain: MeanInterval) -> str:
    return f"{gain.mean:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"


def main() -> None:
    """Run the cases and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data/h5ad"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in chosen.seeds:
            for case in chosen.cases:
                for row in chosen.rows:
                    found = measure(case, row, seed, chosen.data, Path(folder))
                    (RESULTS / f"{case}-{row}-{seed}.json").write_text(json.dumps(found, indent=1) + "\n")
                    print(case, row, seed, found["gains"], found["weight"], found["weights"], flush=True)
                    write()


if __name__ == "__main__":
    main()
