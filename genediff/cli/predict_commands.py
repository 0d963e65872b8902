"""The command that predicts perturbed cells, and the options that `evaluate` has for them."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Any

import typer

from genediff.cli.options import SEED, progress_bar, workspace
from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.perturbation import Predictor, Scores, Task

COLUMN = typer.Option(None, help="The obs column with perturbations; that of the import unless given.")
CONTROL = typer.Option(None, help="Its level that means untreated; that of the import unless given.")
CONTEXT = typer.Option(None, help="The obs column with cell types (or donors) that answer differently.")
SCHEME = typer.Option(
    None, help="For a baseline: what is held out, cells (usual), unseen_single, doubles, context or batch."
)
N_SEEN = typer.Option(2, min=0, max=2, help="For doubles: how many of a pair's genes were seen alone.")
HOLD_OUT = typer.Option([], help="A perturbation or context for the test; drawn unless given; repeatable.")


def predict(
    source: str = typer.Argument(
        ..., help="Id of a model of perturbations, or a baseline: additive, linear, …", show_default=False
    ),
    data: str | None = typer.Option(None, help="Id of the data set; a model brings its own."),
    output: Path = typer.Option(..., "-o", "--output", help="Start of the .h5ad files to write.", show_default=False),
    perturbation: list[str] = typer.Option(
        [], "-p", "--perturbation", help="A or A+B, measured or not; repeatable; all held-out ones unless given."
    ),
    of: list[str] = typer.Option([], "--of", help="In which cells (a level of --context); repeatable; in all."),
    n: int | None = typer.Option(
        None, "-n", "--cells", min=1, help="Cells of each; one per control cell unless given."
    ),
    column: str | None = COLUMN,
    control: str | None = CONTROL,
    context: str | None = CONTEXT,
    scheme: str | None = SCHEME,
    n_seen: int = N_SEEN,
    hold_out: list[str] = HOLD_OUT,
    seed: int = SEED,
) -> None:
    """Predict perturbed cells from held-out controls; measured ones go into a second file, as cell-eval reads it."""
    from genediff.api.perturb import each_context
    from genediff.perturbation import predict_pair, write_pair

    choices = {"column": column, "control": control, "context": context, "scheme": scheme, "hold_out": tuple(hold_out)}
    task, predictor = find_predictor(source, data, {**choices, "n_seen": n_seen})
    wanted = None
    if unknown := sorted(set(of) - set(task.contexts)):
        raise InputError(f"There are no cells of {unknown[0]!r}; known: {', '.join(task.contexts)}.")
    if perturbation:
        asked = [task.perturbation(label) for label in perturbation]
        wanted = [(one, name) for one in asked for name in of] if of else each_context(task, asked)
    elif of:
        wanted = [(group.perturbation, group.context) for group in task.part("test") if group.context in of]
    with progress_bar("Predicting") as report:
        predicted, real = predict_pair(task, predictor, wanted=wanted, n_cells=n, seed=seed, progress=report)
        written = write_pair(predicted, real, output)
    for note in _unfamiliar(task, [one for one, _ in wanted or ()]):
        typer.echo(note, err=True)
    typer.echo(f"Wrote {', '.join(map(str, written))}.")
    if len(written) > 1:
        typer.echo(f"Evaluate them: python -m genediff evaluate {written[0]} --real {written[1]}")


def find_predictor(source: str, data: str | None, choices: dict[str, Any]) -> tuple[Task, Predictor]:
    """Return what a baseline's name or a model's id stands for, and the task that it was fitted to."""
    from genediff.api import perturb

    return perturb.find_predictor(source, workspace(), data=data, choices=_given(choices))


def judge_pair(predicted: Path, real: Path, *, column: str | None, control: str | None) -> Scores:
    """Judge two h5ad files by each other."""
    from anndata import read_h5ad

    from genediff.perturbation import evaluate_pair

    files = []
    for path in (predicted, real):
        try:
            files.append(read_h5ad(path))
        except (OSError, KeyError) as error:
            raise InputError(f"The file {path} cannot be read as h5ad: {error}.") from None
    return evaluate_pair(files[0], files[1], column=column, control=control)


def judge_predictor(
    source: str,
    data: str | None,
    choices: dict[str, Any],
    *,
    seeds: Sequence[int],
    progress: Callable[[float, str], None],
) -> Scores:
    """Judge a model of perturbations, or all baselines, by the held-out cells."""
    from genediff.perturbation import BaselinePredictor, score

    task, predictor = find_predictor(source, data, choices)
    models = [] if isinstance(predictor, BaselinePredictor) else [predictor]
    return score(task, models, seeds=seeds, progress=progress)


def _given(choices: dict[str, Any]) -> dict[str, Any]:
    """Return the choices that say something; how many were seen is asked for pairs alone."""
    given = {name: value for name, value in choices.items() if value not in (None, ())}
    if given.get("scheme") != "doubles":
        given.pop("n_seen", None)
    return given


def _unfamiliar(task: Task, asked: Sequence[Any]) -> list[str]:
    present = set(task.genes)
    return [
        f"{gene} was never perturbed alone in training{'' if gene in present else ', and is none of the genes'}."
        for gene in dict.fromkeys(part for one in asked for part in one.parts)
        if gene not in task.seen_parts
    ]
