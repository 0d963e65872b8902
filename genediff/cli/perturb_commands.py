"""Commands for models of perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from genediff.cli.follow import start
from genediff.cli.options import (
    AS_JSON,
    DATASET,
    DEVICE,
    NAME,
    PROFILE,
    WAIT,
    make_group,
    print_json,
    print_table,
    workspace,
)
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from genediff.models.response_info import ResponseInfo

perturb = make_group("Train, list and show models that predict perturbations.")
MODEL = typer.Argument(..., help="Id of a model of perturbations.", show_default=False)


@perturb.command()
def train(
    dataset: str = DATASET,
    scheme: str = typer.Option(
        "cells", help="What is held out for the test: cells, unseen_single, doubles, context or batch."
    ),
    n_seen: int = typer.Option(2, min=0, max=2, help="For doubles: how many of a pair's genes were seen alone."),
    context: str | None = typer.Option(
        None, help="The obs column with cell types (or donors) that answer differently."
    ),
    column: str | None = typer.Option(None, help="The obs column with perturbations; that of the import unless given."),
    control: str | None = typer.Option(None, help="Its level that means untreated; that of the import unless given."),
    hold_out: list[str] = typer.Option(
        [], help="A perturbation or context for the test; drawn unless given; repeatable."
    ),
    network: str | None = typer.Option(
        None,
        help="What knock-outs run along: collectri, trrust, a network of your own, inferred:5000, or planted for "
        "simulated cells.",
    ),
    prior: list[str] = typer.Option(
        [],
        help="Gene sets, networks or embeddings that say which genes are alike; repeatable; or none. What ships unless "
        "given.",
    ),
    shuffled: bool = typer.Option(False, "--shuffled", help="Rewire the network at random: the control."),
    base: str | None = typer.Option(
        None, help="A trained model of the same data set: cells then flow along its tokens (see `models list`)."
    ),
    flow_steps: int = typer.Option(800, min=1, help="Steps of that flow."),
    members: int = typer.Option(5, min=2, max=50, help="Models fitted to resampled cells, for the spread."),
    name: str = NAME,
    seed: int = typer.Option(0, min=0, help="Decides what is held out; the same seed gives the same model."),
    device: str = DEVICE,
    profile: str = PROFILE,
    wait: bool = WAIT,
) -> None:
    """Train a model of perturbations and evaluate it on held-out perturbations."""
    from genediff.perturbation import SCHEMES
    from genediff.runs import KINDS

    if scheme not in SCHEMES:
        raise InputError(f"There is no scheme {scheme!r}; known: {', '.join(SCHEMES)}.")
    place = workspace()
    place.dataset_folder(dataset)
    if base is not None:
        place.model_folder(base)
    given: dict[str, Any] = {
        "name": name,
        "dataset_id": dataset,
        "task": {
            "column": column, "control": control, "context": context, "scheme": scheme, "n_seen": n_seen,
            "hold_out": hold_out, "seed": seed,
        },
        "network": network,
        **({} if not prior else {"priors": [] if prior == ["none"] else prior}),
        "shuffled": shuffled,
        "base_id": base,
        "flow_steps": flow_steps,
        "members": members,
        "seed": seed,
        "device": device,
    }  # fmt: skip
    start(KINDS["perturb"].read_config(given), profile=profile, wait=wait)


@perturb.command("list")
def list_all(as_json: bool = AS_JSON) -> None:
    """List the models of perturbations: those that ship with GeneDiff and your own."""
    found = workspace().list_responses()
    if as_json:
        print_json([info.model_dump(mode="json", exclude={"config", "gates"}) for info in found])
        return
    rows = [
        (info.id, info.title, info.dataset_name, info.network, str(info.n_trained), _tested(info)) for info in found
    ]
    columns = ("id", "title", "data set", "network", "trained on", "held out: r (baseline)")
    print_table(columns, rows, empty="There are none yet: python -m genediff perturb train DATASET")


@perturb.command()
def show(model: str = MODEL, as_json: bool = AS_JSON) -> None:
    """Show a model's card: where it leaves its baselines, and how that did on what was held out."""
    from genediff.models.response_info import ResponseInfo

    folder = workspace().response_folder(model)
    info = ResponseInfo.read(folder)
    if as_json:
        print_json(info.model_dump(mode="json"))
        return
    card = folder / "card.md"
    typer.echo(card.read_text(encoding="utf-8") if card.is_file() else info.title)


@perturb.command()
def delete(model: str = MODEL) -> None:
    """Put a model of perturbations into the trash; `restore` brings it back."""
    workspace().delete_response(model)
    typer.echo(f"Deleted {model}; bring it back with: python -m genediff perturb restore {model}")


@perturb.command()
def restore(model: str = MODEL) -> None:
    """Bring a deleted model of perturbations back."""
    workspace().restore_response(model)
    typer.echo(f"{model} is back.")


def _tested(info: ResponseInfo) -> str:
    return ", ".join(
        f"{kind.replace('_', ' ')} {row['r']:.2f} ({row['r_baseline']:.2f})" for kind, row in info.tested.items()
    )
