"""The bar above a page while a story is told: where the reader is, what to look at, a question, back and next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from genediff.core.errors import InputError
from genediff.ui.kit import caching, explain, layout, state
from genediff.ui.learn import class_view, story_editor
from genediff.ui.perturb import real_screens

if TYPE_CHECKING:
    from genediff.learn import Question, Step, Story

STORY, STEP, PRESENT = "story", "step", "present"
_KEPT = "story_place"
_ELSEWHERE = "story_link"
_ANSWERS = "story_answers"

_PRESENTER = """<style>
header[data-testid="stHeader"], [data-testid="stToolbar"] { display: none; }
.block-container { padding-top: 1rem; max-width: none; }
.st-key-story-bar p, .st-key-story-bar li, .st-key-story-bar label { font-size: 1.35rem; line-height: 1.5; }
.st-key-story-bar h3 { font-size: 2rem; }
</style>"""


@dataclass(frozen=True)
class Place:
    """Which view of which story, and whether it is presented."""

    story: str
    step: int = 0
    present: bool = False

    def to_query(self) -> dict[str, str]:
        """Return the part of the address that says so."""
        return {STORY: self.story, STEP: str(self.step + 1), **({PRESENT: "1"} if self.present else {})}


def show() -> None:
    """Draw the bar where the address or the session names a story; nothing else otherwise."""
    story_editor.show_draft()
    begun = st.session_state.pop(layout.STORY_TO_BEGIN, None)
    place = _place() if begun is None else Place(begun)
    if place is None:
        class_view.note()
        return
    try:
        story = caching.workspace().story_library().find(place.story)
    except InputError as problem:
        leave()
        explain.show_input_error(problem)
        return
    if begun is not None and story.steps:
        open_story(story)
    place = replace(place, step=min(place.step, len(story.steps) - 1))
    _keep(place)
    if place.step < 0:
        explain.show_input_error(InputError(f"The story “{story.title}” has no views yet."))
        leave()
        return
    class_view.note(f"{story.title}, {place.step + 1} of {len(story.steps)}")
    _take_real_screen(story.steps[place.step])
    _draw(story, place)


def open_story(story: Story, *, step: int = 0, present: bool = False) -> None:
    """Go to a view of a story; does not return."""
    place = Place(story.id, step, present)
    _keep(place)
    view = story.steps[step]
    query = _here(view)
    if view.page != layout.current_page():
        st.switch_page(layout.page(view.page), query_params={**query, **place.to_query()})
    taken = [_set(name, value) for name, value in query.items()]
    if not all(taken):
        st.session_state[_ELSEWHERE] = f"/{view.page}?{urlencode({**query, **place.to_query()}, doseq=True)}"
    st.rerun()


def leave() -> None:
    """End the story; the page stays as it is."""
    st.session_state.pop(_KEPT, None)
    for name in (STORY, STEP, PRESENT):
        st.query_params.pop(name, None)


def _place() -> Place | None:
    """Return the place that the address names; the menu drops it on its way, so the session keeps it too."""
    query = st.query_params
    if STORY not in query:
        return st.session_state.get(_KEPT)
    number = query.get(STEP, "1")
    return Place(query[STORY], max(int(number) - 1, 0) if number.isdecimal() else 0, query.get(PRESENT) == "1")


def _keep(place: Place) -> None:
    st.session_state[_KEPT] = place
    query = place.to_query()
    for name in (STORY, STEP, PRESENT):
        if name not in query:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != query[name]:
            st.query_params[name] = query[name]


def _here(view: Step) -> dict[str, str | tuple[str, ...]]:
    """Return the query of a view; a real screen goes by the id of its import, and nothing is asked without one."""
    named = view.named("dataset")
    if real_screens.screen_called(named) is None:
        return view.query
    own = real_screens.imported_id(named)
    return {} if own is None else {**view.query, "dataset": own}


def _take_real_screen(view: Step) -> None:
    """Put the id of the import in place of a real screen's name, as a link to a view of a story has it."""
    named = view.named("dataset")
    if real_screens.screen_called(named) is None or state.current().dataset != named:
        return
    if (own := real_screens.imported_id(named)) is not None:
        state.choose(dataset=own)
    else:
        state.forget("dataset")


def _set(name: str, value: str | tuple[str, ...]) -> bool:
    """Give the open page a part of an address: to the widget that holds it, and else to the address itself.

    Returns False for a number, which the page might refuse; then the view is offered as a link.
    """
    held = st.session_state.get(name)
    if name not in st.session_state:
        st.query_params[name] = value
        if isinstance(value, tuple):  # of a widget that is not drawn yet, and does not look at an address that changes
            st.session_state[name] = list(value)
    elif held is None or isinstance(held, str | list):
        several = [value] if isinstance(value, str) else list(value)
        st.session_state[name] = several if isinstance(held, list) else value
    else:
        return st.query_params.get(name) == value
    return True


def _draw(story: Story, place: Place) -> None:
    step, last = story.steps[place.step], place.step == len(story.steps) - 1
    if place.present:
        st.html(_PRESENTER)
    _mark_controls(step)
    with st.container(border=True, key="story-bar", gap="small"):
        number = class_view.number()
        seat = "" if number is None else f" · you are browser {number} of this class"
        st.caption(f"{explain.plain(story.title)} · {place.step + 1} of {len(story.steps)}{seat}")
        st.subheader(explain.plain(step.title), anchor=False)
        for paragraph in filter(None, step.text.split("\n\n")):
            st.markdown(explain.plain(" ".join(paragraph.split())))
        is_here = _is_here(step)
        if (address := st.session_state.pop(_ELSEWHERE, None)) is not None:
            st.link_button("Open this view with its settings", address, icon=":material/open_in_new:")
        open_question = is_here and step.question is not None and not _ask(step.question, story, place.step)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if st.button("Back", shortcut="Left", disabled=place.step == 0, key="story-back"):
                open_story(story, step=place.step - 1, present=place.present)
            if last:
                if st.button("Finish", shortcut="Right", type="primary", key="story-finish", disabled=open_question):
                    leave()
                    layout.go("learn")
            elif st.button(
                "Next", shortcut="Right", type="primary", key="story-next",
                disabled=open_question, help="Answer the question first." if open_question else None,
            ):  # fmt: skip
                open_story(story, step=place.step + 1, present=place.present)
            if st.button("Return to this view", type="tertiary", key="story-again"):
                open_story(story, step=place.step, present=place.present)
            shown = st.toggle("Presenter mode", value=place.present, key="story-present")
            if shown != place.present:
                _keep(replace(place, present=shown))  # the view stays as the reader left it
                st.rerun()
            st.button("Leave the story", type="tertiary", key="story-leave", on_click=leave)
    if not is_here and layout.current_page() != "data":  # where what is missing is added
        st.stop()


def _ask(question: Question, story: Story, step: int) -> bool:
    """Draw a question; returns whether it was answered. The choice stays when the reader comes back."""
    place = f"{story.id}-{step}"
    key = f"story-question-{place}"
    answers: dict[str, int] = st.session_state.setdefault(_ANSWERS, {})

    def note() -> None:
        answers[place] = st.session_state[key]
        class_view.answered(story, step, answers[place])

    st.radio(
        explain.plain(question.text),
        range(len(question.choices)),
        index=answers.get(place),
        format_func=lambda i: explain.plain(question.choices[i]),
        key=key,
        on_change=note,
        disabled=place in answers,  # the arrow keys go on to the next view again, and not to the next answer
    )
    if place not in answers:
        return False
    chosen = answers[place]
    because = explain.plain(question.because)
    if chosen == question.answer:
        st.success(f"Right. {because}", icon=":material/check_circle:")
    else:
        right = explain.plain(question.choices[question.answer])
        st.info(f"Not quite: “{right}”. {because}", icon=":material/lightbulb:")
    return True


def _is_here(step: Step) -> bool:
    """Say which data or model of a view is not here, and lead to where it can be had.

    Returns False where the page would speak of other cells than the view: of a real screen that was not added yet.
    """
    workspace = caching.workspace()
    dataset, model = step.named("dataset"), step.named("model")
    if (screen := real_screens.screen_called(dataset)) is not None:
        if real_screens.imported_id(dataset) is not None:
            return True
        st.warning(
            "This story needs cells that may not be passed on with the app. Download the file from its source, keep "
            "its name, add it under Data with the columns below, then come back here by “Return to this view”."
        )
        st.markdown(screen.guide)
        real_screens.add_link()
        return False
    if dataset and dataset not in {info.id for info in workspace.list_datasets()}:
        st.warning(f"This view needs the data set “{explain.plain(dataset)}”, which is not in this workspace.")
        layout.link("data", "Add it on Data", icon=":material/upload_file:", extra={"add": "1"})
    elif model and model not in {info.id for info in workspace.list_models()}:
        st.warning(f"This view needs the model “{explain.plain(model)}”, which is not in this workspace.")
        layout.link("train", "Train a model of these cells", icon=":material/model_training:", dataset=dataset)
    return True


def _mark_controls(step: Step) -> None:
    """Outline the controls that a view is about, and switch off those that it locks."""
    rules = [
        *(f".st-key-{_class(key)} {{ outline: 3px solid #d95f02; outline-offset: 6px; border-radius: 4px; }}"
          for key in step.highlight),
        *(f".st-key-{_class(key)} {{ pointer-events: none; opacity: .55; }}" for key in step.locked),
    ]  # fmt: skip
    if rules:
        st.html(f"<style>{' '.join(rules)}</style>")


def _class(key: str) -> str:
    """Return a widget's key as Streamlit writes it into its element's class; nothing else may enter a style sheet."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in key)
