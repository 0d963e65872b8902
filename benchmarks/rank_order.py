"""Do rank tokens use the order of genes? What shuffled orders cost, as a share of what the tokens gain.

    python -m benchmarks.rank_order --data pbmc3k kang
    python -m benchmarks.rank_order --table        # the table of all results so far, also into rank_order.md

The autoencoder of the quick preset is trained on the first split. Of test cells it measures the negative log-likelihood
given their own tokens, given tokens of the same genes in a random order, and given the mean token of all cells. The
cost of a shuffled order over the gain of the tokens says how much of what they carry is in the order. Intervals are
95 % (t) over cells.
"""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

import torch

from benchmarks.resumable import HERE, measure_missing, parser, train
from genediff.evaluation.held_out_nats import paired_gain
from genediff.evaluation.reconstruction import normalise
from genediff.tokenizers.rank import Rank
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

ROWS = {"order": True, "values": False}
"""Whether a gene's rank alone says how much of it there is, or its measured value too."""


@torch.no_grad()
def losses(model, dataset) -> dict[str, Tensor]:
    """Return nats per test cell (cell,) with the true order, a shuffled one, and the mean token."""
    tokenizer, head = model.tokenizer, model.autoencoder.head
    assert isinstance(tokenizer, Rank)
    measured = torch.from_numpy(dataset.counts("test").toarray()).float()
    x, library = normalise(model, measured)
    x = model.standardise(x)

    def nats(tokens: Tensor) -> Tensor:
        return -head.log_prob(tokenizer.decode(tokens), library, measured).sum(1).double()

    own = tokenizer.encode(x)
    generator, order = torch.Generator().manual_seed(0), tokenizer.order

    def shuffled(values: Tensor) -> Tensor:
        ranked = order(values)  # (cell, rank)
        key = torch.rand(ranked.shape, generator=generator) + 2.0 * (ranked == len(tokenizer.genes))
        return ranked.gather(1, key.argsort(1))  # "nothing" stays behind

    tokenizer.order = shuffled
    other = tokenizer.encode(x)
    del tokenizer.order
    return {"true": nats(own), "shuffled": nats(other), "mean": nats(own.mean(0, keepdim=True).expand_as(own))}


def measure(dataset, row: str, folder: Path) -> dict[str, object]:
    """Train an autoencoder and measure it."""
    run = preset_run("quick", dataset.info, strategy="rank", conditions=tuple(dataset.info.conditions))
    options = {**run.model.tokenizer_options, "by_order": ROWS[row]}
    run = run.model_copy(
        update={
            "model": run.model.model_copy(update={"tokenizer_options": options}),
            "train": run.train.model_copy(update={"steps": 1}),
        }
    )
    begun = time.process_time()
    training, _ = train(run, dataset, folder, row)
    found = losses(training.model.eval(), dataset)
    cost = paired_gain((found["shuffled"] - found["true"]).numpy())
    gain = paired_gain((found["mean"] - found["true"]).numpy())
    return {
        "row": row,
        "cpu_seconds": time.process_time() - begun,
        "n_cells": len(found["true"]),
        "nats": {name: float(values.mean()) for name, values in found.items()},
        "cost": [cost.mean, cost.low, cost.high],
        "gain": [gain.mean, gain.low, gain.high],
    }


def table(results: Path) -> str:
    """Return all results so far as Markdown."""
    lines = [
        "| data | a gene's level is read from | nats per cell | shuffled order costs | tokens gain "
        "| share in the order | CPU-s |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in sorted(results.glob("*.json")):
        found = json.loads(path.read_text())
        cost, gain = found["cost"], found["gain"]
        share = cost[0] / gain[0] if gain[0] > 0 else math.nan
        lines.append(
            f"| {found['data']} | {'its rank' if ROWS[found['row']] else 'its value, and its rank'} "
            f"| {found['nats']['true']:.1f} | {cost[0]:.2f} [{cost[1]:.2f}, {cost[2]:.2f}] "
            f"| {gain[0]:.2f} [{gain[1]:.2f}, {gain[2]:.2f}] | {share:.0%} | {found['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is not there yet, and write the table."""
    ask = parser(__doc__, "rank_order", data=["pbmc3k"])
    ask.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    asked = ask.parse_args()
    measure_missing(asked, asked.rows, lambda dataset, row, name: measure(dataset, row, asked.home / f"rank-{name}"))
    head = (
        "# Rank tokens: is the order of genes used?\n\nWritten by `python -m benchmarks.rank_order` from the results "
        "beside it; test cells, in brackets 95 % intervals over cells.\n\n"
    )
    text = table(asked.results)
    (HERE / "rank_order.md").write_text(f"{head}{text}\n")
    print(text)


if __name__ == "__main__":
    main()
