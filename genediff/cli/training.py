"""The command that trains a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from genediff.cli.base import workspace
from genediff.cli.follow import follow
from genediff.cli.profiles import PROFILE
from genediff.errors import InputError

if TYPE_CHECKING:
    from genediff.config import RunConfig
    from genediff.knowledge import Library
    from genediff.knowledge.library import Kind
    from genediff.workspace import Workspace


def train(
    dataset: str = typer.Argument(..., help="Id of a data set (see `datasets`).", show_default=False),
    preset: str = typer.Option(
        "quick", help="quick, standard or large; cfgen-style and scldm-style are for latent tokens."
    ),
    strategy: str = typer.Option("latent", help="How cells are cut into tokens: latent, pathway, rank, mlp, …"),
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
    name: str = typer.Option("", help="A name to find the model by."),
    seed: int = typer.Option(0, help="The same seed gives the same model."),
    condition: list[str] = typer.Option(
        [], help="A column that steers generation; the label unless given; repeatable."
    ),
    space: str | None = typer.Option(None, help="latent (tokens of a count autoencoder) or gene (expression itself)."),
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
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
    devices: int = typer.Option(1, min=1, help="GPUs that train together; without a GPU, processes."),
    profile: str = PROFILE,
    wait: bool = typer.Option(
        True, "--wait/--detach", help="Watch it to its end (Ctrl-C cancels it), or start it and leave."
    ),
) -> None:
    """Train a model on a data set, put it into the library, and judge it on held-out cells."""
    from genediff.data.info import DatasetInfo
    from genediff.presets import in_gene_space, preset_run
    from genediff.runs import submit

    place = workspace()
    info = DatasetInfo.read(place.dataset_folder(dataset))
    run = preset_run(preset, info, strategy=strategy, conditions=tuple(condition) or None, seed=seed, title=name)
    run = _with_knowledge(run, place, gene_sets=gene_sets, network=network, shuffled=shuffled)
    if space is not None:
        run = in_gene_space(run) if space == "gene" else _changed(run, model={"space": space})
    wanted = {"steps": steps, "tokenizer_steps": tokenizer_steps, "batch_size": batch_size}
    run = _changed(run, train={key: value for key, value in wanted.items() if value is not None}, device=device)
    run = run.model_copy(update={"devices": devices})
    run = _set(run, option)
    started = submit(run, place, profile=profile)
    typer.echo(f"Run {started.id}: {started.name} on {info.name}.", err=wait)
    if wait:
        follow(started)
    else:
        typer.echo(f"Watch it: python -m genediff runs watch {started.id}")


def _with_knowledge(
    run: RunConfig, place: Workspace, *, gene_sets: str | None, network: str | None, shuffled: bool
) -> RunConfig:
    """Return the run on the named knowledge; files are put into the library, and unknown names fail here."""
    from genediff.knowledge import check_wanted
    from genediff.tokenizers import TOKENIZERS

    strategy = TOKENIZERS[run.model.tokenizer]
    named = {"gene_sets": gene_sets, "network": network}
    if unused := [what for what, given in named.items() if given is not None and what not in strategy.needs]:
        raise InputError(
            f"{strategy.title} use no {unused[0].replace('_', ' ')}; leave out --{unused[0].replace('_', '-')} or "
            "choose another --strategy"
        )
    if shuffled and not strategy.needs:
        raise InputError(f"{strategy.title} are built on no knowledge, so --shuffled has nothing to shuffle")
    library = place.library()
    chosen: dict[str, object] = {}
    if gene_sets is not None:
        chosen["gene_sets"] = _kept(library, gene_sets, "gene_sets")
    if network is not None:
        chosen["network"] = _kept(library, network, "network")
    run = _changed(run, model={**chosen, "shuffled": shuffled})
    check_wanted(library, gene_sets=run.model.gene_sets, network=run.model.network)
    return run


def _kept(library: Library, given: str, kind: Kind) -> str:
    """Return the id of what is in the library, or of a file that is put there now."""
    if not Path(given).is_file():
        return given
    from genediff.knowledge import add_file

    added = add_file(library, given, kind=kind)
    typer.echo(f"{Path(given).name} is in the library as {added.id}: {added.format}, since {added.reason}.", err=True)
    return added.id


def _set(run: RunConfig, options: list[str]) -> RunConfig:
    """Return the configuration with options named by their path, checked as a whole."""
    from genediff.runs import KINDS

    content = run.model_dump(mode="json")
    for given in options:
        path, equals, value = given.partition("=")
        *rooms, name = path.split(".")
        place: Any = content
        for room in rooms:
            place = place.get(room, None) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or (rooms[-1:] != ["tokenizer_options"] and name not in place):
            raise InputError(
                f"--set {given} names no option; write it as model.depth=6, train.ema=0.99 or sample.n_steps=20, "
                "with the names in the model's configuration (python -m genediff models show)"
            )
        place[name] = _plain(value)
    changed: RunConfig = KINDS["train"].read_config(content)
    return changed


def _plain(text: str) -> object:
    """Read a number, true, false or null as such, and anything else as text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _changed(
    run: RunConfig,
    *,
    model: dict[str, object] | None = None,
    train: dict[str, object] | None = None,
    device: str | None = None,
) -> RunConfig:
    """Return the configuration with other values, checked as a whole."""
    from genediff.runs import KINDS

    content = run.model_dump(mode="json")
    content["model"] |= model or {}
    content["train"] |= train or {}
    changed: RunConfig = KINDS["train"].read_config(content | ({"device": device} if device else {}))
    return changed
