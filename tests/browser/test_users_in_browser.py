"""Two people on one server, in two browsers: neither sees, changes or deletes what the other has.

A class tells browsers apart by a cookie; with sign-in users are told apart by an OpenID Connect provider, here a local
one.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from genediff.core.installation import ASSETS
from genediff.data.uploads import incoming
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

from .conftest import PATIENCE, _serve, _wait, real_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from .conftest import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def class_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`genediff app --class`."""
    yield from _serve(tmp_path_factory.mktemp("class"), with_routes=True, options=("--class",))


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A local OpenID Connect provider that lets in whoever gives a name."""
    port = _free_port()
    log = tmp_path_factory.mktemp("provider") / "log"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    for name in ("ada", "ben", "eve"):
        place = "elsewhere" if name == "eve" else "lab"
        command += ["--user-claims", json.dumps({"sub": name, "email": f"{name}@{place}.example"})]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait(f"http://localhost:{port}/.well-known/openid-configuration", process, log)
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def sign_in_server(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`genediff app --sign-in FILE`."""
    folder, port = tmp_path_factory.mktemp("sign-in"), _free_port()
    file = folder / "sign-in.toml"
    file.write_text(f"""
[auth]
redirect_uri = "http://localhost:{port}/oauth2callback"
cookie_secret = "a long random text that nobody knows"
client_id = "genediff"
client_secret = "shared with the provider"
server_metadata_url = "{provider}/.well-known/openid-configuration"
[users]
allow = ["*@lab.example"]
""")
    options = ("--sign-in", str(file), "--user-gigabytes", "1")
    yield from _serve(folder, with_routes=True, options=options, port=port)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def browser_of(chromium: Browser, address: str) -> Iterator[Page]:
    """A browser of its own, with its own cookies."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def settled(page: Page) -> str:
    """Return all that a page says, once it has been drawn."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    text: str = page.locator("body").inner_text()
    return text


def workspaces(server: Server) -> list[Workspace]:
    """Return the workspaces of the users, in the order in which they came."""
    folders = sorted((server.home / "users").iterdir(), key=lambda folder: folder.stat().st_ctime_ns)
    return [Workspace(folder) for folder in folders]


def give(workspace: Workspace, name: str) -> None:
    """Put a model, a data set, a finished generation and an uploaded file into a workspace."""
    shutil.copytree(ASSETS / "models" / DEMO_MODEL, workspace.models / f"model-{name}")
    about = workspace.models / f"model-{name}" / "model.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "title": f"Model of {name}"}))
    shutil.copytree(ASSETS / "datasets" / DEMO_DATASET, workspace.datasets / f"cells-{name}")
    run = workspace.runs / f"20260101-000000-{name}"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"kind": "generate", "name": f"Run of {name}", "config": {}}))
    (run / "status.json").write_text(json.dumps({"state": "finished", "pid": None}))
    (run / "cells.h5ad").write_bytes(b"cells of " + name.encode())
    real_cells(workspace.uploads / f"{name}.h5ad")


def token_of(page: Page, server: Server) -> str:
    """Return the token with which this browser's page of uploads asks the routes."""
    page.goto(f"{server.url}/data?add=1")
    settled(page)  # a box for files that is drawn anew forgets what was chosen in the old one
    page.wait_for_timeout(1500)
    with page.expect_request(re.compile(r"/api/uploads$")) as asked:
        page.locator("input[type=file]").set_input_files({"name": "x.csv", "mimeType": "", "buffer": b"a,b\n1,2\n"})
    return str(asked.value.headers["x-genediff-token"])


def status_of(address: str, token: str, method: str = "GET") -> int:
    request = urllib.request.Request(address, method=method, headers={"X-GeneDiff-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def nothing_is_shared(server: Server, one: Page, other: Page, mine: Workspace, theirs: Workspace) -> None:
    """The heart of it: what one has is not there for the other, whatever address is asked for."""
    give(mine, "ada")
    give(theirs, "ben")
    one.goto(f"{server.url}/models?model=model-ada")
    one.get_by_role("heading", name="Model of ada").wait_for()
    for address in (
        "/models?model=model-ben", "/generate?job=20260101-000000-ben", "/train?run=20260101-000000-ben",
        "/data?dataset=cells-ben", "/data?add=1&file=ben.h5ad",
    ):  # fmt: skip
        one.goto(f"{server.url}{address}")
        said = settled(one)
        assert "Model of ben" not in said and "Run of ben" not in said, (address, said)
    one.goto(f"{server.url}/data?add=1&file={theirs.uploads / 'ben.h5ad'}")
    one.get_by_text("outside the folders that this app may read").first.wait_for()
    tokens = token_of(one, server), token_of(other, server)
    for token, own, foreign in ((tokens[0], "ada", "ben"), (tokens[1], "ben", "ada")):
        cells = f"{server.url}/api/cells/20260101-000000-"
        assert status_of(f"{cells}{own}?token={token}", token) == 200
        assert status_of(f"{cells}{foreign}?token={token}", token) == 404
    sent = incoming.begin(mine.uploads, "large.h5ad", 10_000)
    address = f"{server.url}/api/uploads/{sent.id}"
    assert status_of(address, tokens[1]) == 404 and status_of(address, tokens[1], "DELETE") == 404
    assert status_of(address, "") == 401 and status_of(address, tokens[0]) == 200
    other.goto(f"{server.url}/models?model=model-ben")
    other.get_by_role("heading", name="Model of ben").wait_for()
    other.get_by_role("button", name="Delete", exact=True).first.click()
    other.get_by_role("heading", name="Model of ben").wait_for(state="detached")
    assert [info.id for info in theirs.list_models() if not info.shipped] == []
    assert [info.id for info in mine.list_models() if not info.shipped] == ["model-ada"]
    one.goto(f"{server.url}/models?model=model-ada")
    one.get_by_role("heading", name="Model of ada").wait_for()
    expect(one.get_by_text("model-ben")).to_have_count(0)  # not among what can be restored either


def test_in_a_class_two_browsers_share_nothing_and_the_teacher_sees_places_and_answers(class_server, chromium):
    server = class_server
    code = re.search(r"code ([0-9a-f-]+)", (server.home.parent / "server.log").read_text())
    assert code is not None
    with browser_of(chromium, server.url) as one:
        settled(one)
        with browser_of(chromium, server.url) as other:
            settled(other)
            mine, theirs = workspaces(server)
            nothing_is_shared(server, one, other, mine, theirs)
            one.goto(f"{server.url}/learn")
            one.get_by_text("You are browser 1 of this class.").wait_for()
            story, step = _a_question()
            other.goto(f"{server.url}/learn?story={story.id}&step={step + 1}")
            other.get_by_text("you are browser 2 of this class").first.wait_for()
            other.get_by_text(story.steps[step].question.choices[0], exact=True).first.click()
            other.get_by_text(re.compile("Right\\.|Not quite")).first.wait_for()
            one.goto(f"{server.url}/learn?teacher=1")
            one.get_by_role("textbox", name="Code").fill("0000-0000")
            one.get_by_role("button", name="Open the teacher's page").click()
            one.get_by_text("This is not the code").wait_for()
            expect(one.get_by_text("Where they are")).to_have_count(0)
            one.get_by_role("textbox", name="Code").fill(code[1])
            one.get_by_role("button", name="Open the teacher's page").click()
            one.get_by_role("heading", name="Where they are").wait_for()
            with one.expect_download() as taken:
                one.get_by_role("button", name="All answers as CSV").click()
            text = taken.value.path().read_text()
            assert story.id in text and text.splitlines()[1].split(",")[1] == "2"
            other.goto(f"{server.url}/learn?teacher=1")
            other.get_by_role("textbox", name="Code").wait_for()  # who has not given it sees nothing


def _a_question():
    for story in Workspace().story_library().read_all()[0]:
        for number, step in enumerate(story.steps):
            if step.question is not None:
                return story, number
    raise AssertionError("no shipped story asks a question")


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("input[name=sub]").fill(name)
    page.locator("input[name=sub]").press("Enter")


def test_two_who_signed_in_share_nothing(sign_in_server, chromium):
    server = sign_in_server
    with browser_of(chromium, f"{server.url}/models") as one:
        assert "Sign in to open your workspace" in settled(one)
        assert not (server.home / "users").exists()
        sign_in(one, "ada")
        one.get_by_text(re.compile("Signed in as ada@.?lab.example")).wait_for()
        with browser_of(chromium, server.url) as other:
            settled(other)
            sign_in(other, "ben")
            other.get_by_text(re.compile("Signed in as ben@.?lab.example")).wait_for()
            mine, theirs = workspaces(server)
            names = [json.loads((place.root / "user.json").read_text())["name"] for place in (mine, theirs)]
            assert names == ["ada@lab.example", "ben@lab.example"]
            nothing_is_shared(server, one, other, mine, theirs)
            other.goto(server.url)
            other.get_by_role("button", name="Sign out").click()
            other.wait_for_url(re.compile("end_session"))  # the provider is told, too
            other.goto(f"{server.url}/models?model=model-ben")
            other.get_by_role("button", name="Sign in", exact=True).wait_for()
        with browser_of(chromium, server.url) as stranger:
            sign_in(stranger, "eve")
            stranger.get_by_text(re.compile("eve@.?elsewhere.example may not use this server")).wait_for()
            assert len(workspaces(server)) == 2
