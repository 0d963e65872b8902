"""In a real browser: one press of a download button ends in a file, however often the page is drawn meanwhile."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

SCRIPT = """
import time

import streamlit as st

from genediff.ui.kit import downloads

st.title("Numbers")


@st.fragment(run_every=0.1)
def progress():  # as work in the background shows how far it is
    st.session_state.drawn = st.session_state.get("drawn", 0) + 1
    if AGAIN and st.session_state.drawn % 20 == 0:
        st.rerun()


def make():
    time.sleep(0.6)
    return b"a,b\\n1,2\\n"


progress()
downloads.download("Take them", make, "numbers.csv", key="numbers")
"""


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["a part", "the whole page"])
def test_a_file_that_is_made_while_the_page_is_drawn_again_arrives(serve_script, open_browser, again):
    page = open_browser(serve_script(SCRIPT.replace("AGAIN", str(again))).url)
    button = page.get_by_role("button", name="Take them")
    for pause in (0, 250, 500):
        button.wait_for()
        page.wait_for_timeout(pause)
        with page.expect_download() as download:
            button.click()
        assert download.value.suggested_filename == "numbers.csv"
        assert download.value.path().read_text() == "a,b\n1,2\n"
