"""The command that reads other cells with a trained model, and says what is lost."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations

import typer

from genediff.cli.base import AS_JSON, print_json, progress_bar, workspace
from genediff.errors import InputError


def transfer(
    model: str = typer.Argument(..., help="Id of the trained model (see `models list`).", show_default=False),
    dataset: str = typer.Argument(..., help="Id of the other data set (see `datasets`).", show_default=False),
    orthologs: str = typer.Option(
        "",
        metavar="shipped|FILE",
        help="Where genes are of two species: the shipped table of human and mouse, or a file (two columns with a "
        "header, MGI's HOM_MouseHumanSequence.rpt, Ensembl BioMart, HCOP).",
    ),
    native: str = typer.Option("", metavar="MODEL", help="A model trained on the other data set, as a yardstick."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Write the whole report as JSON."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
    as_json: bool = AS_JSON,
) -> None:
    """Apply a trained model to other cells and measure what is lost, on held-out cells; nothing is trained."""
    from genediff.knowledge.read_orthologs import open_orthologs
    from genediff.model import GeneDiff
    from genediff.transfer import transfer as measure

    place = workspace()
    if output is not None and not output.resolve().parent.is_dir():
        raise InputError(f"There is no folder {output.resolve().parent}; make it first.")
    table = open_orthologs(orthologs) if orthologs else None
    other = place.open_dataset(dataset)
    reader = GeneDiff.load(place.model_folder(model), device=device)
    yardstick = GeneDiff.load(place.model_folder(native), device=device) if native else None
    known = {info.id for info in place.list_datasets()}
    own = place.open_dataset(reader.spec.dataset_id) if reader.spec.dataset_id in known else None
    with progress_bar("Reading the other cells") as report:
        found = measure(reader, other, own=own, orthologs=table, native=yardstick, progress=lambda at: report(at, ""))
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.to_dict())
        return
    typer.echo(found.to_text())
    if output is not None:
        typer.echo(f"Wrote the whole report, with every token, to {output}.")
