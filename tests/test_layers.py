"""Imports point one way, and what is slow is not imported by what must be fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Which rooms of the package a room may import from. Modules at the top (model.py, config.py, …) are rooms of their own.
ALLOWED: dict[str, set[str]] = {
    room: set(others.split())
    for room, others in {
        "errors": "",
        "parallel": "errors",
        "config": "errors",
        "versions": "",
        "checkpoint": "errors",
        "adapter_info": "errors",
        "model_info": "adapter_info config errors",
        "conditions": "errors model_info",
        "nn": "errors",
        "diffusion": "errors",
        "knowledge": "errors",
        "statistics": "",
        "tokenizers": "errors knowledge nn statistics",
        "autoencoder": "nn tokenizers",
        "speed": "config errors",
        "denoiser": "config diffusion errors nn tokenizers",
        "data": "errors knowledge versions workspace",
        "workspace": "data errors knowledge model_info response",
        "model": "adaptation adapter_info autoencoder checkpoint config denoiser diffusion errors knowledge "
        "model_info nn parallel speed statistics tokenizers training",
        "model_archive": "adapter_info checkpoint errors model_info workspace",
        "response_archive": "errors knowledge model_archive model_info response workspace",
        "presets": "config data errors tokenizers",
        "reproduction": "config data errors model_info presets versions",
        "training": "autoencoder checkpoint config data diffusion errors knowledge model model_info nn parallel "
        "statistics versions",
        "evaluation": "data errors model model_info parallel versions workspace",
        "adaptation": "adapter_info checkpoint config data errors evaluation knowledge model model_info nn training "
        "versions workspace",
        "perturbation": "adapter_info autoencoder checkpoint conditions config data denoiser diffusion errors "
        "evaluation knowledge model model_info nn presets statistics tokenizers training versions workspace",
        "generation": "conditions config errors model nn parallel",
        "runs": "adaptation adapter_info conditions config data errors generation knowledge nn perturbation presets "
        "parallel response evaluation model model_archive model_info training versions workspace",
        "response": "autoencoder checkpoint config data denoiser diffusion errors evaluation knowledge model "
        "model_info nn perturbation statistics training versions",
        "comparison": "config data errors evaluation knowledge model_info presets runs tokenizers training workspace",
        "analysis": "config data denoiser diffusion errors knowledge model statistics tokenizers training",
        "inspection": "conditions config data denoiser diffusion errors knowledge model model_info nn statistics "
        "tokenizers training workspace",
        "transfer": "data errors inspection knowledge model nn",
        "plots": "errors",
        "cli": "adaptation comparison conditions config data errors evaluation knowledge model model_archive "
        "model_info perturbation presets response response_archive runs tokenizers training transfer versions "
        "workspace",
        "__main__": "cli",
    }.items()
}


def sources() -> list[Path]:
    return sorted((ROOT / "genediff").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports between rooms are absolute"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "genediff").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    if here in ("ui", "__init__"):
        return  # the pages' room may use the public face of every other room
    rooms = {p.stem if p.is_file() else p.name for p in (ROOT / "genediff").iterdir()} - {"__init__", "__pycache__"}
    used = {name.split(".")[1] for name in imports(path) if name.startswith("genediff.")} & rooms - {here}
    extra = used - ALLOWED[here]
    assert not extra, f"{here} may not import from {sorted(extra)}"


def test_streamlit_stays_in_its_rooms() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources()
        if room(path) != "ui" and any(name.split(".")[0] == "streamlit" for name in imports(path))
    ]
    assert not offenders


@pytest.mark.parametrize(
    "statement",
    [
        "import genediff",
        "from genediff.workspace import Workspace; w = Workspace(); w.list_datasets(); w.list_models()",
        "from genediff.runs import list_runs; from genediff.workspace import Workspace; list_runs(Workspace())",
        "import genediff.cli",
        "import genediff.presets",
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


def test_a_planted_offence_is_found(tmp_path: Path) -> None:
    """The reading of imports itself sees imports inside functions and aliases."""
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    import streamlit as st\n    from genediff.ui import frame\n")
    assert {"streamlit", "genediff.ui", "genediff.ui.frame"} <= imports(bad)
