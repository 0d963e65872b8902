"""Named selections: what is kept comes back, for these cells alone, and a deletion can be undone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.data.cells.selections import delete_selection, list_selections, restore_selection, save_selection


@pytest.mark.parametrize("share", [0.003, 0.1, 0.5, 0.9, 1.0])
def test_any_cells_come_back_as_they_were(imported, workspace, share):
    rng = np.random.default_rng(int(1000 * share))
    mask = rng.random(imported.info.n_cells) < share
    mask[rng.integers(len(mask))] = True
    save_selection(workspace.selections, imported, "  mine   and\tyours ", mask, note="lasso")
    save_selection(workspace.selections, imported, "by position", np.flatnonzero(mask)[::-1])
    one, other = sorted(list_selections(workspace.selections, imported), key=lambda found: found.name == "by position")
    assert (one.name, one.note) == ("mine and yours", "lasso")
    assert (one.mask == mask).all() and (other.mask == mask).all()


def test_names_are_checked(imported, workspace):
    some = np.arange(5)
    save_selection(workspace.selections, imported, "../../T cells: 50%", some)  # free text never becomes a path
    with pytest.raises(InputError, match="already"):
        save_selection(workspace.selections, imported, "../../t CELLS: 50%", some)
    for bad in ("", "   ", "x" * 61):
        with pytest.raises(InputError, match="letters"):
            save_selection(workspace.selections, imported, bad, some)
    with pytest.raises(InputError, match="no cell"):
        save_selection(workspace.selections, imported, "none", np.zeros(imported.info.n_cells, dtype=bool))
    with pytest.raises(ValueError, match="240 cells"):
        save_selection(workspace.selections, imported, "too far", [240])
    assert len(list((workspace.root / "selections").rglob("*.json"))) == 1


def test_a_deleted_selection_is_brought_back(imported, workspace):
    save_selection(workspace.selections, imported, "mine", [1, 2, 7])
    delete_selection(workspace.selections, workspace.trash / "selections", imported.info.id, "mine")
    assert list_selections(workspace.selections, imported) == []
    restore_selection(workspace.selections, workspace.trash / "selections", imported.info.id, "mine")
    assert list_selections(workspace.selections, imported)[0].rows.tolist() == [1, 2, 7]
    with pytest.raises(InputError, match="not|no selection"):
        restore_selection(workspace.selections, workspace.trash / "selections", imported.info.id, "other")
    delete_selection(workspace.selections, workspace.trash / "selections", imported.info.id, "mine")
    save_selection(workspace.selections, imported, "mine", [3])
    with pytest.raises(InputError, match="new selection"):
        restore_selection(workspace.selections, workspace.trash / "selections", imported.info.id, "mine")


def test_positions_of_other_cells_and_damaged_files_are_passed_over(imported, workspace):
    save_selection(workspace.selections, imported, "mine", [1, 2])
    path = next((workspace.root / "selections").rglob("*.json"))
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "content_hash": "another import"}))
    assert list_selections(workspace.selections, imported) == []
    path.write_text(json.dumps({**stored, "ranges": [[0, 10**9]]}))
    assert list_selections(workspace.selections, imported) == []
    path.write_text("{")
    assert list_selections(workspace.selections, imported) == []
    save_selection(workspace.selections, imported, "mine", [4])  # a file that cannot be read takes no name
    assert list_selections(workspace.selections, imported)[0].rows.tolist() == [4]
