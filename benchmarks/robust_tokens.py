"""Do tokens of a cell survive thinner sequencing and another training?

    python -m benchmarks.robust_tokens [--data pbmc3k kang] [--seeds 0 1 2] [--table]

The first stage of each strategy (preset *quick*, latent space) is trained from several seeds on the same cells. Cells
are described by the principal components of their tokens within the training cells; the baseline is those of
log-normalised expression. Measured on test cells:

- *thinner*: which label the 15 nearest training cells have, with 100, 50, 25 and 10 % of a test cell's molecules
  (training cells stay whole); balanced accuracy.
- *again*: each token's activity correlated with that of its namesake, or else of its most similar token, in a training
  from another seed; partners are chosen on training cells, r is of test cells within labels. Expression itself
  would have 1, tokens that mean nothing about 0. Of the MLP the numbers of its vector stand for tokens.

Writes ``benchmarks/results/robust_tokens/`` and ``benchmarks/robust_tokens.md``.
"""

from __future__ import annotations

import json
import os
from itertools import combinations
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.resumable import HERE, dataset_of, parser, train
from genediff.inspection.regulation.interventions import centred
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel

ROWS = {
    "expression": "log-normalised expression, no model",
    "mlp": "MLP (no tokens)",
    "latent": "latent tokens",
    "pathway": "pathway tokens",
    "rank": "rank tokens",
    "latent_pathway": "pathway + latent tokens",
}
SHARES = (1.0, 0.5, 0.25, 0.1)
NEIGHBOURS, COMPONENTS, BLOCK = 15, 30, 512
HEAD = """# Tokens under thinner sequencing and another training

Written by `python -m benchmarks.robust_tokens`, whose head says what was done. Mean ± standard deviation over trainings
from different seeds on the same cells.

"""


def tokens_of(model: GenerativeModel, dataset: Dataset, rows: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Return the tokens of cells of which a share of the molecules was read, (cell, token, channel)."""
    cells, found = read_cells(model, dataset), []
    for block in np.array_split(rows, max(1, len(rows) // BLOCK)):
        counts = thinned(cells.measured[block].toarray(), share)
        x, _ = cells.standardised(torch.from_numpy(counts))
        with torch.no_grad():
            found.append(model.tokenizer.posterior(x).mean.numpy())
    return np.concatenate(found)


def thinned(counts: np.ndarray, share: float) -> np.ndarray:
    """Read each molecule with the same chance."""
    if share == 1:
        return counts.astype(np.float32)
    return np.random.default_rng(0).binomial(counts.astype(int), share).astype(np.float32)


def expression_of(dataset: Dataset, rows: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Return log-normalised expression of cells of which a share of the molecules was read, (cell, gene, 1)."""
    counts = thinned(dataset.measured()[rows].toarray(), share)
    return np.log1p(1e4 * counts / np.maximum(counts.sum(1, keepdims=True), 1))[:, :, None]


def accuracies(dataset: Dataset, known: np.ndarray, test: dict[float, np.ndarray]) -> dict[str, float]:
    """Return balanced accuracies of nearest training cells from tokens of training cells and of test cells."""
    train_rows, test_rows = dataset.rows("train"), dataset.rows("test")
    labels = dataset.codes(dataset.info.label)
    flat = known.reshape(len(known), -1)
    space = PCA(min(COMPONENTS, flat.shape[1]), random_state=0).fit(flat)
    at, of = space.transform(flat), {share: space.transform(one.reshape(len(one), -1)) for share, one in test.items()}
    nearest = KNeighborsClassifier(NEIGHBOURS).fit(at, labels[train_rows])
    return {
        f"{share:.0%}": float(balanced_accuracy_score(labels[test_rows], nearest.predict(one)))
        for share, one in of.items()
    }


def activities(known: np.ndarray, test: np.ndarray, groups: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """Return one number per token and cell, less the mean of the cell's label, of training and of test cells."""
    if known.shape[1] == 1:  # a flat vector
        known, test = known.transpose(0, 2, 1), test.transpose(0, 2, 1)
    first = []
    for token in range(known.shape[1]):
        space = PCA(1, random_state=0).fit(known[:, token])
        first.append([space.transform(one[:, token])[:, 0] for one in (known, test)])
    return [centred(np.stack(one, axis=1), group) for one, group in zip(zip(*first, strict=True), groups, strict=True)]


def again(one: list[np.ndarray], other: list[np.ndarray], *, named: bool) -> float:
    """Return the mean |r| over tokens of two trainings, in test cells; partners are chosen in training cells."""
    n = one[0].shape[1]
    across = [np.abs(np.nan_to_num(np.corrcoef(a.T, b.T)[:n, n:])) for a, b in zip(one, other, strict=True)]
    partner = np.arange(n) if named else linear_sum_assignment(-across[0])[1]
    return float(across[1][np.arange(n), partner].mean())


def measure(data: str, row: str, seeds: list[int], home: Path) -> dict[str, Any]:
    """Train a strategy from each seed, and measure its tokens."""
    dataset = dataset_of(data, 0, Workspace(home))
    train_rows, test_rows = dataset.rows("train"), dataset.rows("test")
    labels = dataset.codes(dataset.info.label)
    groups = labels[train_rows], labels[test_rows]
    if row == "expression":
        test = {share: expression_of(dataset, test_rows, share) for share in SHARES}
        return {"seeds": [accuracies(dataset, expression_of(dataset, train_rows), test)], "again": []}
    found, parts, named = [], [], False
    for seed in seeds:
        run = preset_run("quick", dataset.info, strategy=row, space="latent", seed=seed)
        run = run.model_copy(update={"train": run.train.model_copy(update={"steps": 1, "validate_every": 1})})
        folder = home / "robust_tokens" / f"{data}-{row}-{seed}"
        if not (folder / "model" / "model.json").exists():
            train(run, dataset, folder, f"{data}-{row}-{seed}")
        model = load_model(folder / "model", device="cpu")
        known = tokens_of(model, dataset, train_rows)
        test = {share: tokens_of(model, dataset, test_rows, share) for share in SHARES}
        found.append(accuracies(dataset, known, test))
        parts.append(activities(known, test[1.0], groups))
        named = row == "pathway"
    return {"seeds": found, "again": [again(*pair, named=named) for pair in combinations(parts, 2)]}


def table(results: Path) -> str:
    """Return the Markdown tables of all results that are there."""
    lines: list[str] = []
    for data in sorted({path.stem.split("_")[0] for path in results.glob("*.json")}):
        columns = [f"{share:.0%}" for share in SHARES]
        head = ["tokens of", *(f"accuracy, {one}" for one in columns), "again, r"]
        lines += [f"## {data}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for row, title in ROWS.items():
            if (path := results / f"{data}_{row}.json").exists():
                one = json.loads(path.read_text())
                shown = [_spread([seed[column] for seed in one["seeds"]]) for column in columns]
                lines.append(f"| {title} | {' | '.join(shown)} | {_spread(one['again']) if one['again'] else '–'} |")
        lines.append("")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")


def main() -> None:
    """Measure what is missing, and write the page."""
    ask = parser(__doc__, "robust_tokens", data=["pbmc3k"])
    ask.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    ask.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    asked = ask.parse_args()
    torch.set_num_threads(1)
    asked.results.mkdir(parents=True, exist_ok=True)
    for data in () if asked.table else asked.data:
        for row in asked.rows:
            path = asked.results / f"{data}_{row}.json"
            if not path.exists():
                path.write_text(json.dumps(measure(data, row, asked.seeds, asked.home), indent=1) + "\n")
                print(path.name, path.read_text(), flush=True)
    page = HEAD + table(asked.results)
    (HERE / "robust_tokens.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
