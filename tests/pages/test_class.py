"""A class under AppTest: each browser has a workspace of its own, and the teacher sees places and answers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from genediff.cli import app as command
from genediff.cli.sign_in_file import read_sign_in
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.core.users import Limits, user_root
from genediff.learn import Story
from genediff.models.generate_request import GenerateRequest
from genediff.ui.generate import generate_job
from genediff.ui.generate.generate_job import Job, Queue
from genediff.ui.kit import caching, session_user
from genediff.ui.kit.session_user import COOKIE, TOKEN, Users
from genediff.ui.learn.class_view import no_formulas
from genediff.ui.learn.classroom import Classroom, counted
from genediff.ui.server.browser_cookie import BrowserCookie
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace
from tests.pages.conftest import OpenPage, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CODE = "12ab-34cd"


@pytest.fixture
def sit_at(own_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Workspace]]:
    """A server for a class; say which browser pages are opened in from now on, and get its workspace."""
    session_user.serve(Users("browser", Limits(gigabytes=2, runs=2), code=CODE))

    def sit(name: str) -> Workspace:
        monkeypatch.setattr(type(session_user.st.context), "cookies", {COOKIE: name.ljust(43, "x")})
        return session_user.workspace()

    yield sit
    session_user.serve(Users())


def test_a_browser_sees_what_is_shared_and_its_own_and_what_another_has_is_not_there(sit_at, open_page: OpenPage):
    ada, ben = sit_at("ada"), sit_at("ben")
    for place, name in ((ada, "of-ada"), (Workspace(), "of-the-lab")):
        shutil.copytree(ASSETS / "models" / DEMO_MODEL, place.models / name)
    said = open_page("models", {"model": "of-ada"})
    options = said.dataframe[0].value["origin"].tolist()
    assert "shared" in options and len(options) == len(ben.list_models()) and "uploaded" not in options
    sit_at("ada")
    assert "uploaded" in open_page("models").dataframe[0].value["origin"].tolist()
    assert "The workspace of this browser · 0.0" in texts(open_page("home"))


def test_without_a_cookie_a_page_is_one_sentence(sit_at, open_page: OpenPage, monkeypatch, own_workspace):
    sit_at("ada")
    monkeypatch.setattr(type(session_user.st.context), "cookies", {COOKIE: "../../etc"})
    app = open_page("models")
    assert "allow cookies for it and reload" in app.error[0].value and not app.dataframe
    assert len(list((own_workspace / "users").iterdir())) == 1


def test_results_of_shipped_things_are_common_and_all_others_a_readers_own(sit_at):
    ada = sit_at("ada")
    shutil.copytree(ASSETS / "models" / DEMO_MODEL, ada.models / "of-ada")
    models = {info.id: info for info in ada.list_models()}
    cells = ada.list_datasets()[0]
    assert caching.place(models[DEMO_MODEL], cells) == str(Workspace().root)
    assert caching.place(models["of-ada"], cells) == caching.place() == str(ada.root)
    assert caching.dataset(DEMO_DATASET) is caching.dataset(DEMO_DATASET)
    first = caching.dataset(DEMO_DATASET)
    sit_at("ben")
    assert caching.dataset(DEMO_DATASET) is first  # once in memory for all readers
    with pytest.raises(InputError, match="There is no model 'of-ada'"):
        caching.model("of-ada")


def test_a_generation_belongs_to_who_asked_for_it(sit_at, monkeypatch):
    monkeypatch.setattr(generate_job, "_begin", lambda job: None)
    request = GenerateRequest(DEMO_MODEL, 10, {}, 1.0, "euler", 3, 5)
    ada, job = sit_at("ada"), generate_job.start(request)
    assert generate_job.start(request) is job and job.workspace.root == ada.root
    ben = sit_at("ben")
    other = generate_job.start(request)
    assert other is not job and other.workspace.root == ben.root
    other.cancel()
    assert not job.stopped


def test_turns_go_round_among_workspaces(sit_at):
    queue, request = Queue(), GenerateRequest(DEMO_MODEL, 10, {}, 1.0, "euler", 3, 5)
    ada, ben = sit_at("ada"), sit_at("ben")
    jobs = [Job(request, place) for place in (ada, ada, ada, ben)]
    queue._jobs.extend(jobs)
    assert queue._by_turn() == [jobs[0], jobs[3], jobs[1], jobs[2]]
    queue._first = jobs[1]  # who has the turn keeps it
    assert queue._by_turn()[0] is jobs[1]


def test_the_teachers_page_asks_for_the_code_and_shows_who_is_where(sit_at, open_page: OpenPage):
    sit_at("ada")
    page = open_page("learn")
    assert "You are browser 1 of this class." in texts(page)
    assert not [one for one in page.expander if "expected answers" in one.label]
    sit_at("teacher")
    page = open_page("learn", {"teacher": "1"})
    page.text_input(key="class_code").input("0000-0000")
    page.button[0].click().run()
    assert "This is not the code" in texts(page) and not page.dataframe
    page.text_input(key="class_code").input(CODE.upper())
    page.button[0].click().run()
    seats = page.dataframe[0].value
    assert seats["browser"].tolist() == [1] and seats["page"].tolist() == ["Learn"], "the teacher is not of the class"
    assert [one for one in open_page("learn").expander if "expected answers" in one.label]
    sit_at("ben")
    assert not open_page("learn", {"teacher": "1"}).dataframe


def test_a_teachers_story_is_given_to_the_class_and_taken_back(sit_at, open_page: OpenPage):
    """It opened in the browser alone in which it was written."""
    story = Story(id="ours", title="Our lesson", steps=())
    sit_at("teacher").story_library().save(story)
    assert not [button for button in open_page("learn").button if "the class" in button.label]  # no code yet
    page = open_page("learn", {"teacher": "1"})
    page.text_input(key="class_code").set_value(CODE)
    page.button[0].click().run()
    given = next(one for one in open_page("learn").button if one.label == "Give to the class")
    given.click().run()
    sit_at("student")
    page = open_page("learn")
    assert "Our lesson" in texts(page)
    assert not [button for button in page.button if "the class" in button.label]
    sit_at("teacher")
    next(one for one in open_page("learn").button if one.label == "Take back from the class").click().run()
    sit_at("student")
    assert "Our lesson" not in texts(open_page("learn"))


def test_first_answers_are_counted_and_survive_the_server(tmp_path: Path):
    story = next(s for s in Workspace().story_library().read_all()[0] if any(v.question for v in s.steps))
    step = next(i for i, view in enumerate(story.steps) if view.question)
    question = story.steps[step].question
    wrong = next(i for i in range(len(question.choices)) if i != question.answer)
    room = Classroom(tmp_path / "class")
    places = [user_root(tmp_path, "browser", name, Limits()) for name in ("ada", "ben")]
    room.answered(places[0], story, step, wrong)
    room.answered(places[0], story, step, question.answer)
    room.answered(places[1], story, step, question.answer)
    again = Classroom(tmp_path / "class")
    table = again.answers()
    pd.testing.assert_frame_equal(table, room.answers())
    assert table["browser"].tolist() == [1, 1, 2] and table["attempt"].tolist() == [1, 2, 1]
    row = counted(table).iloc[0]
    assert (row["answered"], row["right at first"]) == (2, 0.5) and again.number(places[1]) == 2
    assert "ada" not in "".join(path.read_text() for path in (tmp_path / "class").iterdir())


def test_a_code_cannot_be_found_by_trying(tmp_path: Path):
    room, root = Classroom(tmp_path / "class"), user_root(tmp_path, "browser", "ada", Limits())
    for _ in range(10):
        with pytest.raises(InputError, match="not the code"):
            room.let_in(root, "0000-0000", CODE)
    with pytest.raises(InputError, match="Too many wrong codes"):
        room.let_in(root, CODE, CODE)
    assert not room.is_teacher(root)


def test_a_browser_gets_one_cookie_with_its_first_page():
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse(""))], middleware=[Middleware(BrowserCookie)])
    client = TestClient(app, base_url="https://testserver")
    assert "set-cookie" not in client.get("/").headers  # a file, not a page
    given = client.get("/", headers={"Accept": "text/html"})
    assert TOKEN.fullmatch(client.cookies[COOKIE])
    assert all(word in given.headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax", "Secure"))
    assert "set-cookie" not in client.get("/", headers={"Accept": "text/html"}).headers


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[auth", "cannot be read as TOML"),
        ("a = 1", "has no section"),
        ('[auth]\nredirect_uri = "https://a.example/oauth2callback"', "lacks .*cookie_secret.*client_id"),
        ('[auth]\nredirect_uri = "https://a.example/oauth2callback"\ncookie_secret = "x"\n[auth.lab]\nclient_id = "x"',
         r"lacks \[auth.lab\] client_secret"),
        ('[auth]\nredirect_uri = "https://a.example/"\ncookie_secret = "x"\nclient_id = "x"\nclient_secret = "x"\n'
         'server_metadata_url = "x"', "and /oauth2callback, such as"),
        ("[auth]\n[users]\nallow = 3", "is a list of e-mail addresses"),
    ],
)  # fmt: skip
def test_a_sign_in_file_that_lacks_something_is_one_sentence(tmp_path, text, problem):
    file = tmp_path / "sign-in.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_sign_in(file)


def test_limits_of_users_need_users():
    for options, problem in (
        (["--user-runs", "2"], "Limits of users go with --sign-in or --class"),
        (["--class", "--sign-in", "x.toml"], "give --sign-in or --class, not both"),
    ):
        done = CliRunner().invoke(command, ["app", *options])
        assert done.exit_code == 1 and problem in done.output


def test_a_students_text_is_no_formula_in_the_teachers_spreadsheet() -> None:
    table = no_formulas(pd.DataFrame({"answer": ["=HYPERLINK(1)", "B cells"], "attempt": [1, -2]}))
    assert table["answer"].tolist() == ["'=HYPERLINK(1)", "B cells"]
    assert table["attempt"].tolist() == [1, -2]
