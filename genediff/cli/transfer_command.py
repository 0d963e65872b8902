"""The command that applies a trained model to other cells, and reports what is lost."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations

import typer

from genediff.cli.options import AS_JSON, DEVICE, check_output, print_json, progress_bar, workspace


def transfer(
    model: str = typer.Argument(..., help="Id of the trained model (see `models list`).", show_default=False),
    dataset: str = typer.Argument(..., help="Id of the other data set (see `datasets`).", show_default=False),
    orthologs: str = typer.Option(
        "",
        metavar="shipped|FILE",
        help="Where genes are of two species: the shipped table of human and mouse, or a file (two columns with a "
        "header, MGI's HOM_MouseHumanSequence.rpt, Ensembl BioMart, HCOP).",
    ),
    native: str = typer.Option("", metavar="MODEL", help="A model trained on the other data set, for comparison."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Write the whole report as JSON."),
    device: str = DEVICE,
    as_json: bool = AS_JSON,
) -> None:
    """Apply a trained model to other cells and measure what is lost, on held-out cells; nothing is trained."""
    from genediff.inspection.transfer import transfer as measure
    from genediff.knowledge.read_orthologs import open_orthologs
    from genediff.models.load_model import load_model

    place = workspace()
    if output is not None:
        check_output(output)
    table = open_orthologs(orthologs) if orthologs else None
    other = place.open_dataset(dataset)
    reader = load_model(place.model_folder(model), device=device)
    yardstick = load_model(place.model_folder(native), device=device) if native else None
    known = {info.id for info in place.list_datasets()}
    own = place.open_dataset(reader.spec.dataset_id) if reader.spec.dataset_id in known else None
    with progress_bar("Encoding the other cells") as report:
        found = measure(reader, other, own=own, orthologs=table, native=yardstick, progress=lambda at: report(at, ""))
    if output is not None:
        found.save(output)
    if as_json:
        print_json(found.to_dict())
        return
    typer.echo(found.to_text())
    if output is not None:
        typer.echo(f"Wrote the whole report, with every token, to {output}.")
