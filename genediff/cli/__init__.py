"""The command line: the same verbs as the app, without a browser. Heavy imports happen inside the commands."""

from __future__ import annotations

import typer

from genediff import __version__
from genediff.cli.adapt_commands import adapt
from genediff.cli.compare_commands import compare
from genediff.cli.count_commands import deepen, nats
from genediff.cli.data_commands import datasets, doctor, draw_map, export, import_file
from genediff.cli.evaluate_command import evaluate
from genediff.cli.generate_command import generate
from genediff.cli.knowledge_commands import knowledge
from genediff.cli.model_commands import models
from genediff.cli.options import make_group
from genediff.cli.perturb_commands import perturb
from genediff.cli.predict_commands import predict
from genediff.cli.run_commands import profiles, runs
from genediff.cli.serve import app as serve
from genediff.cli.simulate_command import simulate
from genediff.cli.train_command import train
from genediff.cli.transfer_command import transfer


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"genediff {__version__}")
        raise typer.Exit


def genediff(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Train, generate, evaluate and inspect diffusion models of single cells under different tokenizations."""


app = make_group(genediff.__doc__ or "")
app.callback()(genediff)
app.command()(doctor)
app.command("import")(import_file)
app.command("map")(draw_map)
app.command()(datasets)
app.command()(export)
app.command()(simulate)
app.command()(train)
app.command()(adapt)
app.command()(transfer)
app.add_typer(runs, name="runs")
app.command()(profiles)
app.add_typer(models, name="models")
app.add_typer(compare, name="compare")
app.add_typer(perturb, name="perturb")
app.add_typer(knowledge, name="knowledge")
app.command()(generate)
app.command()(predict)
app.command()(evaluate)
app.command()(nats)
app.command()(deepen)
app.command("app")(serve)

__all__ = ["app"]
