"""What each tokenization adds to independent genes and to a mixture of sub-clusters, in count space.

    python -m benchmarks.count_space --data pbmc3k kang --rows mixture grn mlp latent pathway rank
    python -m benchmarks.count_space --table       # the table of all results so far, also into count_space.md

Every strategy is trained in count space with its quick preset until validation cells are no longer likelier for it, on
the first split; cells are drawn for the labels of the test cells and judged by `genediff.evaluation.evaluate`, nats by
`genediff.evaluation.held_out_nats`. The rows ``independent`` and ``mixture`` are closed forms, ``quick`` is the quick
preset of latent tokens in latent space, and ``-shuffled`` rows are shuffled controls. Each result is one JSON file.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

from benchmarks.resumable import HERE, measure_missing, parser, train
from genediff.evaluation import evaluate
from genediff.evaluation.held_out_nats import held_out_nats
from genediff.models.count_mixture import fit_count_mixture
from genediff.models.load_model import load_model
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

CLOSED = ("independent", "mixture")
LATENT_SPACE = "quick"
SHUFFLED = "-shuffled"
STRATEGIES = ("mlp", "latent", "pathway", "grn", "rank", "latent_pathway", "grn_latent")
CONTROLS = tuple(name + SHUFFLED for name in ("pathway", "grn", "latent_pathway", "grn_latent"))
ROWS = (*CLOSED, LATENT_SPACE, *STRATEGIES, *CONTROLS)
MARK = "## All rows, as `python -m benchmarks.count_space` wrote them"
METRICS = ("c2st_pcs", "c2st_genes", "w2_debiased", "precision", "recall", "train_ratio")


def closed_form(dataset, row: str) -> tuple[AnnData, dict[str, float]]:
    """Fit a closed form and draw a cell for each test cell; return the cells and what they cost."""
    names = list(dataset.info.conditions)
    levels = [dataset.vocabulary(name) for name in names]
    codes = {
        split: np.stack(
            [np.where((c := dataset.codes(n, split)) < 0, len(v), c) for n, v in zip(names, levels, strict=True)], 1
        )
        for split in ("train", "validation", "test")
    }
    wall = time.process_time()
    sizes = {"cluster_sizes": (0,)} if row == "independent" else {}
    mixture = fit_count_mixture(
        dataset.counts("train"),
        codes["train"],
        [len(v) for v in levels],
        held_out=dataset.counts("validation"),
        held_out_codes=codes["validation"],
        **sizes,
    )
    fitted = time.process_time()
    counts = mixture.generate(codes["test"], seed=1)
    drawn = time.process_time()
    cells = AnnData(counts.astype(np.float32), obs=test_labels(dataset, names))
    cells.var_names = list(dataset.genes)
    return cells, {"cpu_seconds": fitted - wall, "cells_per_second": cells.n_obs / (drawn - fitted)}


def trained(
    dataset, row: str, folder: Path, steps: int | None, minutes: float | None
) -> tuple[AnnData, dict[str, object]]:
    """Train a strategy and draw a cell for each test cell; return the cells, what they cost, and held-out nats."""
    names = tuple(dataset.info.conditions)
    if row == LATENT_SPACE:
        run = preset_run("quick", dataset.info, conditions=names)
    else:
        run = preset_run("quick", dataset.info, strategy=row.removesuffix(SHUFFLED), space="counts", conditions=names)
    if row.endswith(SHUFFLED):
        run = run.model_copy(update={"model": run.model.model_copy(update={"shuffled": True})})
    if steps is not None:
        run = run.model_copy(update={"train": run.train.model_copy(update={"steps": steps})})
    begun = time.process_time()
    resumed = (folder / "resume").exists()
    _, step = train(
        run, dataset, folder, row, stop=lambda: bool(minutes) and time.process_time() - begun > 60 * minutes
    )
    done = time.process_time()
    model = load_model(folder / "model", device="cpu")
    cells = model.generate(conditions=test_labels(dataset, names), seed=1)
    drawn = time.process_time()
    cost = {"cpu_seconds": None if resumed else done - begun, "cells_per_second": cells.n_obs / (drawn - done)}
    nats = held_out_nats(model, dataset).to_dict()["rows"] if model.in_count_space else []
    return cells, {**cost, "steps": step, "of_steps": run.train.steps, "nats": nats}


def test_labels(dataset, names) -> pd.DataFrame:
    """Return the conditions of the test cells."""
    return dataset.obs.loc[dataset.obs["split"] == "test", list(names)].astype(str).reset_index(drop=True)


def table(results: Path) -> str:
    """Return all results so far as Markdown; gains in thousandths of a nat per molecule."""
    lines = [
        "| data | row | C2ST PCs / genes | W2² debiased | precision / recall | nearest-train | gain over the "
        "start after 10 / 100 / 1,000 molecules | over mixture | over independent genes | CPU-s | cells per CPU-s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(results.glob("*.json")):
        found = json.loads(path.read_text())
        at = {row["depth"]: row for row in found.get("nats", [])}
        gains = [
            " / ".join(
                f"{1000 * at[d][over]['mean']:+.1f}" if d in at and over in at[d] else "–" for d in (10, 100, 1000)
            )
            for over in ("over_start", "over_mixture", "over_independent")
        ]
        m = found["metrics"]
        lines.append(
            f"| {found['data']} | {found['row']} | {m['c2st_pcs']:.2f} / {m['c2st_genes']:.2f} "
            f"| {m['w2_debiased']:.1f} | {m['precision']:.2f} / {m['recall']:.2f} | {m['train_ratio']:.2f} "
            f"| {' | '.join(gains)} | {_seconds(found['cpu_seconds'])} | {found['cells_per_second']:.0f} |"
        )
    return "\n".join(lines)


def _seconds(measured: float | None) -> str:
    """Write seconds of training; those of a training in several parts were not measured."""
    return "–" if measured is None else f"{measured:.0f}"


def main() -> None:
    """Run what is not there yet, and print the table."""
    ask = parser(__doc__, "count_space", data=["pbmc3k", "kang"])
    ask.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    ask.add_argument("--steps", type=int, default=None, help="At most so many steps.")
    ask.add_argument(
        "--minutes", type=float, default=None, help="Stop training after so many CPU-minutes of this call."
    )
    asked = ask.parse_args()

    def measure(dataset, row: str, name: str) -> dict[str, object]:
        if row in CLOSED:
            cells, cost = closed_form(dataset, row)
        else:
            cells, cost = trained(dataset, row, asked.home / f"count-{name}", asked.steps, asked.minutes)
        judged = evaluate(cells, dataset, seeds=(0, 1, 2), baselines=())
        return {"row": row, "metrics": {name: judged.score("model", name).mean for name in METRICS}, **cost}

    measure_missing(asked, asked.rows, measure)
    text = table(asked.results)
    notes = (HERE / "count_space.md").read_text().partition(MARK)[0]
    (HERE / "count_space.md").write_text(f"{notes}{MARK}\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
