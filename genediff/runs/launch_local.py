"""The process between the app and a worker: hands the run to submitit and leaves."""

from __future__ import annotations

import sys
from pathlib import Path

import submitit

from genediff.core.json_files import write_json
from genediff.runs.run_process import process_mark
from genediff.runs.worker import work

TEN_YEARS = 10 * 365 * 24 * 60  # in minutes; submitit would stop a local job after five of them


def launch(folder: Path, root: Path, cluster: str) -> None:
    """Submit the run in `folder` and note the job in job.json."""
    executor = submitit.AutoExecutor(folder=folder / "submitit", cluster=cluster)
    executor.update_parameters(name=folder.name, timeout_min=TEN_YEARS)
    job = executor.submit(work, str(folder), str(root))
    pid = int(job.job_id)  # of the local executor's controller
    write_json(folder / "job.json", {"job_id": job.job_id, "pid": pid, "process_mark": process_mark(pid)})


if __name__ == "__main__":
    launch(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
