"""Write what tokenizations are good for, as Compare shows it, from what benchmarks measured.

    python -m scripts.demo_experiments

Reads ``benchmarks/results/`` (count_space, limited_data, controls, regulation_power, unseen_genes, rank_order,
robust_tokens, compute) and writes ``assets/comparisons/experiments.json``.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import compute, controls, count_space, limited_data, robust_tokens, unseen_genes
from genediff.comparison.experiments import FILE, Difference, Experiment, Experiments
from genediff.core.json_files import write_json
from genediff.core.stats import false_discovery_rates

RESULTS = Path(limited_data.RESULTS).parent
N_GENES = 300  # of the simulated cells
DEPTH = 100  # molecules that are read of a real cell
TITLES = {"grn_latent": "GRN + latent tokens"}
NATS = "thousandths of a nat per molecule"
NOT_MEASURED = (
    "Another species, or a data set from another laboratory, for every strategy (of pathway tokens one model was "
    "tried).",
    "Other batches and donors, for every strategy.",
)


def interval(values: Any) -> tuple[float, float, float]:
    """Return a mean and its 95% t interval over seeds or cases."""
    ends = stats.ttest_1samp(values, 0).confidence_interval()
    return float(np.mean(values)), float(ends.low), float(ends.high)


def curve(name: str, x: list[Any], values: list[Any], kind: str = "strategy") -> dict[str, Any]:
    """Return a curve from the values of seeds or cases at each place."""
    y, low, high = zip(*map(interval, values), strict=True)
    return {"name": name, "x": x, "y": y, "low": low, "high": high, "kind": kind}


def difference(row: str, against: str, where: str, gaps: Any) -> dict[str, Any]:
    """Return a paired difference and its p-value, in place of the FDR until all are there."""
    gaps = np.asarray(gaps, dtype=float)
    p = float(stats.ttest_1samp(gaps, 0).pvalue)
    return {"row": row, "against": against, "where": where, "difference": float(gaps.mean()),
            "sd": float(gaps.std(ddof=1)), "n": len(gaps), "fdr": p}  # fmt: skip


def sentence(words: str) -> str:
    """Return words with a capital at their beginning."""
    return words[:1].upper() + words[1:]


def real_cells() -> dict[str, Any]:
    """What the tokens of each strategy add on real cells to what genes say one by one, trained to its plateau."""
    data = {"pbmc3k": "2,700 blood cells", "kang": "Kang's blood cells, half with interferon",
            "papalexi": "Papalexi's THP-1 cells, knocked out, 299 genes"}  # fmt: skip
    curves, tests = [], []
    for name, title in data.items():
        files = {row: RESULTS / "count_space" / f"{name}-{row}.json" for row in count_space.STRATEGIES}
        rows = [row for row, path in files.items() if path.exists()]
        titles = [sentence(TITLES.get(row) or compute.ROWS[row]) for row in rows]
        found = [json.loads(files[row].read_text())["nats"] for row in rows]
        at = [next(depth for depth in one if depth["depth"] == DEPTH) for one in found]
        ends = {end: [1000 * one["over_start"][end] for one in at] for end in ("mean", "low", "high")}
        curves.append({"name": title, "x": titles, "y": ends["mean"], "low": ends["low"], "high": ends["high"],
                       "kind": "strategy"})  # fmt: skip
        for row, one, mean, high in zip(titles, at, ends["mean"], ends["high"], strict=True):
            error = (high - mean) / stats.t.ppf(0.975, one["n_cells"] - 1)
            p = float(2 * stats.t.sf(abs(mean) / error, one["n_cells"] - 1))
            tests.append({"row": row, "against": "genes one by one", "where": title, "difference": mean,
                          "sd": error * one["n_cells"] ** 0.5, "n": one["n_cells"], "fdr": p})  # fmt: skip
    return {
        "id": "real-cells",
        "question": "Do tokens add anything on real cells?",
        "data": "Test cells of three data sets; models in count space, each trained once with its quick preset until "
        "validation cells were no longer likelier.",
        "x_title": "tokenization",
        "y_title": "gain over genes one by one<br>(thousandths of a nat per molecule)",
        "unit": NATS,
        "curves": curves,
        "tests": tests,
        "how_to_read": f"Held-out cells are read to {DEPTH} molecules, and the next ones predicted; above 0 is better "
        "than where the same model started: sub-clusters of each type, and what each gene says by itself. Bars: 95% "
        "intervals over cells; another training would move each point.",
        "benchmark": "count_space",
    }


def few_cells() -> dict[str, Any]:
    """Gains over the flat vector by how many cells were trained on, paired over seeds."""
    found = limited_data.results()
    sizes = sorted({size for _, size in found})
    curves, tests = [], []
    for row, (title, _, shuffled) in limited_data.ROWS.items():
        there = {size: gap for size in sizes if len(gap := limited_data.gaps(found, row, "mlp", size)) > 1}
        if row != "mlp" and there:
            curves.append(
                curve(sentence(title), list(there), list(there.values()), "control" if shuffled else "strategy")
            )
    for row, others in limited_data.AGAINST.items():
        for other, size in product(others, sizes):
            if len(gap := limited_data.gaps(found, row, other, size)) > 1:
                titles = sentence(limited_data.ROWS[row][0]), limited_data.ROWS[other][0]
                tests.append(difference(*titles, f"{size:,} cells", gap))
    n = max(len(one) for one in found.values())
    return {
        "id": "few-training-cells",
        "question": "Do tokens help where cells are few?",
        "data": f"Simulated cells of {N_GENES} genes with known pathways and a known network, {n} seeds; models in "
        "count space.",
        "x_title": "training cells",
        "y_title": "gain over the MLP<br>(thousandths of a nat per molecule)",
        "unit": NATS,
        "curves": curves,
        "tests": tests,
        "how_to_read": "Held-out cells are read to 100 molecules, and the next ones predicted; above 0 is better than "
        "the MLP of the same seed. Dashed: the same sets or edges, shuffled. Bars: 95% t intervals over seeds, each "
        "with other cells.",
        "benchmark": "limited_data",
    }


def planted_or_shuffled() -> dict[str, Any]:
    """What the right sets or edges add to shuffled ones, by depth, with many cells."""
    curves, tests = [], []
    for case in ("grn-counts", "pathway-counts"):
        title = controls.CASES[case][0].replace(", count space", "")
        found = [json.loads(path.read_text()) for path in sorted(controls.RESULTS.glob(f"{case}-*.json"))]
        gaps = {
            d: [one["shuffled"][f"nats_{d}"] - one["planted"][f"nats_{d}"] for one in found] for d in controls.DEPTHS
        }
        curves.append(curve(sentence(title), list(gaps), list(gaps.values())))
        tests += [
            difference(f"{sentence(title)}, planted", "shuffled", f"{d} molecules", gap) for d, gap in gaps.items()
        ]
    return {
        "id": "planted-or-shuffled",
        "question": "Does the right knowledge beat shuffled knowledge?",
        "data": "Simulated cells as above, 1,200 for training, five seeds; models in count space.",
        "x_title": "molecules read of a cell",
        "y_title": "planted less shuffled<br>(thousandths of a nat per molecule)",
        "unit": NATS,
        "curves": curves,
        "tests": tests,
        "how_to_read": "Above 0, the model built on the true sets or edges predicts held-out cells better than "
        "one built on "
        "as many shuffled ones. Bars: 95% t intervals over seeds. On 2,700 blood cells no such difference was "
        "detected (the "
        "comparison that ships).",
        "benchmark": "controls",
    }


def unseen_genes_gain() -> dict[str, Any]:
    """Gain in r over the best simple baseline, for genes that were never perturbed, with and without priors."""
    titles = {"priors": "With knowledge of genes", "shuffled": "Gene names permuted", "none": "Without knowledge"}
    kinds = {"priors": "strategy", "shuffled": "control", "none": "baseline"}
    gains: dict[tuple[str, str], np.ndarray] = {}
    for case, row in product(unseen_genes.CASES, titles):
        own, r, best = unseen_genes.correlations(unseen_genes.results(case, row))
        gains[case, row] = own - r[best]
    names = {case: title.split(",")[0] for case, title in unseen_genes.CASES.items()}
    curves = [curve(title, list(names.values()), [gains[case, row] for case in names], kinds[row])
              for row, title in titles.items()]  # fmt: skip
    who = "Predictions with knowledge of genes"
    tests = [difference(who, "the best simple baseline", name, gains[case, "priors"]) for case, name in names.items()]
    tests += [difference(who, "permuted gene names", name, gains[case, "priors"] - gains[case, "shuffled"])
              for case, name in names.items()]  # fmt: skip
    return {
        "id": "genes-never-perturbed",
        "question": "Can a knock-out be predicted that was never measured?",
        "data": "Three screens, every gene held out once in five hold-outs; CaRPool's cell-to-cell noise is simulated.",
        "x_title": "screen",
        "y_title": "gain in r over the best simple baseline",
        "unit": "in r",
        "curves": curves,
        "tests": tests,
        "how_to_read": "r of predicted and measured change over genes, less that of the baseline that is best on "
        "these very "
        "genes. In the simulated screen the knowledge is the network that the cells were drawn from, so it shows "
        "what is "
        "possible, not what to expect. Bars: 95% t intervals over held-out genes.",
        "benchmark": "unseen_genes",
    }


def planted_edges() -> dict[str, Any]:
    """Share of planted edges, and of unrelated ones, that Regulation supports, by how many cells are tested."""
    curves = []
    for space, title in (("counts", "count space"), ("gene", "gene space")):
        for trained, edges, name, kind in (
            ("planted", "planted", f"Planted edges, {title}", "strategy"),
            ("shuffled", "unrelated", f"Unrelated edges of a shuffled network, {title}", "control"),
        ):
            found = {}
            for path in (RESULTS / "regulation_power").glob(f"{space}-{trained}-*.json"):
                one = json.loads(path.read_text())
                found[one["cells"]] = one["edges"][edges]
            shares = [stats.binomtest(round(found[n]["found"] * found[n]["n"]), found[n]["n"]) for n in sorted(found)]
            ends = [share.proportion_ci(method="wilson") for share in shares]
            curves.append({"name": name, "x": sorted(found), "y": [100 * one.statistic for one in shares],
                           "low": [100 * one.low for one in ends], "high": [100 * one.high for one in ends],
                           "kind": kind})  # fmt: skip
    return {
        "id": "planted-edges",
        "question": "Are the edges that a cell was drawn from found again?",
        "data": "GRN tokens trained on simulated cells of 24 regulators and 392 edges; one model each.",
        "x_title": "cells tested",
        "y_title": "edges supported (%)",
        "unit": "%",
        "curves": curves,
        "tests": [],
        "how_to_read": "Share of edges for which the regulator's true value predicts its target better than "
        "another cell's "
        "(FDR below 5%). Dashed: edges that link genes without any connection, in a model of the shuffled "
        "network; they "
        "should stay at 0. Bars: 95% Wilson intervals over edges. With fewer than some hundred cells little is found.",
        "benchmark": "regulation_power",
        "summary": _edges_found(curves),
    }


def _edges_found(curves: list[dict[str, Any]]) -> str:
    planted, unrelated = curves[0], curves[1]
    return (
        f"With {planted['x'][-1]} cells {planted['y'][-1]:.0f}% of planted edges are supported in count space, and "
        f"{unrelated['y'][-1]:.1f}% of edges between unrelated genes; with {planted['x'][0]} cells "
        f"{planted['y'][0]:.0f}%."
    )


def order_of_genes() -> dict[str, Any]:
    """What the order of a rank sequence is worth."""
    found = json.loads((RESULTS / "rank_order" / "pbmc3k-order.json").read_text())
    ends = {"All that tokens say": found["gain"], "Their order alone": found["cost"]}
    return {
        "id": "order-of-genes",
        "question": "Do rank tokens use the order of genes?",
        "data": f"2,700 blood cells, {found['n_cells']} test cells, one model in latent space.",
        "x_title": "what is taken away",
        "y_title": "cost (nats per cell)",
        "unit": "nats per cell",
        "curves": [{"name": "Rank tokens", "x": list(ends), "y": [one[0] for one in ends.values()],
                    "low": [one[1] for one in ends.values()], "high": [one[2] for one in ends.values()],
                    "kind": "strategy"}],
        "tests": [],
        "how_to_read": "How much worse held-out counts are predicted from the average cell instead of the tokens, "
        "and from "
        "tokens whose ranks were shuffled. The order is used, for about a fortieth of what tokens say. Bars: 95% "
        "intervals "
        "over cells.",
        "benchmark": "rank_order",
        "summary": f"Shuffling the order costs {found['cost'][0]:.1f} of the {found['gain'][0]:.0f} nats per cell that "
        f"tokens gain ({found['cost'][0] / found['gain'][0]:.0%}).",
    }  # fmt: skip


def robust_results() -> dict[str, dict[str, Any]]:
    """Return what was measured of tokens on blood cells, by row."""
    folder = RESULTS / "robust_tokens"
    return {
        row: json.loads(path.read_text())
        for row in robust_tokens.ROWS
        if (path := folder / f"pbmc3k_{row}.json").exists()
    }


def thinner_cells() -> dict[str, Any]:
    """How well the type of a cell is predicted from its tokens when fewer of its molecules were read."""
    shares = [f"{share:.0%}" for share in robust_tokens.SHARES]
    curves, tests = [], []
    accuracy = {
        row: {share: np.array([100 * seed[share] for seed in one["seeds"]]) for share in shares}
        for row, one in robust_results().items()
    }
    for row, own in accuracy.items():
        title = sentence(robust_tokens.ROWS[row])
        if row == "expression":
            y = [float(own[share][0]) for share in shares]
            curves.append({"name": title, "x": shares, "y": y, "low": y, "high": y, "kind": "baseline"})
            continue
        curves.append(curve(title, shares, list(own.values())))
        others = {"expression": "log-normalised expression", "mlp": "the MLP"}
        tests += [
            difference(title, others[other], f"{share} of the molecules", own[share] - accuracy[other][share])
            for other, share in product(others, shares[2:])
            if row != "mlp" or other != "mlp"
        ]
    return {
        "id": "thinner-sequencing",
        "question": "Is a cell still recognised when it was sequenced less deeply?",
        "data": f"Test cells of 2,700 blood cells; {len(accuracy['mlp']['100%'])} trainings from different seeds, in "
        "latent space.",
        "x_title": "molecules kept of a test cell",
        "y_title": "balanced accuracy of cell types (%)",
        "unit": "points",
        "curves": curves,
        "tests": tests,
        "how_to_read": "The type of the 15 nearest training cells, by tokens; training cells stay whole. Balanced "
        "accuracy: every type counts alike. Bars: 95% t intervals over trainings; expression without a model has none. "
        "Other cells would change all of them.",
        "benchmark": "robust_tokens",
    }


def another_training() -> dict[str, Any]:
    """Whether a token means the same after another training."""
    found = {row: one["again"] for row, one in robust_results().items() if one["again"]}
    names = [sentence(robust_tokens.ROWS[row]) for row in found]
    made = curve("Tokens of two trainings", names, list(found.values()))
    means = ", ".join(f"{robust_tokens.ROWS[row]} {np.mean(values):.2f}" for row, values in found.items())
    return {
        "id": "another-training",
        "question": "Do tokens mean the same after another training?",
        "data": f"The same trainings, in {len(found['mlp'])} pairs; the same test cells.",
        "x_title": "tokens",
        "y_title": "|r| of a token and its counterpart",
        "unit": "in r",
        "curves": [made],
        "tests": [],
        "how_to_read": "Activities of a token and its counterpart in another training, correlated within cell types. "
        "Pathway tokens are paired by name, all others by likeness in training cells, so these have a choice of "
        "partners. 1: the same; near 0: nothing alike. Bars: 95% t intervals over pairs.",
        "benchmark": "robust_tokens",
        "summary": f"Mean |r|: {means}.",
    }


def cpu_time() -> dict[str, Any]:
    """What each tokenization has learned after so many CPU-seconds."""
    found, curves, tests = compute.results(), [], []
    for row, title in compute.ROWS.items():
        if own := found.get(row):
            gains = {s: np.array([own[seed][str(s)] for seed in sorted(own)]) for s in compute.SECONDS}
            curves.append(
                curve(sentence(title), list(gains), list(gains.values()), "baseline" if row == "mlp" else "strategy")
            )
            if row != "mlp":
                flat = {s: np.array([found["mlp"][seed][str(s)] for seed in sorted(own)]) for s in compute.SECONDS}
                tests += [
                    difference(sentence(title), "the MLP", f"{s} CPU-seconds", gains[s] - flat[s])
                    for s in (compute.SECONDS[0], compute.SECONDS[-1])
                ]
    return {
        "id": "cpu-time",
        "question": "What does a second of training buy?",
        "data": f"Simulated cells of {N_GENES} genes with known pathways and a known network, {compute.SIZE:,} for "
        f"training, {len(found['mlp'])} seeds; models in count space.",
        "x_title": "CPU-seconds of training",
        "y_title": "gain over independent genes<br>(thousandths of a nat per molecule)",
        "unit": NATS,
        "curves": curves,
        "tests": tests,
        "how_to_read": "All start from the same closed form; one that ended before keeps its last figure, and most "
        "were still improving at the last. Bars: 95% t intervals over seeds, each with other cells.",
        "benchmark": "compute",
    }


def main() -> None:
    """Gather, correct for the number of tests, and write."""
    made = [
        real_cells(), few_cells(), planted_or_shuffled(), unseen_genes_gain(), planted_edges(), order_of_genes(),
        thinner_cells(), another_training(), cpu_time(),
    ]  # fmt: skip
    tests = [test for one in made for test in one["tests"]]
    for test, rate in zip(tests, false_discovery_rates(np.array([test["fdr"] for test in tests])), strict=True):
        test["fdr"] = float(rate)
        Difference.model_validate(test)
    found = Experiments(experiments=tuple(map(Experiment.model_validate, made)), not_measured=NOT_MEASURED)
    write_json(FILE, json.loads(found.model_dump_json()))
    for one in found.experiments:
        print(one.question, *one.answers(), sep="\n  ")


if __name__ == "__main__":
    main()
