"""The public face: every promised name is there, and the package says what it needs, what it holds and whose it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import genediff

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("name", genediff.__all__)
def test_every_public_name_is_there_and_described(name: str) -> None:
    thing = getattr(genediff, name)
    assert name in dir(genediff)
    if callable(thing):
        assert thing.__doc__


def test_the_list_is_whole_and_unknown_names_are_said() -> None:
    from genediff.api import public

    assert genediff.__all__ == public.__all__
    with pytest.raises(AttributeError, match="has no 'Genediff'"):
        genediff.Genediff  # noqa: B018


def requirements(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip() and line[0] != "-"]
    assert len({one.name for one in found}) == len(found)
    return {one.name.lower(): one for one in found}


def test_the_tested_versions_lie_within_the_ranges_that_pip_may_choose_from() -> None:
    """Were a range narrower than the lock, `pip install genediff -c requirements.txt` would find nothing."""
    allowed = requirements(PROJECT["dependencies"])
    locked = requirements((ROOT / "requirements.txt").read_text().splitlines())
    assert locked.keys() <= allowed.keys()
    assert str(allowed["torch"].specifier) == str(locked["torch"].specifier)
    for name, one in allowed.items():
        assert one.specifier.contains(version(name)), f"{name} {version(name)} was tested but is not {one.specifier}"
    loose = {name for name, one in allowed.items() if not one.specifier}
    assert not loose


def test_every_package_that_is_imported_is_asked_for() -> None:
    """What another package happens to bring may be gone with its next version."""
    called = {"sklearn": "scikit-learn", "umap": "umap-learn", "ot": "pot", "PIL": "pillow", "yaml": "pyyaml"}
    # Streamlit's own server, in the versions that it needs, and what it signs in with: an extra, looked for before use.
    brought = {"starlette", "anyio", "authlib"}
    used = set()
    for path in (ROOT / "genediff").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            used |= {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"genediff"}
    used = {called.get(name, name.replace("_", "-")) for name in used}
    assert used - brought <= requirements(PROJECT["dependencies"]).keys()


def test_every_licence_of_what_ships_is_in_the_licence_expression() -> None:
    """The table of shipped files and the wheel's metadata say the same."""
    known = {"CC BY 4.0": "CC-BY-4.0", "CC BY-SA 4.0": "CC-BY-SA-4.0", "CC0 1.0": "CC0-1.0", "GPL-3.0": "GPL-3.0-only"}
    rows = re.findall(r"^\| `.*\| ([^|]+) \|$", (ROOT / "assets" / "README.md").read_text(), re.MULTILINE)
    assert len(rows) > 15
    named = {known[text] for row in rows for text in re.findall(r"CC0 1\.0|CC BY(?:-SA)? \d\.0|GPL-\d\.0", row)}
    assert {*named, "BSD-3-Clause"} == set(PROJECT["license"].split(" AND "))
    for pattern in PROJECT["license-files"]:
        assert list(ROOT.glob(pattern)), pattern


def test_the_command_says_its_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genediff", "--version"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == f"genediff {genediff.__version__}"
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {genediff.__version__}\n" in cited
    assert f"[{genediff.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_nobody_is_told_that_cells_are_cut() -> None:
    for text in (PROJECT["description"], genediff.__doc__ or ""):
        assert "token" in text and "cut" not in text
