"""What makes a view come out the same again: settings, data, model and versions; commands, and words for a paper."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.core.versions import versions
from genediff.data.importing.config import ImportConfig
from genediff.data.importing.recipe import RECIPE_FILE, Recipe, stored_recipe
from genediff.models.model_info import WEIGHTS_FILE, ModelInfo
from genediff.training.presets import PRESETS, preset_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.models.config import RunConfig
    from genediff.models.generate_request import GenerateRequest

PROGRAM = "python -m genediff"
# What the command line has no option for, and what it then takes.
_WITHOUT_OPTION = ("keep_genes", "min_cells_per_gene", "fractions", "n_pcs")


@dataclass(frozen=True)
class View:
    """What a reader looks at.

    Attributes
    ----------
    title
        Such as "Generate: generated cells among real ones".
    dataset, model
        What it is made from, None where it needs none.
    settings
        Plain values that were chosen on the page.
    seed
        None where nothing is drawn at random.
    address
        The page's address after the host: it brings the view back in the app.
    command
        The command that makes the same without a browser; empty where there is none.
    sentence
        How it was made, in the words of a methods section.
    """

    title: str
    dataset: DatasetInfo | None = None
    model: ModelInfo | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    address: str = ""
    command: str = ""
    sentence: str = ""


def bundle(view: View) -> bytes:
    """Return a zip: config.json, methods.md, commands.sh, versions.txt; recipe.json for a screen."""
    packed = io.BytesIO()
    files = {
        "config.json": json.dumps(config(view), indent=1, ensure_ascii=False, default=str) + "\n",
        "methods.md": methods(view) + "\n",
        "commands.sh": "\n".join(commands(view)) + "\n",
        "versions.txt": "".join(f"{name}=={version}\n" for name, version in versions().items()),
    }
    if view.dataset is not None and (recipe := _recipe(view.dataset)) is not None:
        files[RECIPE_FILE] = recipe.to_json()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            # A fixed date: the same view gives the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return packed.getvalue()


def _recipe(info: DatasetInfo) -> Recipe | None:
    """Return the recipe that an import was given, else the reading that it made; None without perturbations."""
    given = info.config.get("recipe")
    return Recipe.of_values(given) if given else stored_recipe(info.folder, info.perturbation)


def config(view: View) -> dict[str, Any]:
    """Return everything that shapes the view as plain values."""
    found: dict[str, Any] = {
        "view": view.title,
        "settings": dict(view.settings),
        "seed": view.seed,
        "address": view.address,
        "versions": versions(),
    }
    if view.dataset is not None:
        info = view.dataset
        found["data"] = {
            "id": info.id,
            "name": info.name,
            "file": info.source,
            "content_sha256": info.content_hash,
            "cells": info.n_cells,
            "split": info.split_sizes,
            "import": info.config,
        }
    if view.model is not None:
        info_m = view.model
        found["model"] = {
            "id": info_m.id,
            "title": info_m.title,
            "created": info_m.created,
            "weights_sha256": _hash_of_weights(info_m),
            "knowledge": info_m.knowledge,
            "run": info_m.config.model_dump(mode="json"),
            "adapter": None if info_m.adapter is None else info_m.adapter.model_dump(mode="json"),
            "versions_at_training": info_m.versions,
        }
    return found


def commands(view: View) -> list[str]:
    """Return the lines of a shell script that makes the view's data, model and result again."""
    lines = ["#!/bin/sh", f"# {view.title}"]
    if view.dataset is not None:
        lines += _data_lines(view.dataset)
    if view.model is not None:
        lines += _model_lines(view.model, view.dataset)
    if view.command:
        lines.append(view.command)
    if view.address:
        lines.append(f"# In the app (python -m genediff app): /{view.address.lstrip('/')}")
    return lines


def import_command(info: DatasetInfo) -> str:
    """Return the command that imports a data set's file with the same choices."""
    given = info.config
    words = ["import", info.source, "--name", info.name, "--no-propose"]
    for option, key in (
        ("--label", "label"),
        ("--batch", "batch"),
        ("--perturbation", "perturbation"),
        ("--control", "control"),
        ("--split-column", "split_column"),
        ("--rows", "table_rows"),
    ):
        if given.get(key):
            words += [option, str(given[key])]
    if given.get("recipe"):
        words += ["--recipe", RECIPE_FILE]
    for column in given.get("conditions", ()):
        words += ["--condition", str(column)]
    for column, levels in given.get("exclude_levels", {}).items():
        words += [word for level in levels for word in ("--exclude", f"{column}={level}")]
    words += ["--genes", str(given["n_genes"]), "--min-genes", str(given["min_genes_per_cell"])]
    words += ["--target-sum", f"{given['target_sum'] or 0:g}", "--seed", str(given["seed"])]
    if not given.get("keep_targets", True):
        words.append("--no-keep-targets")
    if given.get("round_counts"):
        words.append("--round-counts")
    if not given.get("umap", True):
        words.append("--no-umap")
    return _line(words)


def train_command(run: RunConfig, dataset: DatasetInfo) -> str:
    """Return the command that trains a model by this configuration on this data set."""
    preset = run.preset if run.preset in PRESETS else "quick"
    model = run.model
    try:
        start = preset_run(
            preset, dataset, strategy=model.tokenizer, conditions=model.conditions or None, seed=run.seed
        )
    except InputError:
        preset = "quick"
        start = preset_run(
            preset, dataset, strategy=model.tokenizer, conditions=model.conditions or None, seed=run.seed
        )
    words = ["train", run.dataset_id, "--preset", preset, "--strategy", model.tokenizer, "--seed", str(run.seed)]
    for column in model.conditions:
        words += ["--condition", column]
    if run.name:
        words += ["--name", run.name]
    skipped = {"name", "dataset_id", "preset", "seed", "device"}
    before, after = (one.model_dump(mode="json", exclude=skipped) for one in (start, run))
    for path, value in _changes(before, after):
        if path != "model.tokenizer" and not (path == "model.conditions" and model.conditions):
            words += ["--set", f"{path}={json.dumps(value, ensure_ascii=False)}"]
    return _line(words)


def generate_command(asked: GenerateRequest, file: str = "generated.h5ad") -> str:
    """Return the command that generates the same cells."""
    words = ["generate", asked.model_id, "--cells", str(asked.n)]
    for column, level in asked.conditions.items():
        words += ["--condition", f"{column}={level}"]
    words += ["--guidance", f"{asked.guidance:g}", "--sampler", str(asked.sampler), "--steps", str(asked.n_steps)]
    words += ["--seed", str(asked.seed)] + ([] if asked.precision == "auto" else ["--precision", asked.precision])
    return _line([*words, *(["--compile"] if asked.compiled else []), "--output", file])


def compare_command(
    dataset_id: str,
    rows: Sequence[str],
    *,
    preset: str,
    seeds: Sequence[int],
    steps: int | None,
    minutes: float | None,
    conditions: Sequence[str] | None,
) -> str:
    """Return the command that makes the same comparison; empty where its seeds are not 0, 1, 2, …"""
    if list(seeds) != list(range(len(seeds))):
        return ""
    words = ["compare", "run", dataset_id]
    for row in rows:
        words += ["--row", row]
    words += ["--preset", preset, "--seeds", str(len(seeds))]
    if steps is not None:
        words += ["--steps", str(steps)]
    if minutes is not None:
        words += ["--minutes", f"{minutes:g}"]
    for column in conditions or ():
        words += ["--condition", column]
    return _line(words)


def training_sentence(run: RunConfig) -> str:
    """Return how a model is trained by a configuration, in the words of a methods section, before there is a model."""
    model, train = run.model, run.train
    known = [title for title in (model.gene_sets, model.network) if title]
    built = f" on {' and '.join(known)}" + (" (shuffled: a control)" if model.shuffled else "") if known else ""
    given = f", conditioned on {', '.join(model.conditions)}" if model.conditions else ""
    stages = f"{train.tokenizer_steps:,} autoencoder and " if model.space == "latent" else ""
    return (
        f"A {model.path.replace('_', ' ')} model with {model.tokenizer.replace('_', '-')} tokens{built} ({model.space} "
        f"space, {model.backbone} backbone of width {model.width} and {model.depth} layers) was trained for at most "
        f"{stages}{train.steps:,} flow steps with batches of {train.batch_size} cells, AdamW at a peak learning rate "
        f"of {train.learning_rate:g} and weight averaging at {train.ema:g}{given}"
    )


def methods(view: View) -> str:
    """Return a paragraph for a methods section, in Markdown, ready to be pasted."""
    known = versions()
    parts = []
    if view.dataset is not None:
        parts.append(_data_words(view.dataset, known["genediff"]))
    if view.model is not None:
        parts.append(_model_words(view.model))
    if view.sentence:
        parts.append(view.sentence.rstrip(". ") + ".")
    if view.seed is not None:
        parts.append(f"Random numbers came from seed {view.seed}.")
    libraries = ", ".join(f"{name} {version}" for name, version in known.items() if name != "genediff")
    parts.append(f"Software: GeneDiff Explorer {known['genediff']} ({libraries}).")
    return " ".join(parts)


def _data_words(info: DatasetInfo, version: str) -> str:
    given = info.config
    left_out = f" ({' '.join(info.notes)})" if info.notes else ""
    if info.has_counts:
        scaled = f"counts were scaled to {info.target_sum:,.0f} per cell over the chosen genes and log1p-transformed"
    else:
        scaled = f"the file's {info.values} values were used as they are, since it holds no raw counts"
    if given.get("split_column"):
        split = f"as the column {given['split_column']} says"
    else:
        by = f", with the same mix of {info.label} in each part" if info.label else ""
        split = f"at random (seed {given.get('seed', 0)}{by})"
    sizes = info.split_sizes
    return (
        f"{info.n_cells:,} cells of {info.name} (file {info.source}; SHA-256 of content and choices "
        f"{info.content_hash[:16]}…) were imported with GeneDiff Explorer {version}{left_out}. Cells were split "
        f"{split} into {sizes.get('train', 0):,} for training, {sizes.get('validation', 0):,} for validation and "
        f"{sizes.get('test', 0):,} for testing; the {info.n_genes:,} most variable of {info.n_genes_total:,} genes "
        f"were chosen on the training cells alone, and {scaled}."
    )


def _model_words(info: ModelInfo) -> str:
    run, model = info.config, info.config.model
    known = "".join(f", on the {what.replace('_', ' ')} {title}" for what, title in info.knowledge.items())
    control = " (shuffled: a control)" if model.shuffled else ""
    given = f", conditioned on {', '.join(info.conditions)}" if info.conditions else ""
    options = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in model.tokenizer_options.items())
    path = model.path.replace("_", " ")
    stages = f"{run.train.tokenizer_steps:,} autoencoder and " if info.space == "latent" else ""
    text = (
        f"A {path} model with {model.tokenizer.replace('_', '-')} tokens{known}{control} ({options}; {info.space} "
        f"space, {model.backbone} backbone of width {model.width} and {model.depth} layers, {info.n_parameters:,} "
        f"parameters; model {info.id}) was trained for at most {stages}{run.train.steps:,} flow steps with batches of "
        f"{run.train.batch_size} cells, AdamW at a peak learning rate of {run.train.learning_rate:g} and weight "
        f"averaging at {run.train.ema:g}{given} (seed {run.seed})."
    )
    if info.adapter is not None:
        text += (
            f" It stands on the model {info.adapter.base_id}, adapted by matrices of rank {info.adapter.rank} (LoRA)."
        )
    return text


def _data_lines(info: DatasetInfo) -> list[str]:
    if info.shipped:
        whose = "ships with GeneDiff, or is shared on the server that this was written on"
        return [f"# The data set {info.id} {whose} (content {info.content_hash[:16]})."]
    lines = [f"# The data set's id will be {info.id} when file and choices are the same.", import_command(info)]
    start = ImportConfig().model_dump(mode="json")
    missing = {key: info.config[key] for key in _WITHOUT_OPTION if info.config.get(key, start[key]) != start[key]}
    if missing:
        told = ", ".join(f"{key}={value}" for key, value in missing.items())
        lines.append(f"# No option for: {told}. Use genediff.data.import_cells with the choices in config.json.")
    return lines


def _model_lines(info: ModelInfo, dataset: DatasetInfo | None) -> list[str]:
    if info.shipped:
        return [f"# The model {info.id} ships with GeneDiff, or is shared on the server that this was written on."]
    if info.adapter is not None:
        base = f"{info.adapter.base_id}, rank {info.adapter.rank}"
        return [f"# The model {info.id} is an adapter of {base}: see config.json and `genediff adapt --help`."]
    if dataset is None or dataset.id != info.dataset_id:
        return [f"# The model {info.id} was trained on the data set {info.dataset_id}: see config.json."]
    note = "# It trains this model again under a new id; the same device and versions give the same weights."
    return [note, train_command(info.config, dataset)]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    """Return the path and value of every leaf that differs."""
    found: list[tuple[str, Any]] = []
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict) and not set(old) - set(value):
            found += _changes(old, value, f"{path}{name}.")
        elif value != old:
            found.append((f"{path}{name}", value))
    return found


def _hash_of_weights(info: ModelInfo) -> str | None:
    path = info.folder / WEIGHTS_FILE
    if not path.is_file():
        return None if info.adapter is None else info.adapter.base_hash
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(words: list[str]) -> str:
    return f"{PROGRAM} {shlex.join(words)}"
