"""Evaluate the shipped models, and what their cells are compared with, so that the first verdict need not wait.

Run from the repository's root: ``python -m scripts.demo_evaluations [folder]``. Floor and baselines depend on the data
alone; a test says when they are out of date (`genediff.evaluation.cache.VERSION`), another when an evaluation is not of
the weights that ship.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.installation import ASSETS
from genediff.evaluation.cache import SHIPPED
from genediff.evaluation.evaluate_cells import keep_rows
from genediff.evaluation.prepared_cells import MIN_CLASS_CELLS
from genediff.inspection.regulation.stored_interventions import write_interventions
from genediff.models.load_model import load_model
from genediff.models.model_info import EVALUATION_FILE, MODEL_FILE, ModelInfo
from genediff.runs.kinds.evaluate_generated import evaluate_model
from genediff.ui.regulation.regulation_data import DEFAULT, Population, interventions_file, measure_interventions
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset

DIGITS = 6
GRN_MODEL = "pbmc3k-grn"


def main() -> None:
    """Write the file of the demo data set; a folder that is named keeps what is done, for a call that goes on."""
    dataset = Workspace().open_dataset(DEMO_DATASET)
    label = dataset.info.label
    assert label is not None
    codes = dataset.codes(label, "test")
    types = [name for code, name in enumerate(dataset.vocabulary(label)) if (codes == code).sum() >= MIN_CLASS_CELLS]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        for classes in (None, *([name] for name in types)):
            for _, what in keep_rows(dataset, classes=classes, cache=folder):
                print(classes or "all types", what, file=sys.stderr, flush=True)
        kept = {path.stem: _rounded(json.loads(path.read_text())) for path in sorted(folder.rglob("*.json"))}
    SHIPPED.mkdir(exist_ok=True)
    packed = gzip.compress(json.dumps(kept, sort_keys=True).encode(), mtime=0)
    (SHIPPED / f"{DEMO_DATASET}.json.gz").write_bytes(packed)
    for path in sorted((ASSETS / "models").glob(f"*/{MODEL_FILE}")):
        print(path.parent.name, file=sys.stderr, flush=True)
        found = evaluate_model(path.parent, dataset, device="cpu", progress=lambda *_: None, cancelled=lambda: False)
        found.save(path.parent / EVALUATION_FILE)
    keep_regulation(dataset)


def keep_regulation(dataset: Dataset) -> None:
    """Answer what Regulation asks of the shipped model of gene tokens when it is opened; it takes some minutes."""
    info = ModelInfo.read(ASSETS / "models" / GRN_MODEL, shipped=True)
    for old in info.folder.glob("regulation-*.json.gz"):
        old.unlink()
    cells = Population("All cells", dataset.rows())
    found = measure_interventions(
        load_model(info.folder, device="cpu"), dataset, cells, DEFAULT,
        progress=lambda share: print(f"regulation {share:.0%}", file=sys.stderr, flush=True),
    )  # fmt: skip
    write_interventions(found, info.folder / interventions_file(info, dataset, cells, DEFAULT))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
