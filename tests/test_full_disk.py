"""Every verb on a disk that is full, or cannot be written: one sentence, nothing half-done, what was there stays.

The disk is a real one: a file system in memory of some megabytes, which a forked process mounts where it alone sees it.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from genediff.cli import app
from genediff.core.disk_errors import disk_errors, new_array
from genediff.core.errors import InputError
from genediff.core.installation import APP, ASSETS
from genediff.core.json_files import write_json
from genediff.data import import_cells
from genediff.data.cells.selections import save_selection
from genediff.data.uploads.incoming import begin, save_upload
from genediff.knowledge import GeneSets
from genediff.learn import Story
from genediff.models.archive import export_model, import_model
from genediff.models.config import ModelConfig, RunConfig, TrainConfig
from genediff.runs import GenerateJob, submit
from genediff.runs.kinds.evaluate_run import EvaluateJob
from genediff.runs.kinds.import_run import ImportJob
from genediff.runs.run_process import HOST
from genediff.runs.run_status import Status, read_status
from genediff.runs.worker import work as work_on_run
from genediff.workspace import Workspace

from .data.conftest import quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 24 << 20
NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000
READ_ONLY, REMOUNT = 1, 32


def on_a_disk(place: Path, work: Callable[[Path], Any]) -> Any:
    """Return what ``work`` makes (plain values) in a forked process, with a disk of its own mounted at ``place``."""
    if sys.platform != "linux":
        pytest.skip("only Linux mounts a disk for one process")
    place.mkdir()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with os.fdopen(write, "w") as answer:
            try:
                torch.set_num_threads(1)  # threads that earlier tests had are not in this process
                answer.write(json.dumps({"made": work(place)} if _mount(place) else {}))
            except BaseException:  # noqa: BLE001  it is told below
                answer.write(json.dumps({"trace": traceback.format_exc()}))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    found = json.loads(text)
    if not found:
        pytest.skip("this system lets no user mount a disk")
    assert "trace" not in found, found["trace"]
    return found["made"]


def _mount(place: Path) -> bool:
    system, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if system.unshare(NEW_MOUNTS | NEW_USERS) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    return bool(system.mount(b"none", str(place).encode(), b"tmpfs", 0, f"size={SIZE}".encode()) == 0)


def make_read_only(place: Path) -> None:
    system = ctypes.CDLL(None, use_errno=True)
    assert system.mount(b"none", str(place).encode(), b"tmpfs", REMOUNT | READ_ONLY, None) == 0


def fill(place: Path, left: int = 0) -> None:
    """Leave so many bytes of the disk."""
    with (place / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - left))


def tree(place: Path) -> dict[str, int]:
    """Return the files of a folder and their sizes; a lock holds nothing."""
    return {str(path.relative_to(place)): path.stat().st_size
            for path in sorted(place.rglob("*")) if path.is_file() and path.name != ".lock"}  # fmt: skip


@pytest.fixture(scope="module")
def cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "cells.h5ad"
    small_cells(2000).write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(ASSETS / "models" / "pbmc3k-grn", tmp_path_factory.mktemp("model") / "model.zip")


def begin_workspace(place: Path, cells_file: Path, model_file: Path) -> Workspace:
    """A workspace with a data set, a model and a data set in the trash."""
    workspace = Workspace(place / "home")
    os.environ["GENEDIFF_HOME"] = str(workspace.root)
    import_cells(cells_file, quick_config(name="gone", seed=1), workspace.datasets)
    workspace.delete_dataset(workspace.list_datasets()[-1].id)
    import_cells(cells_file, quick_config(name="cells"), workspace.datasets)
    import_model(model_file, workspace.models)
    assert all(folder.is_dir() for folder in folders(workspace))
    return workspace


def folders(workspace: Workspace) -> list[Path]:
    """Ask for all folders of a workspace, which makes them."""
    names = ("datasets", "models", "runs", "uploads", "knowledge", "selections", "comparisons", "responses", "stories",
             "trash")  # fmt: skip
    return [getattr(workspace, name) for name in names]


def verbs(workspace: Workspace, cells_file: Path, model_file: Path) -> dict[str, Callable[[], object]]:
    """All that writes into a workspace, or a file for the user."""
    info = next(one for one in workspace.list_datasets() if one.name == "cells")
    dataset, model = workspace.open_dataset(info.id), next(one for one in workspace.list_models() if not one.shipped)
    library, deleted = workspace.library(), workspace.list_trash("datasets")[0]
    genes = dataset.genes[:30]
    cli: dict[str, list[object]] = {
        "cli import": ["import", cells_file, "--label", "cell_type", "--genes", 30, "--seed", 7],
        "cli generate": ["generate", model.id, "-n", 20, "--steps", 1, "-o", workspace.root / "made.h5ad"],
        "cli export": ["models", "export", model.id, "-o", workspace.root / "model.zip"],
        "cli rename": ["models", "rename", model.id, "X" * 100],
        "cli simulate": ["simulate", "-n", 50, "-o", workspace.root / "simulated.h5ad"],
    }
    return {
        "import": lambda: import_cells(cells_file, quick_config(n_genes=30), workspace.datasets),
        "import in a run": lambda: submit(ImportJob.of(cells_file, quick_config(n_genes=30)), workspace),
        "train": lambda: submit(RunConfig(dataset_id=info.id), workspace),
        "rename": lambda: workspace.rename_dataset(info.id, "Y" * 100),
        "rename a model": lambda: workspace.rename_model(model.id, "Y" * 100),
        "import a model": lambda: import_model(model_file, workspace.models),
        "export a model": lambda: export_model(model.folder, workspace.root / "own.zip"),
        "upload": lambda: begin(workspace.uploads, "a.h5ad", 100),
        "upload at once": lambda: save_upload(bytes(1 << 20), "a.h5ad", workspace.uploads),
        "add gene sets": lambda: library.add_gene_sets(GeneSets("Own", {"A": genes, "B": genes})),
        "save a selection": lambda: save_selection(workspace.selections, dataset, "some", np.arange(500)),
        "save a story": lambda: workspace.story_library().save(Story(id="own", title="Own", summary="", steps=())),
        **{name: (lambda words=words: by_command(words)) for name, words in cli.items()},
        "undo": lambda: workspace.restore_dataset(deleted),
        "delete": lambda: workspace.delete_dataset(info.id),
        "empty the trash": workspace.empty_trash,
    }


def by_command(words: list[object]) -> None:
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exit_code != 0:
        said = done.output.strip()
        assert isinstance(done.exception, SystemExit) and "\n" not in said, (words, said, repr(done.exception))
        raise InputError(said)


def attempt(workspace: Workspace, work: Callable[[], object]) -> str:
    """Return what a verb says, or "done"; a refusal leaves every file as it was."""
    before = tree(workspace.root)
    try:
        with disk_errors():  # as pages, the command line and workers do
            work()
    except InputError as problem:
        after = tree(workspace.root)
        assert after == before, (str(problem), {*after} ^ {*before})
        return str(problem)
    return "done"


MOVES = ("undo", "delete", "empty the trash", "upload")
"""What needs no room on this file system."""


def test_a_full_disk(tmp_path: Path, cells_file: Path, model_file: Path) -> None:
    def work(place: Path) -> dict[str, str]:
        workspace = begin_workspace(place, cells_file, model_file)
        every = verbs(workspace, cells_file, model_file)
        fill(workspace.root)
        return {name: attempt(workspace, verb) for name, verb in every.items()}

    said = on_a_disk(tmp_path / "disk", work)
    full = ("disk is full", "disk has room for")
    wrong = {name: text for name, text in said.items()
             if not any(words in text for words in full) and not (name in MOVES and text == "done")}  # fmt: skip
    assert not wrong


def test_a_read_only_workspace(tmp_path: Path, cells_file: Path, model_file: Path) -> None:
    def work(place: Path) -> dict[str, str]:
        workspace = begin_workspace(place, cells_file, model_file)
        every = verbs(workspace, cells_file, model_file)
        make_read_only(place)
        said = {name: attempt(workspace, verb) for name, verb in every.items()}
        assert [one.name for one in workspace.list_datasets()][-1] == "cells"
        return said

    said = on_a_disk(tmp_path / "disk", work)
    assert not {name: text for name, text in said.items() if "read-only" not in text}


SMALL_MODEL: dict[str, Any] = {
    "model": ModelConfig(tokenizer_options={"n_tokens": 4, "n_channels": 2, "hidden": 32}, width=32, depth=1, heads=2),
    "train": TrainConfig(tokenizer_steps=10, steps=20, batch_size=32, tokenizer_batch_size=32, warmup=2,
                         validate_every=10, patience=0, checkpoint_seconds=0),
    "device": "cpu",
}  # fmt: skip
RUNS: dict[str, Callable[[str, str, Path], object]] = {
    "import": lambda _data, _model, cells: ImportJob.of(cells, quick_config(n_genes=30)),
    "train": lambda data, _model, _cells: RunConfig(dataset_id=data, **SMALL_MODEL),
    "generate": lambda _data, model, _cells: GenerateJob(model, n=500, sampler="euler", n_steps=1, device="cpu"),
    "evaluate": lambda data, _model, cells: EvaluateJob(str(cells), data, device="cpu"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_a_run_whose_disk_fills_has_failed(kind: str, tmp_path: Path, cells_file: Path, model_file: Path) -> None:
    """Its last words are written to the disk that is full: room for them was held."""

    def work(place: Path) -> list[str]:
        workspace = begin_workspace(place, cells_file, model_file)
        ids = workspace.list_datasets()[-1].id, next(one for one in workspace.list_models() if not one.shipped).id
        before = tree(workspace.root)
        fill(workspace.root, left=250_000)
        run = submit(RUNS[kind](*ids, cells_file), workspace)
        status = run.status
        while not status.has_ended:
            if kind == "evaluate" and status.state == "running":  # it needs less than the others
                fill(workspace.root)
            time.sleep(0.2)
            status = run.status
        left = {*tree(workspace.root)} - {*before, "filler"}
        return [status.state, status.message, *(name for name in left if not name.startswith("runs/")), *(
            name for name in left if name.endswith((".part", ".h5ad", "reserve")))]  # fmt: skip

    state, message, *left = on_a_disk(tmp_path / "disk", work)
    assert (state, left) == ("failed", []) and "disk is full" in message


def test_a_run_whose_disk_was_full_before_its_first_word(tmp_path: Path) -> None:
    """What it held for its last words was what its first one lacked: it showed as waiting for a minute, then lost."""

    def work(place: Path) -> list[str]:
        workspace = Workspace(place / "home")
        folder = workspace.runs / "run"
        folder.mkdir()
        write_json(folder / "run.json", {"kind": "train", "config": {}})
        Status(submitted=time.time()).write(folder)
        fill(place, left=66_000)
        (folder / "log.txt").write_bytes(b"")
        if os.fork() == 0:
            os._exit(work_on_run(str(folder), str(workspace.root)) != "failed")
        os.wait()
        status = read_status(folder)
        with pytest.raises(InputError, match="disk is full"):
            submit(RunConfig(dataset_id="any"), workspace)
        return [status.state, status.message, *(path.name for path in workspace.runs.iterdir())]

    state, message, *left = on_a_disk(tmp_path / "disk", work)
    assert (state, left) == ("failed", ["run"]) and "disk is full" in message


def test_a_run_whose_disk_became_read_only_has_failed(tmp_path: Path) -> None:
    """Its worker could not say its last words: it showed as lost, as if it had run out of memory."""

    def work(place: Path) -> list[str]:
        gone = os.fork()
        if gone == 0:
            os._exit(0)
        os.waitpid(gone, 0)
        Status(state="running", started=time.time(), heartbeat=time.time(), host=HOST, pid=gone).write(place)
        lost = read_status(place).state
        make_read_only(place)
        status = read_status(place)
        return [lost, status.state, status.message]

    lost, state, message = on_a_disk(tmp_path / "disk", work)
    assert (lost, state) == ("lost", "failed") and "read-only" in message and "Resume" in message


def test_an_array_beyond_the_disk_is_refused(tmp_path: Path) -> None:
    """Writing to a file in memory that the disk has no room for ended the process (SIGBUS), here the server."""

    def work(place: Path) -> str:
        try:
            with disk_errors():
                new_array(place / "array.npy", (SIZE,), np.float32)[:] = 1
        except InputError as problem:
            return str(problem)
        return "written"

    assert "disk is full" in on_a_disk(tmp_path / "disk", work)


@pytest.mark.parametrize("made", [False, True], ids=["before anything was kept", "with its folders"])
def test_pages_on_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool) -> None:
    """Home, Data and Models raised where the workspace did not exist yet and could not be made."""
    monkeypatch.setenv("GENEDIFF_WARM_UP", "0")

    def work(place: Path) -> list[str]:
        os.environ["GENEDIFF_HOME"] = str(place / "home")
        if made:
            assert all(path.is_dir() for path in folders(Workspace(place / "home")))
        make_read_only(place)
        wrong = []
        for name in ("home", "data", "models"):
            page = AppTest.from_file(str(APP / "app.py"), default_timeout=60).switch_page(f"pages/{name}.py").run()
            wrong += [f"{name}: {one.message}" for one in page.exception]
            said = [one.value for one in page.error]
            wrong += [f"{name}: {said}"] if ("read-only" not in " ".join(said)) != made else []
        return wrong

    assert on_a_disk(tmp_path / "disk", work) == []
