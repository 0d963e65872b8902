"""The teacher's page of a class: who is where, what was answered, and a table to take away."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.core.users import FOLDER, common_root, used_bytes
from genediff.runs import list_runs
from genediff.ui.kit import caching, downloads, explain, layout, session_user, tables
from genediff.ui.learn.classroom import HERE_SECONDS, Classroom, classroom, counted
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.learn import Story, StoryLibrary

ASKED = "teacher"
"""The part of the address of Learn that asks for this page."""
_CODE, _PROBLEM = "class_code", "class_problem"


def _is_class() -> bool:
    return session_user.users().known_by == "browser"


def _here() -> tuple[Classroom, Path]:
    """Return the class, and the workspace of this browser in it."""
    root = caching.workspace().root
    return classroom(root), root


def note(story: str = "") -> None:
    """Note where this browser is, where there is a class."""
    if _is_class():
        room, root = _here()
        room.seen(root, layout.TITLES.get(layout.current_page(), ""), story)


def answered(story: Story, step: int, chosen: int) -> None:
    """Note an answer for the teacher, where there is a class and the story is not this browser's own."""
    if _is_class() and not caching.workspace().story_library().is_own(story.id):
        room, root = _here()
        room.answered(root, story, step, chosen)


def number() -> int | None:
    """Return the number of this browser in its class; None where there is no class."""
    if not _is_class():
        return None
    room, root = _here()
    return room.number(root)


def may_see_answers() -> bool:
    """Whether goals and expected answers are shown: in a class only to who has given the teacher's code."""
    if not _is_class():
        return True
    room, root = _here()
    return room.is_teacher(root)


def share_button(story: Story) -> None:
    """Let a teacher give a story of their own to the class, or take it back."""
    if not _is_class() or not may_see_answers():
        return
    shared = Workspace(common_root(caching.workspace().root)).story_library()
    given = shared.is_own(story.id)
    st.button(
        "Take back from the class" if given else "Give to the class",
        icon=":material/group_remove:" if given else ":material/group_add:",
        key=f"story-class-{story.id}",
        help="Whoever opens Learn in this class finds it there.",
        on_click=_take_back if given else shared.save,
        args=(shared, story) if given else (story,),
    )


def _take_back(shared: StoryLibrary, story: Story) -> None:
    with contextlib.suppress(InputError):  # another teacher was faster
        shared.delete(story.id)


def is_asked_for() -> bool:
    """Whether this is a class and the address asks for the teacher's page."""
    return _is_class() and ASKED in st.query_params


def show() -> None:
    """Draw the page, or ask for the code."""
    room, root = _here()
    if not room.is_teacher(root):
        if problem := st.session_state.pop(_PROBLEM, None):
            explain.show_input_error(problem)
        with st.form("class-code", border=True):
            st.text_input("Code", type="password", key=_CODE, help="The server printed it when it was started.")
            st.form_submit_button("Open the teacher's page", on_click=_let_in, args=(room, root))
        return
    st.fragment(_body, run_every="5s")(room, common_root(root))
    answers = room.answers()
    if len(answers):
        downloads.download(
            "All answers as CSV", lambda: downloads.to_csv(no_formulas(room.answers())), "answers.csv",
            key="class-answers",
        )  # fmt: skip


def no_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Quote text that a spreadsheet would compute: a student may have written it (OWASP, CSV injection)."""
    return table.apply(
        lambda column: column.map(
            lambda value: f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
        )
    )


def _let_in(room: Classroom, root: Path) -> None:
    try:
        room.let_in(root, st.session_state[_CODE], session_user.users().code)
    except InputError as problem:
        st.session_state[_PROBLEM] = str(problem)


def _body(room: Classroom, shared: Path) -> None:
    seats, answers = room.seats(), room.answers()
    here = sum(time.time() - seat.seen < HERE_SECONDS for _, seat in seats)
    runs = {name: list_runs(Workspace(shared / FOLDER / name)) for name, _ in seats}
    states = [run.status.state for found in runs.values() for run in found]
    columns = st.columns(4)
    columns[0].metric("Browsers here", f"{here} of {len(seats)}", help="Those that opened a page within 2 minutes.")
    columns[1].metric("Runs going on", states.count("running"))
    columns[2].metric("Runs waiting", states.count("queued"))
    columns[3].metric("Answers", len(answers))
    st.subheader("Where they are", anchor=False)
    tables.show(
        pd.DataFrame(
            [
                {
                    "browser": seat.browser,
                    "page": seat.page,
                    "story": seat.story,
                    "last seen": _ago(time.time() - seat.seen),
                    "runs": sum(not run.status.has_ended for run in runs[name]),
                    "space used (MB)": round(used_bytes(shared / FOLDER / name) / 1e6, 1),
                }
                for name, seat in seats
            ]
        ),
        "seats",
        column_config={"story": st.column_config.TextColumn(width="large")},
    )
    st.subheader("Answers", anchor=False)
    if answers.empty:
        st.caption(
            "Nobody has answered a question of a story yet. Let the class begin one on Learn, or send them its address."
        )
        return
    tables.show(
        counted(answers), "answers", column_config={"right at first": st.column_config.NumberColumn(format="percent")}
    )
    explain.how_to_read(
        "First answers, one per browser and question: later ones know what is right. The table to take away has all."
    )


def _ago(seconds: float) -> str:
    return "just now" if seconds < 60 else f"{seconds / 60:.0f} min ago"
