"""Imports point downwards only, no files import one another in a circle, and what must be fast imports nothing slow."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FLOORS = """
ui.learn
ui.compare ui.perturb ui.regulation ui.pathways ui.tokens ui.generate ui.models ui.train ui.tokenize ui.home ui.data
ui.knowledge ui.run_views ui.server ui.kit
cli
api
comparison
runs
workspace
learn
perturbation.model perturbation
inspection.transfer inspection.one_cell inspection.regulation inspection.pathways inspection.tokens inspection.groups
training.adapt
evaluation
generation
training
models
distributed
tokenizers
data data.uploads data.importing data.simulation data.cells data.matrices
plots
knowledge
diffusion
nn
core
""".split()
"""The rooms of the package, top to bottom. A room imports from rooms that stand after it."""

FACE = ("genediff", "genediff.__main__", "genediff.ui", "genediff.inspection")
"""The face of the package stands above all rooms; the others hold a docstring."""


def sources() -> list[Path]:
    return sorted((ROOT / "genediff").rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in sources()}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in it, also for types alone."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def modules_used(path: Path) -> set[str]:
    """Return the modules of the package that a file imports: of ``from a.b import c`` a.b.c if it is one, else a.b."""
    names = imports(path) & MODULES.keys()
    return {name for name in names if not any(other.startswith(f"{name}.") for other in names)} - {"genediff"}


def room(name: str) -> str | None:
    parts = name.split(".")[1:]
    return next((".".join(parts[:k]) for k in (2, 1) if ".".join(parts[:k]) in FLOORS), None)


def test_imports_point_downwards() -> None:
    offences = []
    for name, path in MODULES.items():
        if name in FACE:
            continue
        here = room(name)
        assert here is not None, f"{path} stands in no room"
        above = FLOORS[: FLOORS.index(here)]
        offences += [f"{name}: {used}" for used in modules_used(path) if room(used) in above or room(used) is None]
    assert not sorted(offences), "imports from above"


def test_no_files_import_one_another_in_a_circle() -> None:
    left = {name: modules_used(path) - {name} for name, path in MODULES.items() if name != "genediff"}
    while free := [name for name, used in left.items() if not used & left.keys()]:
        for name in free:
            del left[name]
    circle = {name for name in left if any(name in used for used in left.values())}
    assert not circle, f"these import one another: {sorted(circle)}"


def test_nothing_is_imported_or_attached_behind_the_readers_back() -> None:
    for path in sources():
        assert not {n for n in imports(path) if n.startswith("importlib.") and n != "importlib.metadata"}, path
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign):
                attached = [t for t in node.targets if isinstance(t, ast.Attribute)]
                assert not attached, f"{path}:{node.lineno} attaches to an object at import"


def test_streamlit_stays_in_its_rooms() -> None:
    for path in sources():
        if not module(path).startswith("genediff.ui"):
            assert "streamlit" not in {name.split(".")[0] for name in imports(path)}, path


@pytest.mark.parametrize(
    "statement",
    [
        "import genediff",
        "from genediff.workspace import Workspace; w = Workspace(); w.list_datasets(); w.list_models()",
        "from genediff.runs import list_runs; from genediff.workspace import Workspace; list_runs(Workspace())",
        "import genediff.cli",
        "import genediff.training.presets",
    ],
)
def test_what_must_be_quick_does_not_import_what_is_slow(statement: str) -> None:
    slow = ("torch", "scanpy", "umap", "streamlit", "lightning_fabric")
    code = f"import sys\n{statement}\nprint([m for m in {slow!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", f"{statement} imports {done.stdout.strip()}"


def test_folders_stay_small_and_names_are_said_once() -> None:
    for folder in {path.parent for path in sources()}:
        assert len(list(folder.glob("*.py"))) <= 30, f"{folder} holds more files than a reader can survey"
    assert len(list((ROOT / "genediff").glob("*.py"))) <= 8
    stems = [path.stem for path in sources() if path.stem not in ("__init__", "config")]
    assert not sorted({stem for stem in stems if stems.count(stem) > 1})


def test_a_planted_offence_is_found(tmp_path: Path) -> None:
    """The reading of imports itself sees imports inside functions and aliases."""
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    import streamlit as st\n    from genediff.ui.kit import layout\n")
    assert {"streamlit", "genediff.ui.kit", "genediff.ui.kit.layout"} <= imports(bad)
    assert modules_used(bad) == {"genediff.ui.kit.layout"}


OURS = re.compile(r"^\s*from (genediff[\w.]*) import (\([^)]*\)|[\w, ]+)", re.MULTILINE)


def test_what_is_imported_outside_the_package_is_there() -> None:
    """Modules moved, and a script in a string, a benchmark and a page of the docs went on importing the old ones."""
    gone = []
    for folder in ("benchmarks", "docs", "pages", "scripts", "tests"):
        files = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".ipynb")]
        for path in files:
            text = path.read_text().replace("\\n", "\n").replace('"from ', "\nfrom ")
            for where, names in OURS.findall(text):
                known = importlib.import_module(where)
                for name in re.findall(r"\w+", re.sub(r" as \w+|#.*", "", names)):
                    if not hasattr(known, name) and f"{where}.{name}" not in MODULES and not declared(where, name):
                        gone.append(f"{path.relative_to(ROOT)}: {where}.{name}")
    assert not gone


def declared(where: str, name: str) -> bool:
    """Say whether a module has a name for types alone."""
    return bool(re.search(rf"\b{name}\b", MODULES[where].read_text())) if where in MODULES else False


AT_ONCE = re.compile(r"assert .*\.(is_(visible|hidden|enabled|disabled|checked)\(\)|count\(\) ==)")


def test_browser_tests_wait_for_what_they_expect() -> None:
    """A header was still there when a busy machine asked whether it was hidden: `expect` and `wait_for` ask again."""
    files = sorted((ROOT / "tests" / "browser").glob("*.py"))
    assert files and not [(path.name, found[0]) for path in files if (found := AT_ONCE.search(path.read_text()))]
