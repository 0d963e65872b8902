"""The command that generates cells."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING

import typer

from genediff.cli.base import pairs, progress_bar, workspace
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def generate(
    model: str = typer.Argument(..., help="Id of a model (see `models list`).", show_default=False),
    n: int = typer.Option(1000, "-n", "--cells", min=1, help="How many cells."),
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad to write.", show_default=False),
    label: str | None = typer.Option(None, help="Of which type; a mix as in the training cells unless given."),
    condition: list[str] = typer.Option(
        [], help="column=level; may be repeated; columns left out are drawn as in the training cells."
    ),
    guidance: float | None = typer.Option(None, help="1: as learned; above: more typical, less varied."),
    steps: int | None = typer.Option(None, help="Steps from noise to cells."),
    sampler: str | None = typer.Option(None, help="euler, heun, ddim or dopri5; the model's own unless given."),
    seed: int = typer.Option(0, help="The same seed gives the same cells."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
) -> None:
    """Generate cells with a model and write them as h5ad: counts, labels, and where they come from."""
    from genediff.conditions import cells_at_once, draw_conditions
    from genediff.model_info import read_spec

    folder = workspace().model_folder(model)
    spec = read_spec(folder)
    levels = spec.levels
    wanted = dict(pairs(condition, "--condition"))
    if label is not None:
        wanted[_column_of(label, levels)] = label
    if output.suffix.lower() != ".h5ad":
        raise InputError(f"Cells are written as an .h5ad file, not as '{output.name}'.")
    if not output.resolve().parent.is_dir():
        raise InputError(f"There is no folder {output.resolve().parent}; make it first.")
    from genediff.model import GeneDiff

    with progress_bar("Generating") as report:
        cells = GeneDiff.load(folder, device=device).generate(
            n,
            conditions=draw_conditions(spec, wanted, n=n, seed=seed),
            guidance=guidance,
            sampler=sampler,
            n_steps=steps,
            seed=seed,
            batch_size=cells_at_once(n),
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} cells"),
        )
        cells.write_h5ad(output, compression="gzip")
    typer.echo(f"Wrote {cells.n_obs:,} cells of {cells.n_vars:,} genes to {output}.")


def _column_of(label: str, levels: Mapping[str, Sequence[str]]) -> str:
    """Return the one condition that has this level."""
    columns = [column for column, known in levels.items() if label in known]
    if len(columns) == 1:
        return columns[0]
    if columns:
        raise InputError(f"'{label}' is a level of {' and of '.join(columns)}; say --condition {columns[0]}='{label}'.")
    known = "; ".join(f"{column}: {', '.join(names)}" for column, names in levels.items())
    raise InputError(f"This model knows no label '{label}'; it knows {known or 'none at all'}.")
