"""What comes through the browser: names that cannot lead elsewhere, sizes, paths on the server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from genediff.core.errors import InputError
from genediff.data import check_path, safe_name, save_upload
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
        ("a" * 300 + ".h5", "a" * 120 + ".h5"),
        ("𝔸" * 80 + ".h5ad", "A" * 80 + ".h5ad"),
        ("𒀀" * 80 + ".h5ad", "𒀀" * 30 + ".h5ad"),  # four bytes each: the name was too long for the disk
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
    first = save_upload(b"one", "cells.csv", workspace.uploads)
    second = save_upload(io.BytesIO(b"two"), "cells.csv", workspace.uploads)
    assert first.read_bytes() == b"one" and second.read_bytes() == b"two"
    assert {first.parent, second.parent} == {workspace.uploads}


@pytest.mark.parametrize("content", [b"", io.BytesIO(b"")])
def test_empty_uploads_leave_nothing(content: bytes | io.BytesIO, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(InputError, match="0 bytes"):
        save_upload(content, "cells.h5ad", workspace.uploads)
    assert list(workspace.uploads.iterdir()) == []


def test_large_uploads_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genediff.data.uploads.incoming.MAX_UPLOAD_BYTES", 1000)
    workspace = Workspace(tmp_path)
    with pytest.raises(InputError, match="200 MB"):
        save_upload(b"x" * 1001, "cells.h5ad", workspace.uploads)
    assert list(workspace.uploads.iterdir()) == []


def test_only_allowed_folders_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed, secret):
        folder.mkdir()
        (folder / "cells.h5ad").write_bytes(b"x")
    (allowed / "link.h5ad").symlink_to(secret / "cells.h5ad")
    monkeypatch.setenv("GENEDIFF_ROOTS", f"{allowed}:{tmp_path / 'more'}")
    workspace = Workspace(tmp_path / "space")
    assert check_path(allowed / "cells.h5ad", workspace.uploads) == allowed / "cells.h5ad"
    for escape in (secret / "cells.h5ad", allowed / ".." / "secret" / "cells.h5ad", allowed / "link.h5ad",
                   Path("/etc/passwd"), tmp_path / "allowed-too" / "cells.h5ad"):  # fmt: skip
        with pytest.raises(InputError, match="outside the folders"):
            check_path(escape, workspace.uploads)
    for nothing in ("", "  ", "a\0b"):
        with pytest.raises(InputError, match="path of a file"):
            check_path(nothing, workspace.uploads)
    with pytest.raises(InputError, match="no file"):
        check_path(allowed / "missing.h5ad", workspace.uploads)
    uploaded = save_upload(b"x", "up.h5ad", workspace.uploads)
    assert check_path(uploaded, workspace.uploads) == uploaded


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
    assert check_path("cells.h5ad", workspace.uploads) == here / "cells.h5ad"
    assert check_path("~/cells.h5ad", workspace.uploads) == home / "cells.h5ad"
    with pytest.raises(InputError, match="GENEDIFF_ROOTS"):
        check_path("/etc/passwd", workspace.uploads)


def test_what_comes_at_once_has_the_same_quota(workspace, monkeypatch):
    """Streamlit's own uploader had none."""
    monkeypatch.setenv("GENEDIFF_UPLOAD_QUOTA", "0.000001")
    save_upload(b"x" * 600, "cells.csv", workspace.uploads)
    with pytest.raises(InputError, match="uploads may take"):
        save_upload(b"x" * 600, "more.csv", workspace.uploads)
    assert [path.name for path in workspace.uploads.iterdir() if path.is_file()] == ["cells.csv"]
