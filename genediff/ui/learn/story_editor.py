"""Write a story while walking through the app: each view is added as it stands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.learn import Question, Step, Story
from genediff.ui.kit import caching, explain, layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.learn import StoryLibrary

_DRAFT = "story_draft"
_FIELDS = tuple(f"story_view_{part}" for part in ("title", "text", "question", "choices", "because"))
_NOT_OF_A_VIEW = ("story", "step", "present")


def begin(story: Story) -> None:
    """Write on a story from now on; the bar to add views appears on every page."""
    st.session_state[_DRAFT] = story.id


def show_draft() -> None:
    """Draw the bar with which the view that is open can be added, while a story is being written."""
    story_id = st.session_state.get(_DRAFT)
    if story_id is None:
        return
    library = caching.workspace().story_library()
    try:
        story = library.find(story_id)
    except InputError:
        st.session_state.pop(_DRAFT)
        return
    with st.container(border=True, key="story-draft"):
        n = len(story.steps)
        st.caption(f"Writing “{explain.plain(story.title)}” · {n} {'view' if n == 1 else 'views'} so far")
        with st.form("story-add", border=False):  # cleared once the view is added: a refusal keeps what was typed
            st.text_input("Title of this view", max_chars=120, key=_FIELDS[0])
            st.text_area("What to look at", max_chars=2000, height=80, key=_FIELDS[1])
            st.text_input("Question (optional)", max_chars=400, key=_FIELDS[2])
            st.text_area(
                "Choices, one a line; begin the right one with *", height=80, placeholder="* B cells\nT cells",
                key=_FIELDS[3],
            )  # fmt: skip
            st.text_input("Why (shown once it is answered)", max_chars=1000, key=_FIELDS[4])
            st.form_submit_button(
                "Add this view", type="primary", icon=":material/add:", on_click=_add, args=(story, library)
            )
        with st.container(horizontal=True):
            st.button("Done", key="story-done", on_click=_end)
            if story.steps:
                last = explain.plain(story.steps[-1].title)
                st.button(f"Remove the last view, “{last}”", type="tertiary", icon=":material/undo:",
                          key="story-remove", on_click=_remove_last, args=(story, library))  # fmt: skip


def _end() -> None:
    st.session_state.pop(_DRAFT, None)


def _add(story: Story, library: StoryLibrary) -> None:
    with _refusals_as_toasts():
        step = _step(*(st.session_state[field] for field in _FIELDS))
        library.save(story.model_copy(update={"steps": (*story.steps, step)}))
        _fill("", "", "", "", "")
        st.toast(f"View {len(story.steps) + 1} was added.")


def _remove_last(story: Story, library: StoryLibrary) -> None:
    """Take the last view away, and its words back to where they can be edited."""
    step = story.steps[-1]
    question = choices = because = ""
    if (asked := step.question) is not None:
        marked = (f"{'* ' if i == asked.answer else ''}{choice}" for i, choice in enumerate(asked.choices))
        question, choices, because = asked.text, "\n".join(marked), asked.because
    with _refusals_as_toasts():
        library.save(story.model_copy(update={"steps": story.steps[:-1]}))
        _fill(step.title, step.text, question, choices, because)


@contextmanager
def _refusals_as_toasts() -> Iterator[None]:
    """Say what is refused within, and leave the rest of it undone."""
    try:
        with disk_errors():
            yield
    except (InputError, ValueError) as problem:
        st.toast(str(problem), icon=":material/error:")


def _fill(*words: str) -> None:
    for field, value in zip(_FIELDS, words, strict=True):
        st.session_state[field] = value


def _step(title: str, text: str, question: str, choices: str, because: str) -> Step:
    """Return the view that is open, with its words."""
    if not title.strip():
        raise InputError("Give this view a title.")
    values = {name: st.query_params.get_all(name) for name in st.query_params if name not in _NOT_OF_A_VIEW}
    query = {name: one[0] if len(one) == 1 else tuple(one) for name, one in values.items()}
    asked = _question(question, choices, because) if question.strip() else None
    return Step(title=title.strip(), text=text.strip(), page=layout.current_page(), query=query, question=asked)


def _question(text: str, choices: str, because: str) -> Question:
    lines = [line.strip() for line in choices.splitlines() if line.strip()]
    right = [i for i, line in enumerate(lines) if line.startswith("*")]
    if len(lines) < 2 or len(right) != 1:
        raise InputError("A question needs two choices or more, and * before the one that is right.")
    plain = tuple(line.lstrip("* ") for line in lines)
    return Question(text=text.strip(), choices=plain, answer=right[0], because=because.strip())
