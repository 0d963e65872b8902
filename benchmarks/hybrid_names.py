"""How much named tokens of the pathway + latent hybrid explain, and what it costs: the trade-off curve.

    python -m benchmarks.hybrid_names --data pbmc3k --alone 0 0.3 0.5 0.8
    python -m benchmarks.hybrid_names --table      # the table of all results so far, also into hybrid_names.md

The quick preset in latent space on the first split, with a share of training cells that named tokens explain without
free ones. Shares of the decoded variance are those of test cells; cells are drawn for the labels of the test cells.
With ``--first-stage`` the flow is left out, and with it the two-sample figures.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from benchmarks.count_space import METRICS, test_labels
from benchmarks.resumable import HERE, measure_missing, parser, train
from genediff.evaluation import evaluate
from genediff.evaluation.reconstruction import reconstruct
from genediff.inspection.tokens.hybrid_parts import explained_by_part
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """# Pathway + latent tokens: what names explain, and what it costs

Written by `python -m benchmarks.hybrid_names` from the results beside it; one split, one training each, Hallmark.

"""


def measure(dataset, alone: float, folder: Path, *, steps: int | None, first_stage: bool) -> dict[str, object]:
    """Train a hybrid and measure what its parts explain and how good its cells are."""
    names = tuple(dataset.info.conditions)
    run = preset_run("quick", dataset.info, strategy="latent_pathway", conditions=names)
    lengths = run.train.model_copy(update={"steps": 1} if first_stage else {})
    if steps is not None:
        lengths = lengths.model_copy(update={"tokenizer_steps": steps})
    options = {**run.model.tokenizer_options, "alone": alone}
    model = run.model.model_copy(update={"tokenizer_options": options})
    begun = time.process_time()
    training, _ = train(run.model_copy(update={"train": lengths, "model": model}), dataset, folder, f"{alone:g}")
    cost, made = time.process_time() - begun, training.model.eval()
    named = explained_by_part(read_cells(made, dataset), dataset)[0]
    kept = reconstruct(made, dataset)
    assert kept is not None
    found = {
        "alone": alone,
        "cpu_seconds": cost,
        "variance": named.variance,
        "nll": kept.nll,
        "tokenizer_steps": lengths.tokenizer_steps,
    }
    if not first_stage:
        cells = made.generate(conditions=test_labels(dataset, names), seed=1)
        judged = evaluate(cells, dataset, seeds=(0, 1, 2), baselines=())
        found["metrics"] = {name: judged.score("model", name).mean for name in METRICS}
    return found


def table(results: Path) -> str:
    """Return all results so far as Markdown."""
    lines = [
        "| data | named tokens alone for | named share of decoded variance | NLL (nats per cell and gene) "
        "| C2ST PCs / genes | W2² debiased | autoencoder steps | CPU-s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(results.glob("*.json")):
        found = json.loads(path.read_text())
        m = found.get("metrics")
        figures = f"{m['c2st_pcs']:.2f} / {m['c2st_genes']:.2f} | {m['w2_debiased']:.1f}" if m else "– | –"
        lines.append(
            f"| {found['data']} | {found['alone']:.0%} of cells | {found['variance']:.1%} | {found['nll']:.5f} "
            f"| {figures} | {found['tokenizer_steps']:,} | {found['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is not there yet, and write the table."""
    ask = parser(__doc__, "hybrid_names", data=["pbmc3k"])
    ask.add_argument("--alone", nargs="+", type=float, default=[0.0, 0.3, 0.5, 0.8])
    ask.add_argument("--steps", type=int, default=None, help="Steps of the autoencoder.")
    ask.add_argument("--first-stage", action="store_true")
    asked = ask.parse_args()

    def one(dataset, alone: str, name: str) -> dict[str, object]:
        folder = asked.home / f"hybrid-{name}"
        return measure(dataset, float(alone), folder, steps=asked.steps, first_stage=asked.first_stage)

    measure_missing(asked, [f"{alone:g}" for alone in asked.alone], one)
    text = table(asked.results)
    (HERE / "hybrid_names.md").write_text(f"{HEAD}{text}\n")
    print(text)


if __name__ == "__main__":
    main()
