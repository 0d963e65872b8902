"""Speed and memory of very large generations: ``python -m benchmarks.large_generation``.

Each is a run like any other, in a worker of its own, by the shipped model: as many cells as are asked for into one
h5ad, with a sample judged. The first one is cancelled half-way and resumed, the others run unbroken. Prints a table
and keeps it in ``benchmarks/large_generation.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.runs import GenerateJob, submit
from genediff.workspace import DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.runs import Run

COLUMNS = ("cells", "cells/s", "drawing", "judging a sample", "writing", "peak memory", "file", "cancelled at")


def finish(run: Run, *, cancel_at: int | None) -> tuple[dict[str, float], int | None]:
    """Follow a run to its end; returns the seconds of each stage, and at how many cells it was cancelled."""
    seconds: dict[str, float] = {}
    cancelled, last = None, time.monotonic()
    while not (status := run.status).has_ended:
        now = time.monotonic()
        seconds[status.stage or "start"] = seconds.get(status.stage or "start", 0.0) + now - last
        last = now
        if cancel_at is not None and cancelled is None and (status.step or 0) >= cancel_at:
            run.cancel(wait=60)
            cancelled = run.status.step
            run.resume()
        time.sleep(0.2)
    if status.state != "finished":
        raise SystemExit(f"{run.id} ended as {status.state}: {status.message}\n{run.log_tail(40)}")
    return seconds, cancelled


def row(n: int, workspace: Workspace, chosen: argparse.Namespace, *, cancelled: bool = False) -> str:
    job = GenerateJob(chosen.model, n, sampler=chosen.sampler, n_steps=chosen.steps, seed=1, device=chosen.device)
    run = submit(job, workspace)
    seconds, at = finish(run, cancel_at=n // 2 if cancelled else None)
    result = run.result
    cells = [
        f"{n:,}",
        f"{n / seconds['generation']:,.0f}",
        *(f"{seconds.get(stage, 0):,.0f} s" for stage in ("generation", "judging a sample", "writing the file")),
        f"{int(result['peak_memory_bytes']) / 1e6:,.0f} MB",
        f"{int(result['bytes']) / 1e6:,.0f} MB",
        "–" if at is None else f"{at:,} cells, then resumed",
    ]
    run.delete()
    line = "| " + " | ".join(cells) + " |"
    print(line, flush=True)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--cancelled", type=int, default=100_000, help="cells of one more, cancelled half-way; 0: none")
    parser.add_argument("--model", default=DEMO_MODEL)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", type=Path, default=Path(__file__).with_suffix(".md"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        workspace = Workspace(Path(home))
        rows = [row(chosen.cancelled, workspace, chosen, cancelled=True)] if chosen.cancelled else []
        rows += [row(n, workspace, chosen) for n in sorted(chosen.cells)]
    text = "\n".join(
        [
            "# Very large generations",
            "",
            f"The model `{chosen.model}` (2,000 genes), {chosen.steps} step{'s' * (chosen.steps > 1)} of "
            f"{chosen.sampler}, on {os.cpu_count()} cores ({platform.machine()}, device "
            f"{chosen.device}) that other work may have shared; each row is one run in a process of its own,",
            "by `python -m benchmarks.large_generation`. Peak memory is that of a worker (resident): a model in "
            "PyTorch, and up to ten",
            "seconds of cells. Cells/s counts the drawing, of both workers where there were two; the other work on the "
            "cores grew and fell meanwhile. Few steps are chosen for speed, not for the quality of the cells.",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "| " + " | ".join("---:" for _ in COLUMNS) + " |",
            *rows,
            "",
        ]
    )
    print(text)
    chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
