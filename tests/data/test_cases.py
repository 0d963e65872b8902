"""All files of `../shared/cases`, and files with random damage: read rightly, or refused in one sentence.

Each is looked through and imported in a process of its own, whose memory and processor time are measured.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from benchmarks.fuzz_files import make, outcome
from benchmarks.fuzz_other_files import make as make_other
from benchmarks.fuzz_other_files import outcome as use_other
from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.importing.doctor import examine
from genediff.knowledge.gene_names import load_names
from genediff.workspace import Workspace

from .conftest import nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
MOST_BYTES, MOST_SECONDS = 700_000_000, 30
"""What a file may take; Python and its libraries fill 300 MB before."""


SCRIPT = """import runpy, sys, zlib
from isal import isal_zlib
zlib.compressobj = lambda level=6, method=8, wbits=15: isal_zlib.compressobj(2, method, wbits)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script that packs gigabytes of zeros: as small as zlib makes them, and forty times as fast."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files of both scripts."""
    if not CASES.is_dir():
        pytest.skip("the folder of shared cases is not beside this checkout")
    folder = tmp_path_factory.mktemp("cases")
    writing = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(CASES / f"{script}.py"), str(folder / script)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for script in ("odd_files", "bad_files")
    ]
    for process in writing:
        said = process.communicate()[1]
        assert process.returncode == 0, said[-2000:]
    return folder


def use(path: Path, space: Path) -> dict[str, Any]:
    """Look through a file and import it as is proposed, in a forked process; return what came of it.

    `diagnose` would start yet another process for each.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with os.fdopen(write, "w") as answer:
            answer.write(json.dumps(_use(path, space)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    _, status, used = os.wait4(child, 0)
    inherited = psutil.Process().memory_info().rss  # of a process that has done other tests
    facts = json.loads(text) if text else {"crashed": status}
    return {**facts, "seconds": used.ru_utime + used.ru_stime, "bytes": 1024 * used.ru_maxrss - inherited}


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """A process on every core, of one thread: where another thread holds a lock, what is forked waits for ever."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"), initializer=prepare) as started:
        yield started


def prepare() -> None:
    """Import what each of the forked processes would."""
    for name in ("anndata", "h5py", "zarr", "sklearn.utils.extmath"):
        importlib.import_module(name)
    load_names()


def use_all(paths: Iterable[Path], space: Path, pool: ProcessPoolExecutor) -> dict[str, dict[str, Any]]:
    """Return what came of each file, by its name; a file on every core."""
    places = list(paths)
    found = pool.map(partial(_use_in, space), places)
    return {path.name: facts for path, facts in zip(places, found, strict=True)}


def _use_in(space: Path, path: Path) -> dict[str, Any]:
    return use(path, space / path.name)


def _use(path: Path, space: Path) -> dict[str, Any]:
    workspace = Workspace(space)
    facts: dict[str, Any] = {}
    config = ImportConfig(umap=False)
    try:
        config = examine(path).propose_config().model_copy(update={"umap": False})
    except InputError as error:
        facts["doctor"] = str(error)
    try:
        dataset = import_cells(path, config, workspace.datasets)
        label = dataset.info.label
        facts["read"] = {
            "genes": dataset.all_genes,
            "total": float(dataset.obs["qc_total"].sum()),
            "counts": dataset.info.has_counts,
            "labelled": None if label is None else int(dataset.obs[label].notna().sum()),
        }
    except InputError as error:
        facts["refused"] = str(error)
        facts["left"] = not nothing_left(workspace)
    except BaseException as error:  # noqa: BLE001 it is what is looked for
        facts["traceback"] = repr(error)
    return facts


def check(facts: dict[str, Any]) -> str | None:
    """Return what is wrong whatever the file."""
    if "crashed" in facts or "traceback" in facts or facts.get("left"):
        return str(facts)
    if facts["bytes"] > MOST_BYTES or facts["seconds"] > MOST_SECONDS:
        return f"{facts['bytes'] / 1e6:.0f} MB, {facts['seconds']:.0f} s"
    for sentence in (facts.get("doctor"), facts.get("refused")):
        if sentence is not None and ("\n" in sentence or not sentence.endswith(".") or len(sentence) > 400):
            return sentence
    return None


@pytest.mark.parametrize("third", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_bad_files(third: int, cases: Path, pool: ProcessPoolExecutor, tmp_path: Path) -> None:
    """Read every third of the files each, since kinds of files stand together in the list."""
    folder = cases / "bad_files"
    wrong = {}
    cases_of = dict(list(json.loads((folder / "manifest.json").read_text()).items())[third::3])
    found = use_all((folder / name for name in cases_of), tmp_path, pool)
    for name, case in cases_of.items():
        facts = found[name]
        problem = check(facts)
        read = facts.get("read")
        if problem is None and case["expect"] == "reject" and read is not None:
            problem = "was read"
        if problem is None and case["expect"] in ("ok", "ok_noval") and read is None:
            problem = facts["refused"]
        truth = folder / f"{name}.truth.npz"
        if problem is None and case["expect"] == "ok" and truth.exists() and read["counts"]:
            with np.load(truth) as known:
                genes, total, labels = list(known["names"]), float(known["x"].sum()), known["lab"]
            if not case.get("dup") and len(set(genes)) == len(genes) and list(read["genes"]) != genes:
                problem = "other genes"
            elif abs(read["total"] - total) > 1e-5 * total:
                problem = f"counts add up to {read['total']} and not {total}"
            elif (
                read["labelled"] is not None and "dropped" not in case and read["labelled"] != int((labels != "").sum())
            ):
                problem = f"{read['labelled']} labelled"
        if problem is not None:
            wrong[name] = problem
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())


REFUSED = {
    "c09_negative_counts.h5ad": "negative",
    "c16_nan_inf.h5ad": "not numbers",
    "c21_uint32_overflow.h5ad": "row pointers",
    "c26_molecule_info.h5": "molecule_info",
    "c28_lzf_and_missing_filter.h5ad": "blosc",
}


def test_odd_files(cases: Path, pool: ProcessPoolExecutor, tmp_path: Path) -> None:
    wrong = {}
    for name, facts in use_all(sorted((cases / "odd_files").iterdir()), tmp_path, pool).items():
        problem = check(facts)
        sentence = REFUSED.get(name)
        if problem is None and sentence is None and "read" not in facts:
            problem = facts["refused"]
        if problem is None and sentence is not None and sentence not in facts.get("refused", ""):
            problem = f"not refused for {sentence}: {facts}"
        if problem is not None:
            wrong[name] = problem
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 100, 20))])
def test_random_damage(first: int, tmp_path: Path) -> None:
    """The first hundred of `benchmarks/fuzz_files.py`, whose outcome raises what is not one sentence."""
    for seed in range(first, first + 20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path, _ = make(seed, folder)
        assert outcome(path) in ("read", "read, not usable", "refused", "its process ended")


@pytest.mark.parametrize("seeds", [(*range(30), 865), pytest.param(range(30, 110), marks=pytest.mark.slow)])
def test_random_damage_of_models_knowledge_stories_and_recipes(seeds: Iterable[int], tmp_path: Path) -> None:
    """The first of `benchmarks/fuzz_other_files.py`: damaged gzip, zip and surrogates ended in tracebacks."""
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        path, _ = make_other(seed, folder)
        assert use_other(path) in ("used", "refused")


@pytest.mark.parametrize("seed", [162, 658, 801, 850])
def test_a_heap_without_end(seed: int, tmp_path: Path) -> None:
    """HDF5 searched these for ever: each cost 25 seconds, and an import would not have ended."""
    path, _ = make(seed, tmp_path)
    with pytest.raises(InputError, match="does not end"):
        examine(path)
