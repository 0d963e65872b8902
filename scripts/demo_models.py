"""Rebuild models that ship with GeneDiff: ``python -m scripts.demo_models``, or some of them by their ids.

They are ordinary *quick* runs on the shipped cells, judged like any other, under names of their own.
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

MODELS = {
    DEMO_MODEL: ("latent", None, "Quick model of 2,700 blood cells"),
    f"{DEMO_DATASET}-pathway": ("pathway", "hallmark", "Pathway tokens of 2,700 blood cells, quick"),
    f"{DEMO_DATASET}-latent-pathway": (
        "latent_pathway",
        "hallmark",
        "Pathway + latent tokens of 2,700 blood cells, quick",
    ),
    f"{DEMO_DATASET}-rank": ("rank", None, "Rank tokens of 2,700 blood cells, quick"),
}
"""Id of each model: its strategy, gene sets and title. All are in latent space, where tokens are of whole cells, which
can be steered and explained. Gene tokens come with the comparison (`demo_comparison`)."""


def build(model_id: str, *, assets: Path = ASSETS) -> Path:
    """Train one of the models on the shipped data set by a real worker and return the folder in which it ships."""
    strategy, gene_sets, title = MODELS[model_id]
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        info = workspace.open_dataset(DEMO_DATASET).info
        config = preset_run("quick", info, strategy=strategy, space="latent", title=title)
        config = config.model_copy(update={"model": config.model.model_copy(update={"gene_sets": gene_sets})})
        run = submit(config, workspace)
        while not run.status.has_ended:
            time.sleep(1)
        if run.status.state != "finished":
            raise SystemExit(f"The run ended as {run.status.state}: {run.status.message}\n{run.log_tail(50)}")
        print(run.status.message)
        return ship(workspace.models / run.id, assets / "models" / model_id)


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
    for chosen in sys.argv[1:] or MODELS:
        print(build(chosen))
