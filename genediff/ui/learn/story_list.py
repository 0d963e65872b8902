"""The stories on the Learn page: open, write, share, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.core.errors import InputError
from genediff.learn import Story, parse_story
from genediff.ui.kit import caching, downloads, explain
from genediff.ui.kit.library_list import LibraryList
from genediff.ui.learn import class_view, story_bar, story_editor

if TYPE_CHECKING:
    from genediff.learn import StoryLibrary

_TITLE, _SUMMARY = "story_title", "story_summary"


def show() -> None:
    """List the stories, then the ways to add one."""
    library = caching.workspace().story_library()
    stories, damaged = library.read_all()
    own = LibraryList("story", "stories", delete=library.delete, restore=library.restore)
    own.messages()
    for story in stories:
        _card(story, library, own)
    for name, why in damaged.items():
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(explain.plain(why), width="stretch")
            if library.is_own(name):
                own.delete_button(name, name)
    own.trash(library.deleted())
    _add(library)


def _card(story: Story, library: StoryLibrary, own: LibraryList) -> None:
    with st.container(border=True, gap="small", key=f"story-card-{story.id}"):
        length = f"about {story.minutes} minutes · {len(story.steps)} views" if story.steps else "no views yet"
        st.markdown(f"**{explain.plain(story.title)}** :gray[{length}]")
        if story.summary:
            st.markdown(explain.plain(story.summary))
        with st.container(horizontal=True, vertical_alignment="center"):
            ready = bool(story.steps)
            if st.button("Begin", type="primary", key=f"story-begin-{story.id}", disabled=not ready):
                story_bar.open_story(story)
            if st.button("Present", key=f"story-show-{story.id}", disabled=not ready, icon=":material/present_to_all:"):
                story_bar.open_story(story, present=True)
            is_own = library.is_own(story.id)
            teaching = is_own or class_view.may_see_answers()
            if teaching:
                downloads.download(
                    "Download", lambda: story.to_yaml().encode(), f"{story.id}.yaml", key=f"story-{story.id}",
                    narrow=True,
                )  # fmt: skip
            if is_own:
                st.button("Add views", key=f"story-edit-{story.id}", on_click=story_editor.begin, args=(story,))
                class_view.share_button(story)
                own.delete_button(story.id, story.title)
        if teaching and (story.goals or story.notes):
            with st.expander("For teachers: goals, plan and expected answers"):
                for goal in story.goals:
                    st.markdown(f"- {explain.plain(goal)}")
                for paragraph in filter(None, story.notes.split("\n\n")):
                    st.markdown(explain.plain(" ".join(paragraph.split())))


def _add(library: StoryLibrary) -> None:
    st.subheader("Your own story", anchor=False)
    st.caption("Add a file, or write one by walking through the app and adding the views that you want to show.")
    with st.form("story-new", border=True):
        st.text_input("Title", max_chars=120, key=_TITLE)
        st.text_input("What it is about", max_chars=600, key=_SUMMARY)
        st.form_submit_button("Write a story", icon=":material/edit:", on_click=_write, args=(library,))
    given = st.file_uploader("A story (.yaml or .json)", type=["yaml", "yml", "json"], key="story-file")
    if given is not None and st.button("Add the story", key="story-add-file"):
        try:
            story = parse_story(given.getvalue().decode("utf-8"), name=given.name)
        except UnicodeDecodeError:
            explain.show_input_error(InputError(f"{given.name} is not text in UTF-8."))
        except InputError as problem:
            explain.show_input_error(problem)
        else:
            library.save(story.model_copy(update={"id": library.free_id(story.id)}))
            st.rerun()


def _write(library: StoryLibrary) -> None:
    title, summary = st.session_state[_TITLE].strip(), st.session_state[_SUMMARY].strip()
    if not title:
        st.toast("Give the story a title.", icon=":material/error:")
        return
    story = Story(id=library.free_id(title), title=title, summary=summary, steps=())
    library.save(story)
    story_editor.begin(story)
