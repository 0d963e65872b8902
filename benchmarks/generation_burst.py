"""A class presses Generate at once: ``python -m benchmarks.generation_burst``.

So many readers of one server each ask the shipped quick model for cells with a seed of their own, in the same moment.
Counted is how long each waits until its cells are there and placed on the map; evaluating them has a queue of its own
and is stopped when all are placed. Aim: everybody has cells within 30 s on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from genediff.core.installation import home
from genediff.core.waiting_threads import sleep_while_waiting
from genediff.models.generate_request import GenerateRequest
from genediff.models.model_info import ModelInfo
from genediff.ui.generate import generate_job
from genediff.workspace import DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.ui.generate.generate_job import Job

PATIENCE = 600.0
"""Seconds."""


def burst(n_readers: int, n_cells: int) -> dict[str, float]:
    """Return when the first, the middle and the last reader had cells, and had them on the map, in seconds."""
    sample = ModelInfo.read(Workspace().model_folder(DEMO_MODEL)).config.sample
    requests = [
        GenerateRequest(DEMO_MODEL, n_cells, {}, sample.guidance, sample.sampler, sample.n_steps, seed)
        for seed in range(n_readers)
    ]
    first = generate_job.start(replace(requests[0], seed=n_readers))
    while first.xy is None:
        time.sleep(0.1)
    _stop([first])
    begun, cpu = time.monotonic(), _cpu_seconds()
    jobs = [generate_job.start(request) for request in requests]
    drawn: dict[int, float] = {}
    placed: dict[int, float] = {}
    while len(placed) < n_readers:
        now = time.monotonic() - begun
        for seed, job in enumerate(jobs):
            if job.problem is not None or now > PATIENCE:
                raise SystemExit(f"Reader {seed} got no cells: {job.problem or 'out of patience'}")
            if job.cells is not None:
                drawn.setdefault(seed, now)
            if job.xy is not None:
                placed.setdefault(seed, now)
        time.sleep(0.02)
    cpu_used = _cpu_seconds() - cpu
    _stop(jobs)
    middle = {"drawn": np.median(list(drawn.values())), "placed": np.median(list(placed.values()))}
    return {
        "first drawn": min(drawn.values()),
        "half drawn": float(middle["drawn"]),
        "all drawn": max(drawn.values()),
        "half placed": float(middle["placed"]),
        "all placed": max(placed.values()),
        "CPU seconds": cpu_used,
    }


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the one that places cells."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children())]
    return sum(one.user + one.system for one in times)


def _stop(jobs: list[Job]) -> None:
    for job in jobs:
        job.cancel()
    while not all(job.ended for job in jobs):
        time.sleep(0.1)


def main() -> None:
    """Measure and write the table beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=25)
    parser.add_argument("--cells", type=int, default=200)
    args = parser.parse_args()
    sleep_while_waiting()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GENEDIFF_HOME"] = folder
        assert str(home()).startswith(folder)
        load = os.getloadavg()[0]
        found = burst(args.readers, args.cells)
    table = ["| | seconds |", "| --- | --- |", *(f"| {name} | {value:.1f} |" for name, value in found.items())]
    text = "\n".join(
        [
            "# A class presses Generate at once",
            "",
            f"Written by `python -m benchmarks.generation_burst`: {args.readers} readers of one server ask the shipped "
            f"quick model for {args.cells} cells each in the same moment, each with a seed of their own, after one "
            f"reader had cells before them. Two CPU cores; load {load:.1f} when it began (0 is idle): where others "
            "work too, half the CPU seconds is what two idle cores take. Aim: all have cells within 30 s.",
            "",
            *table,
            "",
        ]
    )
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
