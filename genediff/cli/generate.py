"""The command that generates cells."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING

import typer

from genediff.cli.base import pairs, progress_bar, workspace
from genediff.cli.follow import follow
from genediff.cli.profiles import LOCAL, PROFILE
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.runs import GenerateJob


def generate(
    model: str = typer.Argument(..., help="Id of a model (see `models list`).", show_default=False),
    n: int = typer.Option(1000, "-n", "--cells", min=1, help="How many cells."),
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad or .zarr to write.", show_default=False),
    label: str | None = typer.Option(None, help="Of which type; a mix as in the training cells unless given."),
    condition: list[str] = typer.Option(
        [], help="column=level; may be repeated; columns left out are drawn as in the training cells."
    ),
    guidance: float | None = typer.Option(None, help="1: as learned; above: more typical, less varied."),
    steps: int | None = typer.Option(None, help="Steps from noise to cells."),
    sampler: str | None = typer.Option(None, help="euler, heun, ddim or dopri5; the model's own unless given."),
    seed: int = typer.Option(0, help="The same seed gives the same cells."),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps."),
    devices: int = typer.Option(
        1,
        min=1,
        max=1024,
        help="GPUs, or processes, of this machine that draw together.",
    ),
    precision: str = typer.Option("auto", help="Of the network: auto (32 bits), bf16 (faster) or fp32."),
    compiled: bool = typer.Option(
        False, "--compile", help="Compile the network: up to a minute first, then faster steps."
    ),
    profile: str = PROFILE,
    wait: bool = typer.Option(True, "--wait/--detach", help="Wait for the cells, or start a run and leave."),
) -> None:
    """Generate cells with a model and write them to a file: counts, labels, and where they come from.

    More than 20,000 cells, --detach, several --devices and a --profile of a cluster become a run: it needs little
    memory, can be cancelled and resumed, and a sample of its cells is judged.
    """
    from genediff.conditions import LARGE, cells_at_once, draw_conditions
    from genediff.model_info import read_spec

    folder = workspace().model_folder(model)
    spec = read_spec(folder)
    levels = spec.levels
    wanted = dict(pairs(condition, "--condition"))
    if label is not None:
        wanted[_column_of(label, levels)] = label
    if output.suffix not in (".h5ad", ".zarr"):
        raise InputError(f"Cells are written as .h5ad or .zarr, not as '{output.name}'.")
    if not output.resolve().parent.is_dir():
        raise InputError(f"There is no folder {output.resolve().parent}; make it first.")
    from genediff.model import GeneDiff, speed_config

    speed = speed_config(precision=precision, compiled=compiled)
    if n > LARGE or not wait or profile != LOCAL or devices > 1:
        from genediff.runs import GenerateJob

        asked = GenerateJob(
            folder.name, n, wanted, guidance, sampler, steps, seed, device, str(output.resolve()), devices,
            speed.precision, speed.compiled,
        )  # fmt: skip
        _as_run(asked, profile=profile, wait=wait)
        return
    with progress_bar("Generating") as report:
        cells = GeneDiff.load(folder, device=device).generate(
            n,
            conditions=draw_conditions(spec, wanted, n=n, seed=seed),
            guidance=guidance,
            sampler=sampler,
            n_steps=steps,
            seed=seed,
            batch_size=cells_at_once(n),
            precision=speed.precision,
            compiled=speed.compiled,
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} cells"),
        )
        if output.suffix == ".zarr":
            cells.write_zarr(output)
        else:
            cells.write_h5ad(output, compression="gzip")
    typer.echo(f"Wrote {cells.n_obs:,} cells of {cells.n_vars:,} genes to {output}.")


def _as_run(asked: GenerateJob, *, profile: str, wait: bool) -> None:
    from genediff.conditions import check_conditions
    from genediff.model_info import read_spec
    from genediff.runs import submit

    check_conditions(read_spec(workspace().model_folder(asked.model_id)), asked.conditions)
    run = submit(asked, workspace(), profile=profile)
    typer.echo(f"Run {run.id} generates {asked.n:,} cells into {asked.output}.")
    if wait:
        follow(run)
    else:
        typer.echo(f"Watch it: python -m genediff runs watch {run.id}")


def _column_of(label: str, levels: Mapping[str, Sequence[str]]) -> str:
    """Return the one condition that has this level."""
    columns = [column for column, known in levels.items() if label in known]
    if len(columns) == 1:
        return columns[0]
    if columns:
        raise InputError(f"'{label}' is a level of {' and of '.join(columns)}; say --condition {columns[0]}='{label}'.")
    known = "; ".join(f"{column}: {', '.join(names)}" for column, names in levels.items())
    raise InputError(f"This model knows no label '{label}'; it knows {known or 'none at all'}.")
