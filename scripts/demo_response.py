"""Rebuild the model of perturbations that ships with GeneDiff: ``python -m scripts.demo_response``.

It is an ordinary run on the simulated screen, under a name of its own: pairs are held out for the test, and knock-outs
run along the network that the cells were drawn from.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from genediff.core.installation import ASSETS
from genediff.models.response_config import ResponseConfig
from genediff.models.response_info import RESPONSE_FILE
from genediff.runs.run import submit
from genediff.workspace import DEMO_RESPONSE, DEMO_SCREEN, Workspace

CONFIG = ResponseConfig(
    name="Knock-outs of the simulated screen",
    dataset_id=DEMO_SCREEN,
    task={"scheme": "doubles", "n_seen": 2, "share": 0.25},
    network="planted",
    priors=(),  # its genes are in no collection
    device="cpu",
)


def build_demo_response(*, assets: Path = ASSETS) -> Path:
    """Train the model by a real worker and return the shipped model's folder."""
    target = assets / "responses" / DEMO_RESPONSE
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        run = submit(CONFIG, workspace)
        while not run.status.has_ended:
            time.sleep(1)
        if run.status.state != "finished":
            raise SystemExit(f"The run ended as {run.status.state}: {run.status.message}\n{run.log_tail(50)}")
        print(run.status.message)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(workspace.responses / run.id, target)
    path = target / RESPONSE_FILE
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "id": target.name}, indent=1, ensure_ascii=False) + "\n"
    )
    return target


if __name__ == "__main__":
    print(build_demo_response(assets=Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS))
