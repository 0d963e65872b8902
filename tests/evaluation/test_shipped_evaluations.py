"""What ships with a verdict: every model has one of its own weights, and the demo's floor and baselines are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genediff.core.installation import ASSETS
from genediff.evaluation import cache
from genediff.evaluation.evaluate_cells import keep_rows
from genediff.evaluation.evaluation_report import Evaluation
from genediff.models.load_model import weights_hash
from genediff.models.model_info import EVALUATION_FILE, ModelInfo
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from pathlib import Path

MODELS = sorted(path.parent for path in (ASSETS / "models").glob("*/model.json"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_a_shipped_model_has_an_evaluation_of_its_own_weights(folder: Path) -> None:
    evaluation, info = Evaluation.read(folder / EVALUATION_FILE), ModelInfo.read(folder)
    assert (evaluation.model_id, evaluation.dataset_id) == (info.id, info.dataset_id)
    assert evaluation.weights == weights_hash(folder), "evaluate it again: genediff evaluate"
    assert evaluation.verdict.sentence and {"model", "floor", "independent_nb"} <= set(evaluation.rows)


def test_the_first_verdict_of_the_demo_waits_for_no_floor_and_no_baseline(tmp_path, monkeypatch) -> None:
    """The first verdict of a fresh workspace took minutes. Out of date? Run ``python -m scripts.demo_evaluations``."""
    dataset = Workspace().open_dataset(DEMO_DATASET)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("worked out anew: the shipped figures do not fit the code or the data")

    monkeypatch.setattr("genediff.evaluation.bench.Bench.result", never)
    for classes in (None, ["CD4 T"], ["B"]):
        assert list(keep_rows(dataset, classes=classes, cache=tmp_path))
    assert cache.shipped(DEMO_DATASET) and not list(tmp_path.rglob("*.json"))
