"""Quality against CPU time: what each tokenization adds to independent genes after so many CPU-seconds of training.

    python -m benchmarks.compute [--seeds 0 1 2] [--rows mlp latent …]

Cells are simulated from a known network and known pathways, 1,000 of them for training (`benchmarks.limited_data`).
Each strategy is trained in count space with its *quick* preset and the planted knowledge. After 5, 10, 20 and 40
CPU-seconds (the closed form that all start from is fitted before) the training is stopped, judged on 1,000 test cells
and resumed; one that ended before keeps its last figure. Thousandths of a nat per molecule after 100 molecules, on the
very same molecules for all. Writes ``benchmarks/results/compute/`` and ``benchmarks/compute.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from itertools import product
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from benchmarks.limited_data import prepared, spread
from genediff.evaluation.held_out_nats import USUAL_DEPTH, held_out_nats
from genediff.models.load_model import load_model
from genediff.training.train import Training

PAGE = Path(__file__).with_suffix(".md")
RESULTS = Path(__file__).parent / "results" / "compute"
ROWS = {
    "mlp": "MLP (no tokens)",
    "latent": "latent tokens",
    "pathway": "pathway tokens",
    "grn": "GRN tokens",
    "rank": "rank tokens",
    "latent_pathway": "pathway + latent tokens",
}
SIZE = 1000
SECONDS = (5, 10, 20, 40)
HEAD = """# Quality against CPU time

Written by `python -m benchmarks.compute`, whose head says what was done. Thousandths of a nat per molecule that a model
adds to independent genes in test cells, after 100 molecules; mean ± standard deviation over seeds, each with other
cells.

"""


def measure(row: str, seed: int) -> dict[str, float]:
    """Return what is added to independent genes after each number of CPU-seconds."""
    found: dict[str, float] = {}
    used, ended = 0.0, False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        dataset, library, run = prepared(row, SIZE, seed, folder)
        for budget in SECONDS:
            if not ended:
                training = Training(run, dataset, folder=folder / "run", model_id="m", library=library)
                spent, ended = trained(training, budget - used)
                used += spent
                model = load_model(folder / "run" / "model", device="cpu")
                nats = held_out_nats(model, dataset, depths=(USUAL_DEPTH,)).rows[0]
            found[str(budget)] = 1000 * (nats.independent - nats.model)
    return found


def trained(training: Training, seconds: float) -> tuple[float, bool]:
    """Train for so many CPU-seconds after the closed form is there; return how many, and whether it came to its end."""
    began: list[float] = []
    steps = training.run(stop=lambda: bool(began) and time.process_time() - began[0] >= seconds)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return time.process_time() - began[0] if began else 0.0, bool(end.value)
        if event.stage == "flow" and not began:
            began.append(time.process_time())


def results() -> dict[str, dict[int, dict[str, float]]]:
    """Return what was measured, by row and seed."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        row, seed = path.stem.rsplit("_", 1)
        found.setdefault(row, {})[int(seed)] = json.loads(path.read_text())
    return found


def table() -> str:
    """Return the Markdown table of all results that are there."""
    lines = ["| row | " + " | ".join(f"{one} s" for one in SECONDS) + " | seeds |", "|---" * (len(SECONDS) + 2) + "|"]
    for row, own in results().items():
        values = [[one[str(budget)] for one in own.values()] for budget in SECONDS]
        lines.append(f"| {ROWS[row]} | {' | '.join(map(spread, values))} | {len(own)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for seed, row in product(asked.seeds, asked.rows):
        path = RESULTS / f"{row}_{seed}.json"
        if not path.exists():
            path.write_text(json.dumps(measure(row, seed)) + "\n")
            print(path.name, path.read_text(), flush=True)
        PAGE.write_text(HEAD + table())


if __name__ == "__main__":
    main()
