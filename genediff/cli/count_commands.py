"""Commands for models in count space: held-out nats, and real cells read deeper."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations

import typer

from genediff.cli.options import AS_JSON, print_json, progress_bar, workspace
from genediff.core.disk_errors import draft
from genediff.core.errors import InputError


def nats(
    model: str = typer.Argument(..., help="Id of a model in count space.", show_default=False),
    data: str | None = typer.Option(None, help="Id of the data set; that of the model unless given."),
    split: str = typer.Option("test", help="Which cells: test or validation."),
    seed: int = typer.Option(0, help="Of the molecules that are read."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
    as_json: bool = AS_JSON,
) -> None:
    """Measure held-out nats per molecule by depth, beside independent genes, sub-clusters and nearest cells."""
    from genediff.evaluation.held_out_nats import held_out_nats
    from genediff.models.load_model import load_model

    if split not in ("test", "validation"):
        raise InputError(f"Cells are taken from 'test' or 'validation', not '{split}'.")
    place = workspace()
    loaded = load_model(place.model_folder(model), device=device)
    dataset = place.open_dataset(data or loaded.spec.dataset_id)
    with progress_bar("Reading") as report:
        found = held_out_nats(loaded, dataset, split=split, seed=seed, progress=report)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.to_text())


def deepen(
    data: str = typer.Argument(..., help="Id of a data set with counts.", show_default=False),
    model: str = typer.Argument(..., help="Id of a model in count space.", show_default=False),
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad to write.", show_default=False),
    library: int = typer.Option(0, min=0, help="Total counts of each cell afterwards; 0: three times its own."),
    split: str = typer.Option("test", help="Which cells: train, validation or test."),
    seed: int = typer.Option(0, help="The same seed reads the same molecules."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
) -> None:
    """Read real cells deeper: what deeper sequencing may have shown, from each cell's own depth on.

    The file holds what was measured as the layer "measured", and the continued cells as X.
    """
    import numpy as np

    from genediff.generation.deepen import deeper_cells
    from genediff.models.load_model import load_model

    if split not in ("train", "validation", "test"):
        raise InputError(f"Cells are taken from 'train', 'validation' or 'test', not '{split}'.")
    if output.suffix != ".h5ad":
        raise InputError(f"Cells are written as .h5ad, not as '{output.name}'.")
    place = workspace()
    loaded, dataset = load_model(place.model_folder(model), device=device), place.open_dataset(data)
    with progress_bar("Reading") as report:
        cells = deeper_cells(
            loaded,
            dataset,
            split=split,
            library=library,
            seed=seed,
            progress=lambda done, every: report(done / every, f"{done:,} of {every:,} cells"),
        )
    with draft(output) as partial:
        cells.write_h5ad(partial)
    before, now = (np.asarray(x.sum(1)).mean() for x in (cells.layers["measured"], cells.X))
    typer.echo(f"Wrote {cells.n_obs:,} cells to {output}: {before:,.0f} counts a cell before, {now:,.0f} now.")
