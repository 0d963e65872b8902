"""The command that judges a model, or a file of generated cells from anywhere."""

from __future__ import annotations

from pathlib import Path

import typer

from genediff.cli.base import AS_JSON, print_json, progress_bar, workspace
from genediff.errors import InputError


def evaluate(
    source: str = typer.Argument(..., help="Id of a model, or an .h5ad of generated cells.", show_default=False),
    data: str | None = typer.Option(None, help="Id of the data set; that of the model unless given."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Write the whole report as JSON."),
    seeds: int = typer.Option(3, min=1, max=100, help="Over how many seeds figures are averaged."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
    as_json: bool = AS_JSON,
) -> None:
    """Judge generated cells by held-out ones, beside two real samples and simple baselines."""
    from genediff.model_info import ModelInfo
    from genediff.runs.kinds.judge import evaluate_file, evaluate_model

    place, over = workspace(), range(seeds)
    if output is not None and not output.resolve().parent.is_dir():
        raise InputError(f"There is no folder {output.resolve().parent}; make it first.")
    with progress_bar("Judging") as report:
        if source.lower().endswith(".h5ad"):
            if data is None:
                raise InputError("Say which data set the cells imitate: --data DATASET (see `datasets`).")
            found = evaluate_file(
                Path(source), place.open_dataset(data), progress=report, cancelled=lambda: False, seeds=over
            )
        else:
            folder = place.model_folder(source)
            dataset = place.open_dataset(data or ModelInfo.read(folder).dataset_id)
            found = evaluate_model(folder, dataset, device=device, progress=report, cancelled=lambda: False, seeds=over)
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.to_text())
        if output is not None:
            typer.echo(f"Wrote the whole report to {output}.")
