"""Commands for cells: look at a file, import it, list what there is."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations

import typer

from genediff.cli.base import AS_JSON, pairs, print_json, print_table, progress_bar, workspace

FILE = typer.Argument(
    ..., help="A file of cells: .h5ad, 10x .h5, or a table (.csv, .tsv, also .gz).", show_default=False
)


def doctor(file: Path = FILE, as_json: bool = AS_JSON) -> None:
    """Say in plain words what a file of cells holds and what is wrong with it. Nothing is imported."""
    from genediff.data import diagnose

    with progress_bar("Looking at the file") as report:
        found = diagnose(file, progress=report)
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
    control: str | None = typer.Option(None, help="The level of the perturbation column that means untreated."),
    name: str = typer.Option("", help="What the data set is called; the file's name unless given."),
    genes: int = typer.Option(2000, help="How many of the most variable genes are kept for models."),
    keep_targets: bool = typer.Option(True, help="Keep the genes that perturbations act on, where the file has them."),
    exclude: list[str] = typer.Option([], help="column=level of cells to leave out; may be repeated."),
    split_column: str | None = typer.Option(None, help="Column of obs that says train, validation, test."),
    min_genes: int = typer.Option(0, help="Cells with fewer genes than this are left out."),
    target_sum: float = typer.Option(
        10_000, min=0, help="Counts per cell after normalising; 0 for the median of the training cells."
    ),
    seed: int = typer.Option(0, help="Decides which cell is for training, and the UMAP."),
    umap: bool = typer.Option(True, help="Draw the UMAP when all else is done; the command `map` draws it later."),
    propose: bool = typer.Option(True, help="Take the columns that doctor proposes where none are given."),
    as_json: bool = AS_JSON,
) -> None:
    """Import a file of cells as a data set: counts, chosen genes, splits, PCA and UMAP."""
    from genediff.data import ImportConfig, diagnose, import_cells, require_usable

    excluded: dict[str, tuple[str, ...]] = {}
    for column, level in pairs(exclude, "--exclude"):
        excluded[column] = (*excluded.get(column, ()), level)
    found = diagnose(file)
    require_usable(found)
    given = {"label": label, "batch": batch, "perturbation": perturbation, "control": control}
    columns: dict[str, object] = {**given, "split_column": split_column}
    if propose and not any(columns.values()) and not condition:
        proposed = found.propose_config()
        columns = {column: getattr(proposed, column) for column in columns}
        named = ", ".join(f"{column} {value!r}" for column, value in columns.items() if value)
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
        }
    )
    with progress_bar("Importing") as report:
        info = import_cells(file, config, workspace(), progress=report).info
    if as_json:
        print_json({"id": info.id, "name": info.name, "n_cells": info.n_cells, "n_genes": info.n_genes})
        return
    sizes = ", ".join(f"{n:,} {split}" for split, n in info.split_sizes.items())
    typer.echo(f"Imported '{info.name}': {info.n_cells:,} cells ({sizes}), {info.n_genes:,} genes.")
    for note in info.notes:
        typer.echo(f"- {note}")
    typer.echo(f"Train a model on it: python -m genediff train {info.id}")


def draw_map(dataset: str = typer.Argument(..., help="Id of a data set that has no map.", show_default=False)) -> None:
    """Draw the map (UMAP) of a data set that was imported without one, or whose import was cancelled at it."""
    from genediff.data.umap_drawing import draw_umap

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
