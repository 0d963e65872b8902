"""Every strategy under one budget, on the shipped blood cells and on the Kang data: who wins in what?

    python -m benchmarks.comparison --data kang --minutes 3 --seeds 2    # train and judge; goes on where it stopped
    python -m benchmarks.comparison --data kang --rest                   # the seeds that the kept table lacks
    python -m benchmarks.comparison --table                              # the tables of what is there

The comparison of the shipped cells is the one that the app shows; ``python -m scripts.demo_comparison`` makes it. Both
train by real workers, one model after another. Writes ``benchmarks/comparison.md``.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from benchmarks.generation import dataset_of
from genediff.comparison.comparison_results import FILE as TABLE_FILE
from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import FILE, Comparison
from genediff.comparison.comparison_table import leaderboard
from genediff.comparison.table_metrics import FIGURES
from genediff.core.installation import ASSETS
from genediff.core.json_files import write_json
from genediff.runs import SeriesJob, submit
from genediff.workspace import DEMO_DATASET, Workspace
from scripts.demo_comparison import build, demo_config, wait

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "comparisons"
SHOWN = (
    "c2st_pcs",
    "c2st_genes",
    "w2_debiased",
    "correlation_error",
    "precision",
    "recall",
    "train_ratio",
    "tstr_f1",
    "reconstruction_r",
    "n_parameters",
    "train_seconds",
    "cells_per_second",
)
HEAD = """# Every strategy under one budget

Written by `python -m benchmarks.comparison --table`. Every row is trained for the same time and judged on held-out
cells by the same evaluation; the budget in minutes was turned into steps on the machine that is named, before anything
was trained. Mean ± standard deviation over two training seeds (one split), which is little. On Kang's data the second
seed of ten rows was trained on another day, for the same steps. "Shuffled" rows are controls: the same set sizes or
degrees, and no biology. Two real samples are the floor. Seconds of training and cells per second were taken while
other work went on, so they differ by more than the rows do.
"""


def table(comparison: Comparison, workspace: Workspace) -> str:
    """Return one comparison as Markdown."""
    rows = leaderboard(comparison.rows, read_results(comparison, workspace), n_seeds=len(comparison.config.seeds))
    figures = [FIGURES[name] for name in SHOWN]
    steps = {row.title: row.run.train for row in comparison.rows}
    lines = [
        f"## {comparison.title}",
        "",
        f"{comparison.dataset_name}. Budget: {comparison.config.budget}. Training seeds: "
        f"{' and '.join(map(str, comparison.config.seeds))}. Machine: {comparison.machine}.",
        "",
        "| row | space | steps (first stage + flow) | seeds | " + " | ".join(f.heading for f in figures) + " |",
        "|---|---|---|---|" + "---|" * len(figures),
    ]
    for row in rows:
        train = steps.get(row.title)
        first = f"{train.tokenizer_steps:,} + " if train and row.space == "latent" else ""
        budget = "" if train is None else f"{first}{train.steps:,}"
        shown = [_cell(row, name) for name in SHOWN]
        lines.append(f"| {row.title} | {row.space} | {budget} | {len(row.models) or ''} | {' | '.join(shown)} |")
    verdicts = [f"- **{row.title}**: {row.verdict.sentence}" for row in rows if row.verdict is not None]
    return "\n".join([*lines, "", *verdicts, ""])


def _cell(row, name: str) -> str:
    cell, digits = row.cells.get(name), FIGURES[name].digits
    if cell is None:
        return ""
    return f"{cell.mean:,.{digits}f}" + (f" ± {cell.spread:,.{digits}f}" if cell.spread is not None else "")


def train_the_rest(kept: Path, workspace: Workspace) -> None:
    """Train what a kept table lacks of its plan, in another workspace than the first rows, and add it to the table.

    The steps of each row were fixed when the comparison was planned, so later rows get the same budget. A second call
    goes on where the first one was stopped.
    """
    content = json.loads((kept / FILE).read_text(encoding="utf-8"))
    folder = workspace.comparisons / f"rest-{kept.name}"
    if not folder.is_dir():
        planned = Comparison.open(kept, workspace.runs, shipped=True)
        there = {(result.place, result.seed) for result in read_results(planned, workspace).results}
        missing = [key for key in planned.order if key not in there]
        runs = tuple(
            planned.rows[place].run.model_copy(
                update={"seed": seed, "name": f"{planned.rows[place].title}, seed {seed}"}
            )
            for place, seed in missing
        )
        series = submit(SeriesJob(runs, name=f"the rest of {planned.title}"), workspace)
        folder.mkdir(parents=True)
        shutil.copy(kept / TABLE_FILE, folder / TABLE_FILE)
        write_json(folder / FILE, {**content, "order": missing, "series": series.id})
    comparison = Comparison.open(folder, workspace.runs)
    series = comparison.series
    if series is not None and series.status.has_ended and series.status.state != "finished":
        comparison.resume()
    wait(comparison)
    read_results(comparison, workspace)
    shutil.copy(folder / TABLE_FILE, kept / TABLE_FILE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="kang", choices=["kang", "papalexi"])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path.home() / ".cache" / "genediff-comparison-benchmark")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--rest", action="store_true", help="train the seeds that the kept table lacks")
    action.add_argument("--table", action="store_true")
    args = parser.parse_args()
    workspace = Workspace(args.workspace)
    if not args.table:
        dataset = dataset_of(args.data, 0, workspace)
    if args.rest:
        train_the_rest(RESULTS / args.data, workspace)
    elif not args.table:
        config = demo_config(minutes=args.minutes, steps=None, seeds=args.seeds)
        changes = {
            "dataset_id": dataset.info.id,
            "name": f"Every strategy on the data of {args.data.capitalize()}",
            "conditions": tuple(dataset.info.conditions),
        }
        build(config.model_copy(update=changes), workspace, assets=RESULTS.parent, name=args.data)
    folders = [ASSETS / "comparisons" / DEMO_DATASET, *sorted(RESULTS.glob("*"))]
    found = [Comparison.open(folder, workspace.runs, shipped=True) for folder in folders if folder.is_dir()]
    page = "\n".join([HEAD, *(table(one, workspace) for one in found)])
    print(page)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
