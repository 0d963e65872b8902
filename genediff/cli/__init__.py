"""The command line: the same verbs as the app, without a browser. Heavy imports happen inside the commands."""

from __future__ import annotations

from genediff.cli.adapt import adapt
from genediff.cli.base import make_group
from genediff.cli.compare import compare
from genediff.cli.data import datasets, doctor, draw_map, import_file
from genediff.cli.evaluate import evaluate
from genediff.cli.generate import generate
from genediff.cli.knowledge import knowledge
from genediff.cli.models import models
from genediff.cli.perturb import perturb
from genediff.cli.predict import predict
from genediff.cli.profiles import profiles
from genediff.cli.runs import runs
from genediff.cli.serve import app as serve
from genediff.cli.simulate import simulate
from genediff.cli.training import train
from genediff.cli.transfer import transfer

app = make_group("See how the way a cell's expression is cut into tokens decides what a diffusion model learns.")
app.command()(doctor)
app.command("import")(import_file)
app.command("map")(draw_map)
app.command()(datasets)
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
app.command("app")(serve)

__all__ = ["app"]
