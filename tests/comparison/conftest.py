"""The small real data set of the run tests, and a finished comparison that was never trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genediff.comparison.comparison_plan import make_plan
from genediff.comparison.comparison_results import FILE
from genediff.comparison.comparison_store import find_comparison, write
from genediff.comparison.config import ComparisonConfig, read_entry
from genediff.core.json_files import write_json
from tests.runs.conftest import cells_file, dataset, wait_for_end, workspace

if TYPE_CHECKING:
    from genediff.comparison.comparison_store import Comparison
    from genediff.data import Dataset
    from genediff.workspace import Workspace

__all__ = ["cells_file", "dataset", "wait_for_end", "workspace"]


@pytest.fixture
def planted(workspace: Workspace, dataset: Dataset) -> Comparison:
    """Two rows of three seeds; the latent tokens are better than the flat vector."""
    entries = (read_entry("latent"), read_entry("mlp"))
    config = ComparisonConfig(dataset_id=dataset.info.id, name="Planted", entries=entries, seeds=(0, 1, 2), steps=9)
    folder = workspace.comparisons / "planted-1"
    write(make_plan(config, dataset.info), folder, series_id=None, dataset_name="tiny", machine="two cores")
    scores = {(0, 0): 0.60, (0, 1): 0.62, (0, 2): 0.61, (1, 0): 0.70, (1, 1): 0.71, (1, 2): 0.705}
    results = [
        {"place": place, "seed": seed, "model_id": f"m{place}{seed}", "values": {"c2st_pcs": value}}
        for (place, seed), value in scores.items()
    ]
    write_json(folder / FILE, {"format_version": 1, "results": results, "references": []})
    return find_comparison(workspace, "planted")
