"""One damaged item in a workspace took 59 of 298 page openings down; now it is a sentence with a button.

Every JSON file that a workspace holds is damaged in every way, each in a copy of the item of its own, and the lists are
read with all of them in place. Then each page is opened once on the whole ruin.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from genediff.comparison.comparison_store import list_comparisons
from genediff.core.installation import ASSETS
from genediff.runs import list_runs
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, DEMO_RESPONSE, Workspace
from tests.pages.conftest import PAGES, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHIPPED = {
    "datasets": DEMO_DATASET,
    "models": DEMO_MODEL,
    "comparisons": "pbmc3k",
    "responses": DEMO_RESPONSE,
}
DAMAGE = {
    "missing": None,
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"3",
    "garbage": b"\xff\xfe\x00\x01{",
    "deep": b"[" * 200_000,
    "no-fields": b"{}",
    "lists": "lists",
    "texts": "texts",
}


def _damaged(content: bytes, how: str) -> bytes:
    """Return an object whose every field is of another type."""
    wrong = {"lists": ["x"], "texts": "x"}[how]
    return json.dumps(
        {key: value if key == "format_version" else wrong for key, value in json.loads(content).items()}
    ).encode()


def _ruin(workspace: Workspace) -> Iterator[tuple[str, str, str]]:
    """Fill a workspace with damaged copies of what ships: (kind, file, damage)."""
    for kind, shipped in SHIPPED.items():
        source = ASSETS / kind / shipped
        for file in sorted(path.name for path in source.glob("*.json")):
            for how, content in DAMAGE.items():
                copy = getattr(workspace, kind) / f"{file.removesuffix('.json')}-{how}"
                copy.mkdir()
                for part in source.iterdir():
                    if part.name != file and part.is_file():
                        (copy / part.name).symlink_to(part)
                if isinstance(content, str):
                    content = _damaged((source / file).read_bytes(), content)
                if content is not None:
                    (copy / file).write_bytes(content)
                yield kind, file, how


def _ruin_runs(workspace: Workspace) -> None:
    for file in ("run.json", "status.json", "result.json", "events.jsonl", "children.json"):
        for how, content in DAMAGE.items():
            folder = workspace.runs / f"{file.partition('.')[0]}-{how}"
            folder.mkdir()
            whole = {
                "run.json": {"kind": "train", "name": "A run", "created": "2026-01-01T00:00:00+00:00", "config": {}},
                "status.json": {"state": "finished", "message": "done"},
            }
            for name, fields in whole.items():
                (folder / name).write_text(json.dumps(fields))
            if isinstance(content, str):
                content = _damaged(json.dumps(whole.get(file, {"model_id": "x"})).encode(), content)
            if content is not None:
                (folder / file).write_bytes(content)
            else:
                (folder / file).unlink(missing_ok=True)


@pytest.fixture
def ruin(own_workspace: Path) -> Workspace:
    workspace = Workspace(own_workspace)
    assert list(_ruin(workspace))
    _ruin_runs(workspace)
    shutil.copytree(ASSETS / "knowledge" / "hallmark", workspace.knowledge / "mine")
    for how, content in DAMAGE.items():
        copy = workspace.knowledge / f"about-{how}"
        shutil.copytree(ASSETS / "knowledge" / "hallmark", copy)
        if isinstance(content, str):
            content = _damaged((copy / "about.json").read_bytes(), content)
        (copy / "about.json").unlink()
        if content is not None:
            (copy / "about.json").write_bytes(content)
    return workspace


def test_lists_never_raise_and_every_damaged_item_is_a_sentence(ruin):
    assert [info.id for info in ruin.list_datasets() if info.shipped]
    listed = {
        "datasets": [info.id for info in ruin.list_datasets()],
        "models": [info.id for info in ruin.list_models()],
        "responses": [info.id for info in ruin.list_responses()],
        "comparisons": [one.id for one in list_comparisons(ruin)],
    }
    assert len(list_runs(ruin)) == 5 * len(DAMAGE)
    assert "mine" in [item.id for item in ruin.library().list("gene_sets")]
    markers = {"datasets": "dataset", "models": "model", "responses": "response"}
    for kind, marker in markers.items():
        damaged = ruin.damaged(kind)
        assert set(damaged) == {f"{marker}-{how}" for how in DAMAGE}
        assert not set(damaged) & set(listed[kind])
        assert all("\n" not in why and why.strip() for why in damaged.values())
        for item_id in damaged:
            ruin.delete_damaged(kind, item_id)
        assert not ruin.damaged(kind)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_a_ruined_workspace(name, open_page, ruin):
    app = open_page(name, {"dataset": DEMO_DATASET, "model": DEMO_MODEL} if name != "home" else None)
    assert app.title
    if name == "home":
        assert "holds no readable data set" in texts(app)
        app.button(key="damaged-datasets-dataset-list").click().run()
        assert "dataset-list" not in ruin.damaged("datasets")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("models", {"model": "evaluation-list"}),
        ("models", {"model": "evaluation-texts"}),
        ("models", {"model": "measures-texts"}),
        ("generate", {"model": "evaluation-lists"}),
        ("generate", {"model": "knowledge-garbage"}),
        ("train", {"run": "run-texts"}),
        ("train", {"run": "status-lists"}),
        ("train", {"run": "events-garbage"}),
        ("data", {"import": "run-list"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_a_page_opens_on_the_damaged_item_itself(name, query, open_page, ruin):
    assert open_page(name, {"dataset": DEMO_DATASET, **query}).title


def _with_array(workspace: Workspace, kind: str, file: str, how: str) -> str:
    """Copy what ships with a damaged array; returns its id."""
    copy = getattr(workspace, kind) / f"own-{how}"
    shutil.copytree(ASSETS / kind / SHIPPED[kind], copy)
    content = (copy / file).read_bytes()
    third = len(content) // 3
    damaged = {
        "missing": None,
        "empty": b"",
        "garbage": b"\xff\xfe\x00{" * 99,
        "cut": content[:-third],
        "head": bytes(999) + content[999:],
        "zeros": content[:third] + bytes(len(content) - third),
        "not-numbers": content[:third] + b"\xff" * (len(content) - third),
    }[how]
    (copy / file).unlink()
    if damaged is not None:
        (copy / file).write_bytes(damaged)
    return copy.name


@pytest.mark.parametrize("how", ["missing", "empty", "garbage", "cut", "head"])
@pytest.mark.parametrize(
    ("kind", "file"),
    [("datasets", "cells.h5"), ("models", "model.safetensors"), ("responses", "response.safetensors")],
    ids=lambda value: value,
)
def test_what_lacks_its_arrays_is_listed_as_damaged(kind, file, how, own_workspace):
    """Data, Tokenize and Train ended in tracebacks; weights were found wanting only where they were used."""
    workspace = Workspace(own_workspace)
    name = _with_array(workspace, kind, file, how)
    assert file in workspace.damaged(kind)[name]
    assert name not in [info.id for info in getattr(workspace, f"list_{kind}")()]
    workspace.delete_damaged(kind, name)
    assert not workspace.damaged(kind)


@pytest.mark.parametrize(
    ("name", "kind", "file", "how"),
    [
        ("data", "datasets", "cells.h5", "zeros"),
        ("tokenize", "datasets", "cells.h5", "zeros"),
        ("train", "datasets", "cells.h5", "zeros"),
        ("data", "datasets", "cells.h5", "cut"),
        ("pathways", "models", "model.safetensors", "not-numbers"),
        ("tokens", "models", "model.safetensors", "not-numbers"),
    ],
    ids=lambda value: value,
)
def test_a_page_says_which_array_is_damaged(name, kind, file, how, open_page, own_workspace):
    own = _with_array(Workspace(own_workspace), kind, file, how)
    app = open_page(name, {"dataset": DEMO_DATASET, "model": DEMO_MODEL, kind.removesuffix("s"): own})
    assert [one.value for one in app.error if own in one.value and "\n" not in one.value]
