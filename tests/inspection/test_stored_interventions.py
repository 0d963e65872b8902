"""What replacing regulators found is kept in a file, and ships for the model of gene tokens."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genediff.core.installation import ASSETS
from genediff.inspection.regulation.interventions import Interventions
from genediff.inspection.regulation.stored_interventions import file_name, read_interventions, write_interventions
from genediff.models.model_info import ModelInfo
from genediff.ui.regulation.regulation_data import DEFAULT, Population, interventions_file
from genediff.workspace import DEMO_DATASET, Workspace


def test_interventions_come_back_as_they_were_written(tmp_path):
    one = pd.DataFrame(
        {"regulator": ["A", "B"], "targets": [3, 4], "p": [1.234567891e-17, 0.5], "specific": [True, False]}
    )
    kept = Interventions(one, one.assign(gain=[0.1, np.nan]), one, one, 64)
    path = tmp_path / "new" / file_name("model", 0.6)
    write_interventions(kept, path)
    found = read_interventions(path)
    assert found is not None and found.n_cells == 64
    for name in ("regulators", "edges", "controls", "ablations"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(kept, name), rtol=1e-5)
    assert file_name("model", 0.6) != file_name("model", 0.7)


def test_a_damaged_or_missing_file_is_none(tmp_path):
    assert read_interventions(tmp_path / "nowhere.json.gz") is None
    (tmp_path / "torn.json.gz").write_bytes(b"\x1f\x8b torn")
    assert read_interventions(tmp_path / "torn.json.gz") is None


def test_what_the_page_asks_of_the_shipped_model_ships_too():
    """Regulation opened on minutes of computing. Out of date? Run ``python -m scripts.demo_evaluations``."""
    dataset = Workspace().open_dataset(DEMO_DATASET)
    info = ModelInfo.read(ASSETS / "models" / "pbmc3k-grn", shipped=True)
    found = read_interventions(info.folder / interventions_file(info, dataset, Population("", dataset.rows()), DEFAULT))
    assert found is not None and len(found.regulators) > 50 and found.n_cells == DEFAULT.n_cells
    assert found.controls["what"].str.contains("shuffled").any()
