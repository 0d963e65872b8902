"""The command that simulates cells from a known network and known pathways."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations

import typer

from genediff.cli.options import check_output
from genediff.core.disk_errors import draft


def simulate(
    output: Path = typer.Option(..., "-o", "--output", help="The .h5ad to write.", show_default=False),
    n: int = typer.Option(2000, "-n", "--cells", min=1, help="How many cells."),
    genes: int = typer.Option(300, min=10, help="How many genes, regulators among them."),
    regulators: int = typer.Option(24, min=4, help="How many of the genes regulate others."),
    types: int = typer.Option(4, min=1, help="How many cell types."),
    pathways: int = typer.Option(8, min=0, help="How many pathways (sets of co-varying genes)."),
    knock_outs: int = typer.Option(0, min=0, help="How many regulators are knocked out, each in cells of its own."),
    doubles: int = typer.Option(0, min=0, help="How many pairs of them together; the first two are not additive."),
    depth: float = typer.Option(600, min=1, help="Median library size of a control cell."),
    seed: int = typer.Option(0, min=0, help="The same seed gives the same network and the same cells."),
    world: int | None = typer.Option(None, min=0, help="Seed of network, pathways and types; --seed unless given."),
) -> None:
    """Simulate cells from a known network and known pathways, and write them with the truth as h5ad."""
    check_output(output, ".h5ad")
    from genediff.data.simulation.simulate import Noise, perturbation_plan
    from genediff.data.simulation.simulate import simulate as draw_cells
    from genediff.data.simulation.truth_draw import TruthConfig, draw_truth

    config = TruthConfig(n_genes=genes, n_regulators=regulators, n_types=types, n_pathways=pathways)
    truth = draw_truth(config, seed=seed if world is None else world)
    plan = perturbation_plan(truth, n_singles=knock_outs, n_doubles=doubles, seed=seed)
    cells = draw_cells(truth, n_cells=n, perturbations=plan, noise=Noise(depth=depth), seed=seed)
    with draft(output) as partial:
        cells.write_h5ad(partial, compression="gzip")
    typer.echo(
        f"Wrote {cells.n_obs:,} cells of {cells.n_vars:,} genes to {output}: {types} types, {len(truth.edges):,} "
        f"edges, {pathways} pathways, {len(plan):,} perturbations; what was planted is in uns['simulation']."
    )
    command = f"python -m genediff import {output} --label cell_type --genes {genes}"
    typer.echo(f"Import it: {command}{' --perturbation perturbation --control control' if plan else ''}")
