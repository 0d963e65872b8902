"""The command that adapts a model to new cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from genediff.cli.follow import start
from genediff.cli.options import DEVICE, NAME, PROFILE, SEED, WAIT, workspace

if TYPE_CHECKING:
    from collections.abc import Sequence


def adapt(
    base: str = typer.Argument(..., help="Id of the trained model (see `models list`).", show_default=False),
    dataset: str = typer.Argument(..., help="Id of the new data set (see `datasets`).", show_default=False),
    rank: int = typer.Option(8, help="Size of the added matrices: higher ranks can change more."),
    alpha: float | None = typer.Option(None, help="Their scale is alpha / rank; twice the rank unless given."),
    condition: list[str] = typer.Option(
        [],
        metavar="COLUMN[=OF_THE_MODEL]",
        help="A column of the new data that steers generation; after = the model's condition that it continues, "
        "with old levels kept and new ones added. The label continues the model's first one unless given; repeatable.",
    ),
    steps: int = typer.Option(1000, help="Steps of the flow."),
    tokenizer_steps: int = typer.Option(300, help="Steps of the autoencoder (latent space only)."),
    batch_size: int = typer.Option(128, help="Cells per step."),
    learning_rate: float = typer.Option(3e-3, help="Peak learning rate."),
    seed: int = SEED,
    compare: bool = typer.Option(
        True, "--compare/--no-compare", help="Also train from scratch with the same budget, and evaluate both."
    ),
    name: str = NAME,
    device: str = DEVICE,
    profile: str = PROFILE,
    wait: bool = WAIT,
) -> None:
    """Adapt a trained model to a new data set: its weights stay, small matrices learn beside them (LoRA)."""
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.models.model_info import ModelInfo
    from genediff.runs import KINDS
    from genediff.training.adapt import starting_conditions

    place = workspace()
    info = DatasetInfo.read(place.dataset_folder(dataset))
    model = ModelInfo.read(place.model_folder(base))
    given: dict[str, Any] = {
        "name": name or f"{model.title}, adapted to {info.name}",
        "base_id": base,
        "dataset_id": dataset,
        "conditions": _conditions(condition, set(model.conditions)) or starting_conditions(model.conditions, info),
        "rank": rank,
        "alpha": 2.0 * rank if alpha is None else alpha,
        "steps": steps,
        "tokenizer_steps": tokenizer_steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "compare": compare,
        "device": device,
    }
    start(KINDS["adapt"].read_config(given), profile=profile, wait=wait)


def _conditions(given: Sequence[str], known: set[str]) -> dict[str, str | None]:
    """Return the column of the model that each column of the data continues; the same name is the same column."""
    found: dict[str, str | None] = {}
    for text in given:
        column, equals, old = text.partition("=")
        found[column] = old if equals else (column if column in known else None)
    return found
