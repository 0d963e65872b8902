"""Commands for cells: look at a file, import it, list what there is."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING

import typer

from genediff.cli.follow import start
from genediff.cli.options import (
    AS_JSON,
    DATASET,
    LOCAL,
    PROFILE,
    WAIT,
    check_output,
    pairs,
    print_json,
    print_table,
    progress_bar,
    workspace,
)

if TYPE_CHECKING:
    from genediff.data.importing.read_table import Rows

FILE = typer.Argument(
    ...,
    help="A file of cells: .h5ad, .zarr, 10x .h5, .loom, or a table (.csv, .tsv, .gct, also .gz).",
    show_default=False,
)
ROWS = typer.Option(None, help="What the rows of a table are, cells or genes, where its names do not tell.")


def _rows(text: str | None) -> Rows | None:
    if text not in (None, "cells", "genes"):
        raise typer.BadParameter("cells or genes", param_hint="--rows")
    return text  # type: ignore[return-value]


def doctor(file: Path = FILE, rows: str | None = ROWS, as_json: bool = AS_JSON) -> None:
    """Report what a file of cells holds and what is wrong with it. Nothing is imported."""
    from genediff.data import diagnose

    with progress_bar("Looking at the file") as report:
        found = diagnose(file, rows=_rows(rows), progress=report)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.to_text())
    if not found.usable:
        raise typer.Exit(1)


def import_file(
    file: Path = FILE,
    label: str | None = typer.Option(None, help="Column of obs with the cell types."),
    condition: list[str] = typer.Option(
        [], help="A further column that models may be conditioned on; may be repeated."
    ),
    batch: str | None = typer.Option(None, help="Column of obs with the batch or sample."),
    perturbation: str | None = typer.Option(None, help="Column of obs with knock-outs, drugs or other treatments."),
    control: str | None = typer.Option(None, help="Control (untreated) level of the perturbation column."),
    recipe: str | None = typer.Option(
        None, help="How perturbations are read: a recipe's file (.json), or the name of one that ships."
    ),
    name: str = typer.Option("", help="What the data set is called; the file's name unless given."),
    genes: int = typer.Option(2000, help="How many of the most variable genes are kept for models."),
    keep_targets: bool = typer.Option(True, help="Always include perturbed (target) genes."),
    exclude: list[str] = typer.Option([], help="column=level of cells to leave out; may be repeated."),
    split_column: str | None = typer.Option(None, help="Column of obs with the split: train, validation, test."),
    min_genes: int = typer.Option(0, help="Cells with fewer genes than this are left out."),
    target_sum: float = typer.Option(
        10_000, min=0, help="Counts per cell after normalising; 0 for the median of the training cells."
    ),
    seed: int = typer.Option(0, help="Seed of the split and of the UMAP."),
    umap: bool = typer.Option(True, help="Compute the UMAP last; the command `map` does it later."),
    rows: str | None = ROWS,
    round_counts: bool = typer.Option(False, help="Round corrected counts with decimals (SoupX, CellBender)."),
    propose: bool = typer.Option(True, help="Take the columns that doctor proposes where none are given."),
    profile: str = PROFILE,
    wait: bool = WAIT,
    as_json: bool = AS_JSON,
) -> None:
    """Import a file of cells as a data set: counts, chosen genes, splits, PCA and UMAP."""
    from genediff.data import ImportConfig, diagnose, import_cells, require_usable
    from genediff.data.importing.recipe import find_recipe
    from genediff.runs.kinds.import_run import ImportJob

    excluded: dict[str, tuple[str, ...]] = {}
    for column, level in pairs(exclude, "--exclude"):
        excluded[column] = (*excluded.get(column, ()), level)
    found = diagnose(file, rows=_rows(rows))
    require_usable(found)
    given = {"label": label, "batch": batch, "perturbation": perturbation, "control": control}
    columns: dict[str, object] = {**given, "split_column": split_column}
    if recipe is not None:
        roles = find_recipe(recipe).roles(column.name for column in found.columns)
        condition = condition or list(roles.pop("conditions"))
        columns |= {role: columns.get(role) or value for role, value in roles.items()}
    elif propose and not any(columns.values()) and not condition:
        proposed = found.propose_config()
        columns = {column: getattr(proposed, column) for column in (*columns, "recipe")}
        named = ", ".join(f"{column} {value!r}" for column, value in columns.items() if value and column != "recipe")
        typer.echo(f"Columns as doctor proposes: {named or 'none'} (--no-propose to do without).", err=True)
    config = ImportConfig.parse(
        {
            **columns,
            "name": name,
            "conditions": tuple(condition),
            "n_genes": genes,
            "keep_targets": keep_targets,
            "exclude_levels": excluded,
            "min_genes_per_cell": min_genes,
            "target_sum": target_sum or None,
            "seed": seed,
            "umap": umap,
            "round_counts": round_counts,
            "table_rows": _rows(rows),
        }
    )
    if profile != LOCAL or not wait:
        start(ImportJob.of(file, config), profile=profile, wait=wait)
        return
    with progress_bar("Importing") as report:
        info = import_cells(file, config, workspace().datasets, progress=report).info
    if as_json:
        print_json({"id": info.id, "name": info.name, "n_cells": info.n_cells, "n_genes": info.n_genes})
        return
    sizes = ", ".join(f"{n:,} {split}" for split, n in info.split_sizes.items())
    typer.echo(f"Imported '{info.name}': {info.n_cells:,} cells ({sizes}), {info.n_genes:,} genes.")
    for note in info.notes:
        typer.echo(f"- {note}")
    typer.echo(f"Train a model on it: python -m genediff train {info.id}")


def draw_map(dataset: str = typer.Argument(..., help="Id of a data set that has no map.", show_default=False)) -> None:
    """Compute the UMAP of a data set that was imported without one."""
    from genediff.data.importing.umap_drawing import draw_umap

    found = workspace().open_dataset(dataset)
    if found.info.has_umap:
        typer.echo(f"'{found.info.name}' has its map already.")
        return
    with progress_bar("Drawing the map") as report:
        draw_umap(found, progress=report)
    typer.echo(f"The map of '{found.info.name}' is drawn.")


def datasets(as_json: bool = AS_JSON) -> None:
    """List the data sets: those that ship with GeneDiff and your own."""
    found = workspace().list_datasets()
    if as_json:
        keys = (
            "id",
            "name",
            "n_cells",
            "n_genes",
            "has_counts",
            "species",
            "label",
            "conditions",
            "shipped",
            "created",
        )
        print_json([{key: getattr(info, key) for key in keys} for info in found])
        return
    rows = [
        (info.id, info.name, f"{info.n_cells:,}", f"{info.n_genes:,}", info.label, "shipped" if info.shipped else "own")
        for info in found
    ]
    columns = ("id", "name", "cells", "genes", "label", "")
    print_table(columns, rows, empty="There are no data sets yet: python -m genediff import FILE")


def export(
    dataset: str = DATASET,
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad to write.", show_default=False),
) -> None:
    """Write a data set as h5ad: the chosen genes, obs with the split, PCA and UMAP; in blocks, whatever its size."""
    from genediff.generation.write_h5ad import write_dataset

    check_output(output, ".h5ad")
    found = workspace().open_dataset(dataset)
    write_dataset(output, found)
    typer.echo(f"Wrote {found.info.n_cells:,} cells of {found.info.n_genes:,} genes to {output}.")
