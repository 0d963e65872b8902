"""Commands for the library of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from genediff.cli.options import AS_JSON, make_group, print_json, print_table, workspace
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from genediff.evaluation import Metric

models = make_group("List, show, rename, delete, export and import models.")
SHOWN = ("c2st_pcs", "c2st_genes", "w2_debiased")
MODEL = typer.Argument(..., help="Id of a model.", show_default=False)


@models.command("list")
def list_all(as_json: bool = AS_JSON) -> None:
    """List the models: those that ship with GeneDiff and your own."""
    found = workspace().list_models()
    if as_json:
        print_json([info.model_dump(mode="json", exclude={"config", "conditions"}) for info in found])
        return
    from genediff.evaluation import METRICS

    rows = [
        (
            info.id,
            info.title,
            info.dataset_name,
            info.strategy,
            info.space,
            f"{info.n_parameters:,}",
            *(_number(METRICS[name], info.metrics.get(name)) for name in SHOWN),
        )
        for info in found
    ]
    columns = ("id", "title", "data set", "strategy", "space", "parameters", *(METRICS[name].title for name in SHOWN))
    print_table(columns, rows, empty="There are no models yet: python -m genediff train DATASET")


@models.command()
def show(model: str = MODEL, as_json: bool = AS_JSON) -> None:
    """Show a model's card and its evaluation."""
    from genediff.models.model_info import CARD_FILE, EVALUATION_FILE, ModelInfo

    folder = workspace().model_folder(model)
    info = ModelInfo.read(folder)
    if as_json:
        print_json(info.model_dump(mode="json"))
        return
    card = folder / CARD_FILE
    typer.echo(card.read_text(encoding="utf-8") if card.is_file() else info.title)
    if (folder / EVALUATION_FILE).is_file():
        from genediff.evaluation import Evaluation

        typer.echo(Evaluation.read(folder / EVALUATION_FILE).to_text())
    else:
        typer.echo(f"It has not been evaluated yet: python -m genediff evaluate {model} -o report.json")


@models.command()
def rename(model: str = MODEL, title: str = typer.Argument(..., help="The new title.", show_default=False)) -> None:
    """Give a model another title; its id stays."""
    workspace().rename_model(model, title)
    typer.echo(f"{model} is now called '{title}'.")


@models.command()
def delete(model: str = MODEL) -> None:
    """Put a model into the trash; `restore` brings it back."""
    workspace().delete_model(model)
    typer.echo(f"Deleted {model}; bring it back with: python -m genediff models restore {model}")


@models.command()
def restore(model: str = MODEL) -> None:
    """Bring a deleted model back."""
    workspace().restore_model(model)
    typer.echo(f"{model} is back.")


@models.command()
def export(
    model: str = MODEL, output: Path | None = typer.Option(None, "-o", "--output", help="The .zip to write.")
) -> None:
    """Write a model as one .zip of safetensors and JSON, to hand on or to keep."""
    from genediff.models.archive import export_model

    target = output or Path(f"{model}.zip")
    if target.suffix.lower() != ".zip":
        raise InputError(f"A model is exported as a .zip file, not as '{target.name}'.")
    typer.echo(f"Wrote {export_model(workspace().model_folder(model), target)}.")


@models.command("import")
def import_file(file: Path = typer.Argument(..., help="A .zip written by `export`.", show_default=False)) -> None:
    """Put an exported model (of cells or of perturbations) into the library. Pickles (.pt, .pkl, .ckpt) are refused."""
    from genediff.perturbation.model.response_archive import import_any

    info = import_any(file, workspace().models, workspace().responses)
    typer.echo(f"'{info.title}' is in the library as {info.id}.")


def _number(metric: Metric, value: float | None) -> str | None:
    return None if value is None else metric.text(value)
