"""A bundle makes its view again: its commands, read by the real command line, mean the same configuration."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from genediff import data, runs
from genediff.cli import app
from genediff.comparison import start_comparison
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data import ImportConfig
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.models.config import RunConfig
from genediff.models.generate_request import GenerateRequest
from genediff.models.model_info import ModelInfo
from genediff.tokenizers import TOKENIZERS
from genediff.training import reproduction
from genediff.training.presets import PRESETS, preset_run

runner = CliRunner()


@pytest.fixture
def info():
    return DatasetInfo.read(ASSETS / "datasets" / "pbmc3k", shipped=True)


@pytest.fixture
def submitted(monkeypatch):
    """What the command line would start: taken at the door, before anything is trained."""
    taken = []

    def submit(config, *_, **__):
        taken.append(config)
        raise InputError("taken")

    monkeypatch.setattr(runs, "submit", submit)
    monkeypatch.setattr(start_comparison, "begin", submit)
    return taken


def _call(line: str) -> None:
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "genediff"]
    result = runner.invoke(app, words[3:])
    assert "taken" in result.stderr, (line, result.stderr, result.exception)


@pytest.mark.parametrize("strategy", TOKENIZERS)
def test_the_train_command_means_the_same_run(info, submitted, strategy):
    first = preset_run("quick", info, strategy=strategy, seed=7, title="It's mine")
    assert reproduction.train_command(first, info).count("--set") == 0
    options = {**first.model.tokenizer_options, "n_channels": 3} if strategy != "mlp" else {}
    model = first.model.model_copy(
        update={"conditions": (), "tokenizer_options": options, "depth": 3, "shuffled": True, "guidance": "additive"}
    )
    train = first.train.model_copy(update={"ema": 0.9, "steps": 11, "learning_rate": 2.5e-4})
    other = first.model_copy(update={"model": model, "train": train, "preset": "custom", "precision": "32-true"})
    for run in (first, other):
        _call(reproduction.train_command(run, info))
        ours, theirs = (one.model_dump(exclude={"preset"}) for one in (submitted[-1], run))
        assert isinstance(submitted[-1], RunConfig) and ours == theirs


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "quick"])
def test_presets_are_named_and_not_spelled_out(info, submitted, preset):
    run = preset_run(preset, info, seed=1)
    line = reproduction.train_command(run, info)
    assert f"--preset {preset}" in line and "--set" not in line
    _call(line)
    assert submitted[-1] == run


def test_the_import_command_means_the_same_choices(info, monkeypatch, shared_data):
    file = shared_data / "pbmc3k_raw_counts.h5ad"
    if not file.is_file():
        pytest.skip("the shared h5ad file is not here")
    taken = []

    def take(path, config, *_, **__):
        taken.append(config)
        raise InputError("taken")

    monkeypatch.setattr(data, "import_cells", take)
    label = "cell_type_derived"
    choices = ImportConfig(
        name="A 'quoted' name", label=label, n_genes=300, exclude_levels={label: ("filtered", "(missing)")}, seed=3,
        umap=False, target_sum=None,
    )  # fmt: skip
    other = replace(info, source=str(file), name=choices.name, config=choices.model_dump(mode="json"))
    _call(reproduction.import_command(other))
    assert taken[0].model_dump() == choices.model_dump()


def test_the_compare_command_means_the_same_comparison(submitted):
    line = reproduction.compare_command(
        "pbmc3k", ["latent", "pathway:shuffled", "latent:n_tokens=4"], preset="quick", seeds=(0, 1), steps=50,
        minutes=None, conditions=None,
    )  # fmt: skip
    _call(line)
    config = submitted[0]
    assert [entry.key for entry in config.entries] == ["latent", "pathway:shuffled", "latent:n_tokens=4"]
    assert (config.seeds, config.steps, config.minutes) == ((0, 1), 50, None)
    other = {"preset": "quick", "seeds": (3, 4), "steps": 5, "minutes": None, "conditions": None}
    assert reproduction.compare_command("pbmc3k", ["latent"], **other) == ""  # no command can say these seeds


def test_the_bundle_holds_seed_hashes_versions_and_words(info):
    model = ModelInfo.read(ASSETS / "models" / "pbmc3k-quick", shipped=True)
    asked = GenerateRequest(model.id, 50, {"cell_type_derived": "CD4 T"}, 2.0, "heun", 4, 9)
    command = reproduction.generate_command(asked)
    view = reproduction.View(
        "Generate: map", info, model, {"n": 50}, 9, "generate?n=50", command, "50 cells were made."
    )
    packed = reproduction.bundle(view)
    assert packed == reproduction.bundle(view)  # the same view, the same bytes
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    config = json.loads(files["config.json"])
    weights = (model.folder / "model.safetensors").read_bytes()
    assert config["model"]["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert config["data"]["content_sha256"] == info.content_hash
    assert (config["seed"], config["settings"], config["address"]) == (9, {"n": 50}, "generate?n=50")
    assert RunConfig.model_validate(config["model"]["run"]) == model.config
    assert (
        "--condition 'cell_type_derived=CD4 T' --guidance 2 --sampler heun --steps 4 --seed 9" in files["commands.sh"]
    )
    words = files["methods.md"]
    for part in (
        "2,638 cells",
        "2,000 most variable",
        "rectified flow",
        "50 cells were made. ",
        "seed 9",
        "numpy",
    ):
        assert part in words, part
    assert "{" not in words and "None" not in words
