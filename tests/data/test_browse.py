"""Folders of the server as readers may walk through them: nothing outside the roots, only what can be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from genediff.core.errors import InputError
from genediff.data.uploads.allowed_roots import check_path
from genediff.data.uploads.browse import list_folder
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two roots and a secret beside them, with links of all kinds."""
    for folder in ("root/inner/deep", "other", "secret", "root/.hidden"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("root/b.h5ad", "root/A.csv.gz", "root/notes.md", "root/.h.h5ad", "root/inner/c.tsv", "secret/s.h5ad",
                 "other/o.h5"):  # fmt: skip
        (tmp_path / file).write_bytes(b"x" * 1500)
    root = tmp_path / "root"
    (root / "good.h5ad").symlink_to(root / "inner" / "c.tsv")
    (root / "across").symlink_to(tmp_path / "other")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "out.h5ad").symlink_to(tmp_path / "secret" / "s.h5ad")
    (root / "broken.h5ad").symlink_to(root / "nothing")
    (root / "loop.h5ad").symlink_to(root / "loop.h5ad")
    monkeypatch.setenv("GENEDIFF_ROOTS", os.pathsep.join([str(root), str(tmp_path / "other")]))
    return tmp_path


def test_folders_come_first_and_only_readable_formats(place):
    found = list_folder(place / "root", Workspace(place / "space").uploads)
    assert [(entry.name, entry.is_folder) for entry in found.entries] == [
        ("across", True), ("inner", True), ("A.csv.gz", False), ("b.h5ad", False), ("good.h5ad", False),
    ]  # fmt: skip
    assert {entry.size for entry in found.entries if not entry.is_folder} == {1500}
    assert next(e.path for e in found.entries if e.name == "good.h5ad") == place / "root" / "inner" / "c.tsv"
    assert found.root == found.folder == place / "root"


def test_the_way_down_is_named_and_links_count_as_what_they_lead_to(place):
    workspace = Workspace(place / "space")
    deep = list_folder(place / "root" / "inner" / "deep", workspace.uploads)
    assert [step.name for step in deep.steps] == ["root", "inner", "deep"]
    assert list_folder(place / "root" / "across", workspace.uploads).root == place / "other"


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("secret", "outside"), ("root/../secret", "outside"), ("root/out", "outside"), ("", "outside"),
        ("/", "outside"), ("/etc", "outside"), ("root-too", "outside"), ("root/nothing", "no folder"),
        ("root/b.h5ad", "a file"),
        ("root/a\0b", "no path"),
    ],
)  # fmt: skip
def test_nothing_outside_the_roots_is_listed(place, folder, words):
    (place / "root-too").mkdir()
    with pytest.raises(InputError, match=words):
        list_folder(folder if folder.startswith("/") else f"{place}/{folder}", Workspace(place / "space").uploads)


def test_names_that_are_no_text_are_not_shown(place):
    """A file system takes any bytes as a name; such a one ended the page that listed its folder."""
    folder = os.fsencode(place / "root" / "inner")
    for name in (b"caf\xe9.h5ad", b"\xff\xfe.csv"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"x")
    found = list_folder(place / "root" / "inner", Workspace(place / "space").uploads)
    assert [entry.name for entry in found.entries] == ["deep", "c.tsv"]
    with pytest.raises(InputError, match="no text"):
        check_path(os.fsdecode(os.path.join(folder, b"caf\xe9.h5ad")), Workspace(place / "space").uploads)
