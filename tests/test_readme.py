"""The README and the how-to pages, taken at their word: commands run, files are there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

from genediff.evaluation import Evaluation
from genediff.tokenizers import TOKENIZERS
from genediff.workspace import DEMO_DATASET, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_LINE = "".join(
    (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    for page in ("command-line", "knowledge", "perturbations", "adapt-and-transfer")
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]
SHELLS = ("bash", "console")
# What is left out for speed: UMAP compiles for some seconds. What is added says nothing about the line itself.
ADDED = {"import": "--no-umap", "train": "--device cpu"}
PRINTED_ID = {"import": ("DATASET", r"genediff train (\S+)"), "train": ("MODEL", r"genediff generate (\S+)")}


def section(title: str) -> str:
    """Return the text under a heading, up to the next one of the same depth."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the README has no section {title!r}"
    return found[1]


def commands(text: str, *languages: str) -> list[str]:
    """Return the lines of all fenced blocks of these languages, without prompts and comments."""
    blocks = re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = (line.removeprefix("$ ").split("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def verb(line: str) -> str:
    """Return the sub-command of a line: "import", or "" where it is not one of ours."""
    found = re.match(r"python -m genediff (\S+)", line)
    return found[1] if found else ""


@pytest.fixture
def shell(tmp_path: Path, own_workspace: Path) -> dict[str, str]:
    """Return an environment in which `python` and `streamlit` are those of this test and nothing is stored yet."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, start in (("python", ""), ("streamlit", " -m streamlit")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{start} "$@"\n')
        (tools / name).chmod(0o755)
    path = os.pathsep.join((str(tools), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "GENEDIFF_WARM_UP": "0"}


def write_cells(path: Path) -> None:
    """Write 240 of the shipped blood cells and 300 of their genes as somebody's h5ad."""
    dataset = Workspace(path.parent / "elsewhere").open_dataset(DEMO_DATASET)
    labels = dataset.obs[str(dataset.info.label)].astype(str)
    rows = np.concatenate([np.flatnonzero(labels == kind)[:80] for kind in ("B", "CD14 Mono", "CD4 T")])
    counts = dataset.counts()
    genes = np.asarray(counts.sum(axis=0)).ravel().argsort()[::-1][:300]
    cells = anndata.AnnData(counts[rows][:, genes], obs=labels.iloc[rows].to_frame("cell_type"))
    cells.var_names = [dataset.genes[gene] for gene in genes]
    cells.write_h5ad(path)


@pytest.mark.slow
def test_the_command_line_examples_run_in_order(shell: dict[str, str], tmp_path: Path) -> None:
    """As a reader would: copy a line, take the ids from what is printed, go on."""
    place = tmp_path / "place"
    place.mkdir()
    write_cells(place / "cells.h5ad")
    lines = commands(COMMAND_LINE, *SHELLS)
    wanted = ("doctor", "import", "train", "runs", "models", "generate", "evaluate", "app")
    assert {verb(line) for line in lines} >= set(wanted)
    for line in lines:
        if verb(line) == "app":
            check_server(f"{line} --no-browser", shell, place)
            continue
        said = run(f"{line} {ADDED.get(verb(line), '')}", shell, place)
        if verb(line) in PRINTED_ID:
            name, pattern = PRINTED_ID[verb(line)]
            shell[name] = re.findall(pattern, said)[-1]
    check_what_was_written(place, shell)


def run(line: str, environment: dict[str, str], place: Path) -> str:
    """Run one line in a shell and return what it printed."""
    done = subprocess.run(
        ["bash", "-euc", line], cwd=place, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def check_what_was_written(place: Path, environment: dict[str, str]) -> None:
    """The files that the examples name hold what the README says they hold."""
    cells = anndata.read_h5ad(place / "generated.h5ad")
    assert cells.n_obs == 200
    assert set(anndata.read_h5ad(place / "b-cells.h5ad").obs["cell_type"]) == {"B"}
    assert cells.uns["genediff"]["model_id"] == environment["MODEL"]
    assert Evaluation.read(place / "report.json").verdict.sentence
    assert (place / "model.zip").stat().st_size > 10_000
    assert environment["DATASET"] != DEMO_DATASET


@contextlib.contextmanager
def started(line: str, environment: dict[str, str], place: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a line that does not end by itself; it and its children are stopped as by Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-euc", line], cwd=place, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def check_server(line: str, environment: dict[str, str], place: Path, port: int | None = None) -> None:
    """Start the app, wait until it says that it is well, and see that only this machine reaches it."""
    with started(line, environment, place) as process:
        if port is None:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r"http://localhost:(\d+)", first)
            assert found is not None, first
            port = int(found[1])
        assert answer(f"http://localhost:{port}/_stcore/health", process) == "ok"
        with socket.socket(socket.AF_INET) as other:
            assert other.connect_ex((outer_address(), port)) != 0 or outer_address().startswith("127.")


def answer(address: str, process: subprocess.Popen[str]) -> str:
    """Return what the server says, asking for two minutes at most."""
    end = time.monotonic() + 600
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as page:
                return str(page.read().decode())
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nothing answers at {address}")


def outer_address() -> str:
    """Return the address under which other machines see this one; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_without_make_the_plain_lines_start_the_app(shell: dict[str, str]) -> None:
    install, start = commands(section("Start").split("Without make")[1], *SHELLS)
    assert install.split()[:3] == ["pip", "install", "-r"]
    assert (ROOT / install.split()[3]).is_file()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    check_server(f"{start} --server.port {port}", shell, ROOT, port)


def pages() -> list[Path]:
    """Return the pages that people write; those in folders with an underscore are made when the docs are built."""
    return [page for page in PAGES if not any(part.startswith("_") for part in page.relative_to(ROOT).parts)]


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    assert len(README.splitlines()) < 150
    assert commands(README, *SHELLS)[:2] == ["make app", "make test"]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_picture_is_there(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for target in targets:
        near = not re.match(r"[a-z]+:", target)
        assert not near or (page.parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_script_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = r"(?:genediff|tests|benchmarks|assets|pages)"
    for path in re.findall(rf"(?<![\w/.]){folders}(?:/[\w.]+)+/?", text):
        shipped = path.removeprefix("genediff/_app/")  # where an installed package has it
        assert (ROOT / shipped).exists(), path
    for module in re.findall(r"python -m ((?:genediff|benchmarks|scripts)[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_every_make_target_named_is_there() -> None:
    named = [*commands(README, *SHELLS), *re.findall(r"`([^`\n]+)`", README)]
    wanted = {text.split()[1] for text in named if text.startswith("make ")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert wanted >= {"app", "test"}
    assert wanted <= targets


def test_only_strategies_that_exist_are_promised() -> None:
    """A new strategy need not be in the README; one that is there, or that has a page, must exist."""
    named = set(re.findall(r"the \*(\w+)\* strategy", section("Tokenizations")))
    explained = {page.stem.removeprefix("strategy-") for page in PAGES if page.stem.startswith("strategy-")}
    assert named and named | explained <= set(TOKENIZERS)
