"""Rebuild the model that ships with GeneDiff: ``python -m scripts.demo_models``.

It is an ordinary *quick* run on the shipped cells, judged like any other, under a name of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from genediff.core.installation import ASSETS
from genediff.models.model_info import CARD_FILE, EVALUATION_FILE, MODEL_FILE
from genediff.runs.run import submit
from genediff.training.presets import preset_run
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

DEMO_TITLE = "Quick model of 2,700 blood cells"


def build_demo_model(*, assets: Path = ASSETS) -> Path:
    """Train the *quick* preset on the shipped data set by a real worker and return the shipped model's folder."""
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        info = workspace.open_dataset(DEMO_DATASET).info
        run = submit(preset_run("quick", info, title=DEMO_TITLE), workspace)
        while not run.status.has_ended:
            time.sleep(1)
        if run.status.state != "finished":
            raise SystemExit(f"The run ended as {run.status.state}: {run.status.message}\n{run.log_tail(50)}")
        print(run.status.message)
        return ship(workspace.models / run.id, assets / "models" / DEMO_MODEL)


def ship(model: Path, target: Path, *, title: str = "") -> Path:
    """Copy a model folder to where it ships, under the id that the new folder is named, and a title of its own."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(model, target)
    for file, key in ((MODEL_FILE, "id"), (EVALUATION_FILE, "model_id")):
        path = target / file
        path.write_text(json.dumps({**json.loads(path.read_text()), key: target.name}, indent=1))
    if title:
        path, card = target / MODEL_FILE, target / CARD_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), "title": title}, indent=1))
        card.write_text("\n".join([f"# {title}", *card.read_text().splitlines()[1:], ""]))
    return target


if __name__ == "__main__":
    print(build_demo_model(assets=Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS))
