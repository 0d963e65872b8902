"""The command that generates cells."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations

import typer

from genediff.cli.follow import start
from genediff.cli.options import DEVICE, LOCAL, MODEL, PROFILE, SEED, WAIT, check_output, pairs, progress_bar, workspace
from genediff.core.disk_errors import draft


def generate(
    model: str = MODEL,
    n: int = typer.Option(1000, "-n", "--cells", min=1, help="How many cells."),
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad or .zarr to write.", show_default=False),
    label: str | None = typer.Option(None, help="Of which type; a mix as in the training cells unless given."),
    condition: list[str] = typer.Option(
        [], help="column=level; may be repeated; columns left out are drawn as in the training cells."
    ),
    guidance: float | None = typer.Option(
        None, help="Weight of the condition. 1: as learned; above: more typical, less varied."
    ),
    steps: int | None = typer.Option(None, help="Number of denoising steps."),
    sampler: str | None = typer.Option(None, help="euler, heun, ddim, ancestral or dopri5; the model's own."),
    seed: int = SEED,
    device: str = DEVICE,
    devices: int = typer.Option(
        1,
        min=1,
        max=1024,
        help="GPUs, or processes, of this machine that share the cells.",
    ),
    precision: str = typer.Option("auto", help="Of the network: auto (32 bits), bf16 (faster) or fp32."),
    compiled: bool = typer.Option(
        False, "--compile", help="Compile the network: up to a minute first, then faster steps."
    ),
    profile: str = PROFILE,
    wait: bool = WAIT,
) -> None:
    """Generate cells with a model and write counts, conditions and provenance to a file.

    More than 20,000 cells, --detach, several --devices and a --profile of a cluster become a run: it needs little
    memory, can be cancelled and resumed, and a sample of its cells is evaluated.
    """
    from genediff.models.conditions import LARGE, column_of
    from genediff.models.model_info import read_spec

    folder = workspace().model_folder(model)
    spec = read_spec(folder)
    wanted = dict(pairs(condition, "--condition"))
    if label is not None:
        wanted[column_of(label, spec.levels)] = label
    check_output(output, ".h5ad", ".zarr")
    from genediff.models.generate_request import GenerateRequest

    asked = GenerateRequest(folder.name, n, wanted, guidance, sampler, steps, seed, precision, compiled)
    asked.check(spec)
    if n > LARGE or not wait or profile != LOCAL or devices > 1:
        from genediff.runs import GenerateJob

        job = GenerateJob(**vars(asked), device=device, output=str(output.resolve()), devices=devices)
        start(job, profile=profile, wait=wait)
        return
    from genediff.models.load_model import load_model

    with progress_bar("Generating") as report:
        cells = asked.draw(
            load_model(folder, device=device),
            progress=lambda done, total: report(done / total, f"{done:,} of {total:,} cells"),
        )
        with draft(output) as partial:
            if output.suffix == ".zarr":
                cells.write_zarr(partial)
            else:
                cells.write_h5ad(partial, compression="gzip")
    typer.echo(f"Wrote {cells.n_obs:,} cells of {cells.n_vars:,} genes to {output}.")
