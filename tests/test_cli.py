"""The command line, as a person on a server meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from typer.testing import CliRunner

from genediff.cli import app

ROOT = Path(__file__).resolve().parents[1]
runner = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def own_workspace(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One workspace for all tests of this file: what one command makes, the next one uses."""
    monkeypatch.setenv("GENEDIFF_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def cells_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(1)
    kinds = np.repeat([0, 1], 100)
    rates = draw.gamma(0.6, 2.0, size=(2, 60)) + 0.1
    counts = draw.poisson(rates[kinds] * draw.lognormal(0, 0.3, size=(200, 1))).astype(np.float32)
    obs = pd.DataFrame({"cell_type": np.array(["B cell", "T cell"])[kinds]}, index=[f"c{i}" for i in range(200)])
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    cells = anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=[f"GENE{i}" for i in range(60)]))
    cells.write_h5ad(path)
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "genediff", *map(str, arguments)]


def run(home: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "GENEDIFF_HOME": str(home)},
        check=False,
        timeout=600,
    )
    assert done.returncode == code, done
    assert "Traceback" not in done.stdout + done.stderr
    return done


def invoke(*arguments: object, code: int = 0) -> str:
    """Run a command in this process and return its stdout, or its stderr when it should fail."""
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result.stderr if code else result.stdout


@pytest.fixture(scope="module")
def dataset(home: Path, cells_file: Path) -> str:
    options = ("--label", "cell_type", "--genes", 60, "--no-umap", "--name", "tiny", "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENEDIFF_HOME", str(home))
        return str(json.loads(invoke("import", cells_file, *options))["id"])


@pytest.fixture(scope="module")
def model(home: Path, dataset: str) -> str:
    """Train, save and judge in the way that the README shows."""
    options = ("--preset", "quick", "--steps", 12, "--tokenizer-steps", 12, "--device", "cpu", "--name", "first")
    done = run(home, "train", dataset, *options)
    assert "Finished after" in done.stdout, done
    found = re.search(r"genediff generate (\S+)", done.stdout)
    assert found is not None, done
    return found[1]


def test_help_is_there_at_once():
    """Measured by what is imported and not by the clock, which other work on the machine moves."""
    program = (
        "import sys; sys.argv = ['genediff', '--help']\n"
        "from genediff.cli import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"torch", "scanpy", "umap", "anndata", "pandas", "numpy", "streamlit", "submitit", "pydantic"}
    for verb in ("doctor", "import", "datasets", "train", "runs", "models", "generate", "evaluate", "app"):
        assert verb in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["import"], ["datasets"], ["train"], ["generate"], ["evaluate"], ["app"]]
    + [["runs", verb] for verb in ("list", "watch", "log", "cancel", "resume", "keep", "delete")]
    + [["models", verb] for verb in ("list", "show", "rename", "delete", "restore", "export", "import")],
    ids=" ".join,
)
def test_every_command_has_help(arguments):
    assert "Usage" in invoke(*arguments, "--help")


def test_doctor_says_what_a_file_holds(cells_file):
    assert "cell_type" in invoke("doctor", cells_file)
    found = json.loads(invoke("doctor", cells_file, "--json"))
    assert (found["n_cells"], found["n_genes"], found["counts"], found["label"]) == (200, 60, "X", "cell_type")


def test_import_takes_what_doctor_proposes(dataset, cells_file):
    assert dataset in invoke("datasets")
    listed = {info["id"]: info for info in json.loads(invoke("datasets", "--json"))}
    assert listed[dataset]["label"] == "cell_type"
    options = ("--genes", "30", "--no-umap", "--exclude", "cell_type=T cell")
    done = runner.invoke(app, ["import", str(cells_file), *options])
    assert done.exit_code == 0 and "label 'cell_type'" in done.stderr
    assert "100 cells" in done.stdout


def test_an_import_may_be_a_run(cells_file):
    """It had no profile, so cells could not be imported on a cluster from the command line."""
    started = invoke("import", cells_file, "--genes", 25, "--no-umap", "--seed", 5, "--detach")
    run_id = re.search(r"Run (\S+):", started)[1]
    assert "25 genes are ready" in invoke("runs", "watch", run_id)
    assert 25 in {info["n_genes"] for info in json.loads(invoke("datasets", "--json"))}


FAILURES = {
    "no file": (["doctor", "nowhere.h5ad"], "nowhere.h5ad"),
    "not HDF5": (["import", "{bad}"], "bad.h5ad"),
    "unknown data set": (["train", "nothing"], "no data set 'nothing'"),
    "unknown preset": (["train", "{dataset}", "--preset", "huge"], "unknown preset 'huge'"),
    "no steps": (["train", "{dataset}", "--steps", "0"], "train.steps"),
    "unknown space": (["train", "{dataset}", "--space", "outer"], "choose latent, gene or counts"),
    "no such device": (["train", "{dataset}", "--device", "tpu"], "no device 'tpu'"),
    "unknown model": (["generate", "nothing", "-o", "x.h5ad"], "no model 'nothing'"),
    "unknown run": (["runs", "log", "nothing"], "no run 'nothing'"),
    "no data named": (["evaluate", "{file}"], "--data DATASET"),
    "level without column": (["import", "{file}", "--exclude", "T cell"], "column=level"),
    "pickle": (["models", "import", "model.ckpt"], "pickle"),
    "no zip": (["models", "import", "{bad}"], "not a zip file"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_one_sentence_on_stderr(case, dataset, cells_file, tmp_path):
    bad = tmp_path / "bad.h5ad"
    bad.write_bytes(b"nothing that could be read")
    arguments, expected = FAILURES[case]
    said = invoke(*(text.format(bad=bad, dataset=dataset, file=cells_file) for text in arguments), code=1)
    assert expected in said
    assert len(said.strip().splitlines()) == 1


def test_a_failure_exits_with_one_and_no_traceback(home):
    assert run(home, "train", "nothing", code=1).stdout == ""


def test_a_trained_model_is_judged_and_generates(model, tmp_path):
    listed = {info["id"]: info for info in json.loads(invoke("models", "list", "--json"))}
    assert listed[model]["title"] == "first"
    assert listed[model]["metrics"]["c2st_pcs"] > 0
    assert "cell_type" in invoke("models", "show", model)
    out = tmp_path / "out.h5ad"
    invoke("generate", model, "-n", 30, "--label", "B cell", "--steps", 3, "-o", out)
    cells = anndata.read_h5ad(out)
    assert cells.shape == (30, 60)
    assert set(cells.obs["cell_type"]) == {"B cell"}
    assert (cells.X.data == np.round(cells.X.data)).all()
    assert cells.uns["genediff"]["model_id"] == model
    assert "knows no label 'Z cell'" in invoke("generate", model, "--label", "Z cell", "-o", out, code=1)
    assert ".h5ad" in invoke("generate", model, "-o", tmp_path / "out.csv", code=1)


def test_evaluate_judges_cells_from_elsewhere(dataset, cells_file, tmp_path):
    report = tmp_path / "report.json"
    output = invoke("evaluate", cells_file, "--data", dataset, "--seeds", 1, "-o", report)
    written = json.loads(report.read_text())
    assert written["dataset_id"] == dataset
    assert written["verdict"]["sentence"] in output


def test_runs_are_listed_and_told_about(model):
    listed = {entry["id"]: entry for entry in json.loads(invoke("runs", "list", "--json"))}
    assert listed[model]["state"] == "finished"
    assert listed[model]["model_id"] == model
    assert model in invoke("runs", "list")
    invoke("runs", "log", model[:-1])
    assert "finished" in invoke("runs", "resume", model, code=1)


def _heed_interrupts() -> None:
    """Take Ctrl-C as a terminal's child does. A shell's background job ignores it, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_cancels_and_leaves_a_checkpoint(home, dataset):
    process = subprocess.Popen(
        command("train", dataset, "--steps", 1_000_000, "--tokenizer-steps", 5, "--device", "cpu"),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "GENEDIFF_HOME": str(home)},
        preexec_fn=_heed_interrupts,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    run_id = first.split()[1].rstrip(":")
    for line in process.stderr:
        if line.startswith("flow"):
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert f"runs resume {run_id}" in said
    assert (home / "runs" / run_id / "checkpoint" / "resume" / "state.safetensors").is_file()
    invoke("runs", "resume", run_id, "--detach")
    assert "cancelled" in invoke("runs", "cancel", run_id)
    invoke("runs", "keep", run_id)
    invoke("runs", "delete", run_id)
    assert run_id in invoke("models", "list")


def test_models_are_renamed_deleted_and_brought_back(model):
    invoke("models", "rename", model, "second")
    assert "second" in invoke("models", "list")
    invoke("models", "delete", model)
    assert model not in invoke("models", "list")
    invoke("models", "restore", model)
    assert model in invoke("models", "list")


def test_app_opens_on_a_free_port(home):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
        assert "is taken" in invoke("app", "--port", port, code=1)
    process = subprocess.Popen(
        command("app", "--port", port, "--no-browser"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "GENEDIFF_HOME": str(home), "PYTHONPATH": str(ROOT)},
        cwd=home,
    )
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert process.poll() is None, process.communicate()
                time.sleep(0.2)
        else:
            raise AssertionError("the app did not answer within a minute")
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert f"http://localhost:{port}" in output


def test_any_option_can_be_set_by_name_and_a_typo_is_said() -> None:
    from genediff.api.run_options import build_run
    from genediff.cli.train_command import _options
    from genediff.core.errors import InputError
    from genediff.tokenizers.choice import Tokenization
    from genediff.workspace import Workspace

    def changed(*given: str):
        info = Workspace().open_dataset("pbmc3k").info
        return build_run(info, Workspace().library(), Tokenization("latent"), options=_options(list(given)))

    run = changed("model.path=variance_preserving", "model.predict=noise", "train.ema=0.5", "sample.n_steps=7")
    assert (run.model.path, run.model.predict) == ("variance_preserving", "noise")
    assert (run.train.ema, run.sample.n_steps) == (0.5, 7)
    assert changed("model.tokenizer_options.n_tokens=16").model.tokenizer_options["n_tokens"] == 16
    for typo in ("model.pth=x", "model.depth.x=1", "nothing=1"):
        with pytest.raises(InputError, match="There is no option"):
            changed(typo)
    with pytest.raises(InputError, match="NAME=VALUE"):
        changed("train.ema")
    with pytest.raises(InputError):
        changed("model.depth=many")
