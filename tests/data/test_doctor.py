"""The doctor's report: what it says in words, as JSON, and what it proposes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.data import diagnose, import_cells, read_cells

from .conftest import small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genediff.workspace import Workspace


def test_report_in_words(written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.obs.loc[cells.obs_names[:7], "cell_type"] = np.nan
    text = diagnose(written(cells)).to_text()
    for words in (
        "240 cells x 60 genes",
        "X holds whole numbers from 0 to",
        "2 mitochondrial",
        "'cell_type' is proposed",
        "'batch' is proposed",
        "score: numbers",
        "7 cells have no value in 'cell_type'",
        "GB to import",
        "This file can be imported.",
    ):
        assert words in text, words


def test_report_as_json(written: Callable[..., Path]) -> None:
    cells = small_cells()
    found = diagnose(written(cells))
    values = json.loads(json.dumps(found.to_dict()))
    assert values["n_cells"] == 240 and values["usable"] is True
    assert found.density == pytest.approx(cells.X.nnz / cells.X.toarray().size)
    assert values["columns"][0]["levels"][0] == ["B", 80]


def test_what_is_proposed_can_be_imported(workspace: Workspace, written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.obs["condition"] = pd.Categorical(np.resize(["DMSO", "drug"], 240))
    cells.obs["split"] = np.resize(["train", "train", "val", "test"], 240)
    path = written(cells)
    config = diagnose(path).propose_config()
    assert (config.label, config.perturbation, config.control, config.batch) == (
        "cell_type", "condition", "DMSO", "batch",
    )  # fmt: skip
    dataset = import_cells(path, config.model_copy(update={"umap": False}), workspace.datasets)
    assert dataset.info.split_sizes == {"train": 120, "validation": 60, "test": 60}
    assert dataset.info.conditions == ("cell_type", "condition", "batch")


def test_large_files_need_more_memory(written: Callable[..., Path]) -> None:
    small = diagnose(written(small_cells())).memory_needed_bytes
    large = diagnose(written(small_cells(2000, 400), "large.h5ad")).memory_needed_bytes
    assert 1e8 < small < large < 4e9


def test_binary_values_are_warned_about(written: Callable[..., Path]) -> None:
    cells = small_cells()
    cells.X = (cells.X > 0).astype(np.float32)
    found = diagnose(written(cells))
    assert any("only 0 and 1" in problem.text for problem in found.problems)


def test_nothing_is_written_and_the_file_is_closed(written: Callable[..., Path]) -> None:
    path = written(small_cells())
    before = path.read_bytes()
    diagnose(path)
    path.rename(path.with_name("moved.h5ad"))
    assert path.with_name("moved.h5ad").read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir() if file.is_file()) == ["moved.h5ad"]


def test_a_file_without_permission_is_one_sentence(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(small_cells())
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root, who may read everything
    with pytest.raises(InputError, match="permissions"):
        read_cells(path)
