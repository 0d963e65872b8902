"""Learn: stories open on their views, questions are answered first, and a story is written while walking."""

from __future__ import annotations

import pytest

from genediff.learn import Question, Step, Story
from genediff.ui.kit import glossary
from tests.pages.conftest import texts

QUESTION = Question(text="Which cell?", choices=("B", "T"), answer=0, because="It shows MS4A1.")
STORY = Story(
    id="mine",
    title="My story",
    steps=(
        Step(title="First view", text="Look at this.", page="home"),
        Step(title="Second view", page="compare", question=QUESTION),
        Step(title="Third *view* ![](http://evil.example/x.png)", page="home", query={"dataset": "gone"}),
    ),
)


def _button(app, label):
    return next(one for one in app.button if one.label == label)


def test_a_story_is_listed_and_opened_by_its_address(open_page, workspace):
    workspace.story_library().save(STORY)
    assert "My story" in texts(open_page("learn"))
    app = open_page("home", {"story": "mine", "step": "1"})
    assert "First view" in texts(app) and "Look at this." in texts(app)
    assert _button(app, "Back").disabled
    assert not _button(app, "Next").disabled


def test_the_next_view_waits_for_the_answer(open_page, workspace):
    workspace.story_library().save(STORY)
    app = open_page("compare", {"story": "mine", "step": "2"})
    assert _button(app, "Next").disabled
    app.radio(key="story-question-mine-1").set_value(1).run()
    assert "Not quite" in texts(app) and "It shows MS4A1." in texts(app)
    assert not _button(app, "Next").disabled
    assert app.radio(key="story-question-mine-1").disabled, "the answer is there: keys go on to the next view"
    again = open_page("compare", {"story": "mine", "step": "2"})
    again.radio(key="story-question-mine-1").set_value(0).run()
    assert "Right." in texts(again)


def test_what_a_view_lacks_is_said_and_texts_of_a_file_stay_text(open_page, workspace):
    workspace.story_library().save(STORY)
    app = open_page("home", {"story": "mine", "step": "3"})
    assert "needs the data set “gone”" in texts(app)
    assert "![](http" not in texts(app)


def test_an_unknown_story_is_one_sentence_and_the_page_stays(open_page, workspace):
    app = open_page("home", {"story": "nothing", "step": "2"})
    assert "There is no story “nothing”" in texts(app)
    assert "Your workspace" in texts(app)


def test_leaving_ends_the_story(open_page, workspace):
    workspace.story_library().save(STORY)
    app = open_page("home", {"story": "mine", "step": "1"})
    _button(app, "Leave the story").click().run()
    assert "First view" not in texts(app)
    assert "story" not in app.query_params


def test_a_story_is_written_while_walking(open_page, workspace):
    app = open_page("learn")
    next(one for one in app.text_input if one.label == "Title").set_value("Walk")
    _button(app, "Write a story").click().run()
    assert "0 views so far" in texts(app)
    next(one for one in app.text_input if one.label == "Title of this view").set_value("Here")
    next(one for one in app.text_area if one.label == "What to look at").set_value("The list.")
    next(one for one in app.text_input if one.label == "Question (optional)").set_value("Which?")
    _button(app, "Add this view").click().run()
    kept = {one.label: one.value for one in (*app.text_input, *app.text_area)}
    assert kept["Title of this view"] == "Here" and kept["What to look at"] == "The list.", "a refusal lost the words"
    next(one for one in app.text_input if one.label == "Question (optional)").set_value("")
    _button(app, "Add this view").click().run()
    assert not app.exception
    assert next(one for one in app.text_input if one.label == "Title of this view").value == ""
    story = workspace.story_library().find("walk")
    assert [(step.title, step.page) for step in story.steps] == [("Here", "learn")]
    app.button(key="story-remove").click().run()
    assert workspace.story_library().find("walk").steps == ()
    assert next(one for one in app.text_input if one.label == "Title of this view").value == "Here", "to be edited"
    _button(app, "Add this view").click().run()
    assert [step.title for step in workspace.story_library().find("walk").steps] == ["Here"]
    _button(app, "Done").click().run()
    assert "views so far" not in texts(app)


def test_a_deleted_story_comes_back(open_page, workspace):
    workspace.story_library().save(STORY)
    app = open_page("learn")
    app.button(key="delete-story-mine").click().run()
    assert "“My story” was deleted" in texts(app)
    app.button(key="undo-story").click().run()
    assert workspace.story_library().find("mine") == STORY


@pytest.mark.parametrize("page", glossary.background_pages())
def test_formulas_and_references_of_the_background_are_drawn(open_page, page):
    """A formula of several lines took the rest of its page along, in red; what only the builder understands stayed."""
    said = texts(open_page("learn", {"view": "Background", "read": page}))
    assert "{doc}" not in said and "{include}" not in said
    assert all(line == "$$" for line in said.splitlines() if "$$" in line)
