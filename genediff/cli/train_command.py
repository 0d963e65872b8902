"""The command that trains a model."""

from __future__ import annotations

import json
from typing import Any

import typer

from genediff.cli.follow import start
from genediff.cli.options import DATASET, DEVICE, NAME, PROFILE, SEED, WAIT, workspace
from genediff.core.errors import InputError


def train(
    dataset: str = DATASET,
    preset: str = typer.Option(
        "quick", help="quick, standard or large; paper, cfgen-style and scldm-style are for latent tokens."
    ),
    strategy: str = typer.Option("latent", help="The tokenization: latent, pathway, grn, rank, …"),
    gene_sets: str | None = typer.Option(
        None,
        help="For strategies that need them: hallmark, reactome, go_bp, a collection of your own, nmf:30 for 30 "
        "modules of the training cells, or a GMT file.",
    ),
    network: str | None = typer.Option(
        None,
        help="For strategies that need one: collectri, trrust, a network of your own, inferred:5000 for edges found in "
        "the training cells, collectri+inferred:5000 for both, or a file.",
    ),
    shuffled: bool = typer.Option(False, "--shuffled", help="Shuffle the gene sets or the network: the control."),
    name: str = NAME,
    seed: int = SEED,
    condition: list[str] = typer.Option(
        [], help="Column of obs that generation is conditioned on; the label unless given; repeatable."
    ),
    space: str | None = typer.Option(
        None, help="latent (tokens of a count autoencoder), gene (expression itself) or counts (molecules)."
    ),
    steps: int | None = typer.Option(None, help="Steps of the flow; the preset's unless given."),
    tokenizer_steps: int | None = typer.Option(None, help="Steps of the autoencoder; the preset's unless given."),
    batch_size: int | None = typer.Option(None, help="Cells per step; the preset's unless given."),
    option: list[str] = typer.Option(
        [],
        "--set",
        metavar="NAME=VALUE",
        help="Any other option of the Train page, such as model.path=variance_preserving, model.predict=noise, "
        "model.tokenizer_options.n_tokens=16, train.ema=0.999 or sample.n_steps=20; repeatable.",
    ),
    device: str = DEVICE,
    devices: int = typer.Option(1, min=1, help="GPUs that train together; without a GPU, processes."),
    profile: str = PROFILE,
    wait: bool = WAIT,
) -> None:
    """Train a model on a data set, add it to the library, and evaluate it on held-out cells."""
    from genediff.api.run_options import build_run
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.tokenizers.choice import Tokenization

    place = workspace()
    run = build_run(
        DatasetInfo.read(place.dataset_folder(dataset)),
        place.library(),
        Tokenization(strategy, {}, _named(gene_sets=gene_sets, network=network), shuffled),
        preset=preset,
        conditions=condition or None,
        space=space,
        steps=steps,
        tokenizer_steps=tokenizer_steps,
        batch_size=batch_size,
        options={"devices": devices, **_options(option)},
        seed=seed,
        title=name,
        device=device,
        added=lambda sentence: typer.echo(sentence, err=True),
    )
    start(run, profile=profile, wait=wait)


def _named(**given: str | None) -> dict[Any, str]:
    return {need: name for need, name in given.items() if name is not None}


def _options(given: list[str]) -> dict[str, object]:
    """Read NAME=VALUE: numbers, true, false and null as such, anything else as text."""
    found: dict[str, object] = {}
    for text in given:
        path, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, such as --set train.ema=0.99, not '{text}'.")
        try:
            found[path] = json.loads(value)
        except json.JSONDecodeError:
            found[path] = value
    return found
