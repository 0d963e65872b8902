"""The frame: every page opens from a link, keeps its ids, and says what to do next where something is missing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genediff.ui.kit import layout
from genediff.workspace import DEMO_DATASET

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(sorted(path.stem for path in (ROOT / "pages").glob("*.py")))


def test_the_menu_holds_every_page():
    assert set(layout.TITLES) - {"learn"} == set(PAGES) - {"learn"}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_starts_with_the_guard(name):
    """Without it a cold link shows the page without its frame; see `layout.guard`."""
    lines = (ROOT / "pages" / f"{name}.py").read_text(encoding="utf-8").splitlines()
    calls = [line for line in lines if line.strip() and not line.startswith(("import ", "from ", "#", '"""'))]
    assert "layout.guard()" in calls


@pytest.mark.parametrize("name", PAGES)
def test_with_no_data_every_page_opens_and_says_what_to_do(name, open_page, no_data):
    app = open_page(name)
    assert app.title
    said = " ".join(str(one.value) for one in [*app.markdown, *app.caption, *app.subheader])
    assert any(word in said for word in ("Add a", "Start with", "None yet", "train", "Train", "upload"))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_the_demo(name, open_page):
    app = open_page(name, {"dataset": DEMO_DATASET})
    assert app.title
    assert not app.error


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_a_model(name, open_page, model_id):
    app = open_page(name, {"dataset": DEMO_DATASET, "model": model_id})
    assert app.title
    assert not app.error


@pytest.mark.parametrize("name", ["data", "train"])
def test_an_id_that_is_not_there_is_one_sentence(name, open_page):
    app = open_page(name, {"dataset": "../../etc"})
    assert [error.value for error in app.error if "no data set" in error.value]


def test_ids_stay_when_the_menu_drops_the_address():
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=600)
    app.query_params["dataset"] = DEMO_DATASET
    app.switch_page("pages/data.py").run()
    del app.query_params["dataset"]
    app.switch_page("pages/train.py").run()
    assert app.query_params["dataset"] in (DEMO_DATASET, [DEMO_DATASET])


def test_background_work_is_not_held_up_by_collections_after_every_run():
    """Streamlit collects all garbage after every run of a script unless told not to.

    With torch loaded that took half a second of Python's lock, twice a second while a page showed how far some work
    was: figures of a prediction that take two seconds came after forty.
    """
    from streamlit import config

    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["runner"]["postScriptGC"] is False
    assert config.get_option("runner.postScriptGC") is not None  # it still has this name
