"""Named selections on the pages: kept under a lasso, deleted and brought back, chosen by name elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genediff.data.cells.selections import list_selections, save_selection
from genediff.ui.kit import selection_picker
from genediff.workspace import DEMO_DATASET


def _page(n: int) -> None:
    import numpy as np
    import streamlit as st

    from genediff.ui.kit import caching, selection_picker

    dataset = caching.dataset("pbmc3k")
    selection_picker.save_box(dataset, np.arange(n), key="box", note="a test")
    mask, title = selection_picker.pick_group(dataset, key="first", label="Group")
    others, _ = selection_picker.pick_group(dataset, key="second", label="Against", rest_of=mask)
    st.markdown(f"{title}: {mask.sum()} and {others.sum()}")


@pytest.fixture
def page(workspace):
    app = AppTest.from_function(_page, default_timeout=600, args=(25,)).run()
    assert not app.exception
    return app


def _button(app, label):
    return next(one for one in app.button if one.label == label)


def test_a_selection_is_kept_chosen_deleted_and_brought_back(page, workspace):
    assert "All cells: 2638 and 0" in page.markdown[-1].value
    page.text_input(key="box-name").set_value("Mine").run()
    _button(page, "Save selection").click().run()
    assert page.text_input(key="box-name").value == ""
    page.selectbox(key="first").set_value("Selection: Mine").run()
    assert "Selection: Mine: 25 and 2613" in page.markdown[-1].value
    _button(page, "Delete").click().run()
    assert not page.exception
    assert "All cells" in page.markdown[-1].value
    _button(page, "Undo").click().run()
    kept = list_selections(workspace.selections, workspace.open_dataset(DEMO_DATASET))
    assert [one.rows.tolist() for one in kept] == [list(range(25))]
    page.text_input(key="box-name").set_value("mine").run()
    _button(page, "Save selection").click().run()
    assert "already" in page.warning[0].value


def test_groups_are_found_by_name(workspace):
    dataset = workspace.open_dataset(DEMO_DATASET)
    save_selection(workspace.selections, dataset, "Mine", [3, 4])
    names = selection_picker.group_names(dataset)
    label = str(dataset.info.label)
    assert names[:2] == ["All cells", "Selection: Mine"]
    for name in names:
        assert selection_picker.group(dataset, name).any()
    bs = selection_picker.group(dataset, f"{label}: B")
    assert (bs == (dataset.obs[label] == "B").to_numpy()).all()
    levels = [name for name in names if name.startswith(f"{label}: ")]
    assert np.sum([selection_picker.group(dataset, name) for name in levels], axis=0).max() == 1
    st.session_state.clear()
