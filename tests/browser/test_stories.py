"""The stories that ship, walked to their ends: every view opens as its address says, and every question is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from genediff.learn import StoryLibrary
from genediff.ui.perturb.real_screens import screen_called
from genediff.workspace import Workspace
from tests.real_screen_files import import_screen

pytestmark = pytest.mark.browser
NOWHERE = Path(__file__).parent / "nowhere"
STORIES, _ = StoryLibrary(NOWHERE, NOWHERE).read_all()


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.id)
def test_a_story_is_walked_to_its_end(own_server, open_browser, story, tmp_path):
    ids = {}  # of what does not ship: the id that its import has here
    for name in filter(screen_called, story.needs()["dataset"]):
        ids[name] = import_screen(name, tmp_path, Workspace(own_server.home).datasets, umap=True).info.id
    page = open_browser(f"{own_server.url}/learn", width=1440 if story.id != "knock-out" else 390)
    page.locator(f".st-key-story-begin-{story.id} button").click()
    for number, step in enumerate(story.steps):
        bar = page.locator(".st-key-story-bar")
        bar.get_by_role("heading", name=step.title).wait_for()
        bar.get_by_text(f"{number + 1} of {len(story.steps)}").wait_for()
        assert f"/{step.page}?" in page.url and f"story={story.id}" in page.url
        page.locator("[data-test-script-state=notRunning]").first.wait_for()
        asked = {name: [value] if isinstance(value, str) else list(value) for name, value in step.query.items()}
        for name, values in asked.items():
            page.wait_for_function(
                "([name, values]) => String(new URLSearchParams(location.search).getAll(name)) === String(values)",
                arg=[name, [ids.get(value, value) for value in values]],
            )
        onward = bar.get_by_role("button", name=re.compile("^(Next|Finish)"))
        if step.question is not None:
            expect(onward).to_be_disabled()
            bar.get_by_role("radiogroup").locator("label").nth(step.question.answer).click()
            bar.get_by_text("Right.").wait_for()
        if number == 0 and step.question is None:
            page.locator("h1").click()  # the keys belong to the page, not to a field
            page.keyboard.press("ArrowRight")
        else:
            onward.click()
    page.wait_for_url("**/learn**")
    page.locator(".st-key-story-bar").wait_for(state="detached")


def test_presenter_mode_hides_the_menu(server, open_browser):
    page = open_browser(f"{server.url}/data?dataset=pbmc3k&story=what-is-a-token&step=1&present=1")
    page.locator(".st-key-story-bar").wait_for()
    page.locator("[data-testid=stHeader]").wait_for(state="hidden")
    page.locator(".st-key-story-present label").first.click()
    page.locator("[data-testid=stHeader]").wait_for(state="visible")  # the page ran without end, its menu hidden
    page.locator("[data-test-script-state=notRunning]").first.wait_for()
    assert "present=" not in page.url and "story=what-is-a-token" in page.url


def test_after_an_answer_the_arrow_keys_go_on(server, open_browser):
    """They changed the answer: the group of choices still had the keyboard."""
    story = next(one for one in STORIES if one.id == "what-is-a-token")
    number = next(i for i, step in enumerate(story.steps) if step.question is not None)
    step = story.steps[number]
    query = "&".join(f"{name}={value}" for name, value in step.query.items())
    page = open_browser(f"{server.url}/{step.page}?{query}&story={story.id}&step={number + 1}")
    bar = page.locator(".st-key-story-bar")
    bar.get_by_role("radiogroup").locator("label").nth(step.question.answer).click()
    bar.get_by_text("Right.").wait_for()
    page.locator("[data-test-script-state=notRunning]").first.wait_for()
    page.keyboard.press("ArrowRight")
    bar.get_by_text(f"{number + 2} of {len(story.steps)}").wait_for()
