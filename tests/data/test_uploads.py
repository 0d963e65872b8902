"""What comes through the browser: names that cannot lead elsewhere, sizes, paths on the server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from genediff.data import check_path, safe_name, save_upload
from genediff.errors import InputError
from genediff.workspace import Workspace


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cells.h5ad", "cells.h5ad"),
        ("../../etc/cells.h5ad", "cells.h5ad"),
        ("C:\\Users\\me\\my cells (1).h5ad", "my_cells_1.h5ad"),
        (".hidden.csv.gz", "hidden.csv.gz"),
        (".h5ad", "cells.h5ad"),
        ("Zellen_ä.TSV", "Zellen_ä.tsv"),
        ("a" * 300 + ".h5", "a" * 80 + ".h5"),
    ],
)
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("name", ["cells.rds", "cells", "", "cells.h5ad/..", "model.pkl", "h5ad"])
def test_other_endings_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no format that is read here"):
        safe_name(name)


def test_uploads_of_one_name_do_not_overwrite(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first = save_upload(b"one", "cells.csv", workspace)
    second = save_upload(io.BytesIO(b"two"), "cells.csv", workspace)
    assert first.read_bytes() == b"one" and second.read_bytes() == b"two"
    assert {first.parent, second.parent} == {workspace.uploads}


@pytest.mark.parametrize("content", [b"", io.BytesIO(b"")])
def test_empty_uploads_leave_nothing(content: bytes | io.BytesIO, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(InputError, match="0 bytes"):
        save_upload(content, "cells.h5ad", workspace)
    assert list(workspace.uploads.iterdir()) == []


def test_large_uploads_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genediff.data.uploads.MAX_UPLOAD_BYTES", 1000)
    workspace = Workspace(tmp_path)
    with pytest.raises(InputError, match="200 MB"):
        save_upload(b"x" * 1001, "cells.h5ad", workspace)
    assert list(workspace.uploads.iterdir()) == []


def test_only_allowed_folders_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed, secret):
        folder.mkdir()
        (folder / "cells.h5ad").write_bytes(b"x")
    (allowed / "link.h5ad").symlink_to(secret / "cells.h5ad")
    monkeypatch.setenv("GENEDIFF_ROOTS", f"{allowed}:{tmp_path / 'more'}")
    workspace = Workspace(tmp_path / "space")
    assert check_path(allowed / "cells.h5ad", workspace) == allowed / "cells.h5ad"
    for escape in (secret / "cells.h5ad", allowed / ".." / "secret" / "cells.h5ad", allowed / "link.h5ad",
                   Path("/etc/passwd"), tmp_path / "allowed-too" / "cells.h5ad"):  # fmt: skip
        with pytest.raises(InputError, match="outside the folders"):
            check_path(escape, workspace)
    for nothing in ("", "  ", "a\0b"):
        with pytest.raises(InputError, match="path of a file"):
            check_path(nothing, workspace)
    with pytest.raises(InputError, match="no file"):
        check_path(allowed / "missing.h5ad", workspace)
    uploaded = save_upload(b"x", "up.h5ad", workspace)
    assert check_path(uploaded, workspace) == uploaded


def test_without_a_setting_home_and_working_directory_are_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GENEDIFF_ROOTS", raising=False)
    home, here = tmp_path / "home_of_user", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
        (folder / "cells.h5ad").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    workspace = Workspace(tmp_path / "space")
    assert check_path("cells.h5ad", workspace) == here / "cells.h5ad"
    assert check_path("~/cells.h5ad", workspace) == home / "cells.h5ad"
    with pytest.raises(InputError, match="GENEDIFF_ROOTS"):
        check_path("/etc/passwd", workspace)
