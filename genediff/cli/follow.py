"""Watch a run from the terminal until it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from genediff.cli.options import INTERRUPTED, LOCAL, duration, workspace

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from genediff.runs import Run, Status

LOOK = 0.25
"""Seconds between two looks."""


def start(config: Any, *, profile: str = LOCAL, wait: bool) -> None:
    """Submit a run, say its id, and follow it where asked; without that, say how to."""
    from genediff.runs import submit

    run = submit(config, workspace(), profile=profile)
    typer.echo(f"Run {run.id}: {run.name}.", err=wait)
    follow_or_leave(run, wait=wait)


def follow_or_leave(run: Run, *, wait: bool) -> None:
    """Follow a run to its end, or say how to."""
    if wait:
        follow(run)
    else:
        typer.echo(f"Follow it: python -m genediff runs watch {run.id}")


def follow(run: Run) -> None:
    """Show a run's progress until it ends; Ctrl-C cancels it. Exits with 1 when it failed, 130 when cancelled."""
    try:
        status = _watch(run)
    except KeyboardInterrupt:
        typer.echo("Stopping; a checkpoint is being written.", err=True)
        status = run.cancel(wait=30)
        if not status.has_ended:
            typer.echo(f"It has not stopped yet. To end it by force: python -m genediff runs cancel {run.id}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    _close(run, status)


def facts(status: Status) -> str:
    """Say where a run stands in one line."""
    parts = [status.stage or "", "" if status.step is None else f"{status.step:,} of {status.total or 0:,}"]
    if status.loss is not None:
        parts.append(f"loss {status.loss:.4g}")
    if status.validation is not None:
        parts.append(f"held out {status.validation:.4g}")
    if status.cells_per_second is not None:
        parts.append(f"{status.cells_per_second:,.0f} cells/s")
    if status.seconds_left is not None:
        parts.append(f"{duration(status.seconds_left)} left")
    return " · ".join(part for part in parts if part)


def _watch(run: Run) -> Status:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        return _until_ended(run, bar, console)


def _until_ended(run: Run, bar: Progress, console: Console) -> Status:
    task = bar.add_task("starting", total=None)
    said: tuple[str | None, str] = (None, "")
    while not (status := run.status).has_ended:
        bar.update(task, total=status.total, completed=status.step or 0, description=facts(status) or status.message)
        if (status.stage, status.message) != said:
            said = (status.stage, status.message)
            if line := " · ".join(part for part in said if part):
                console.print(line, highlight=False, markup=False)
        time.sleep(LOOK)
    return status


def _close(run: Run, status: Status) -> None:
    took = f" after {duration(status.ended - status.started)}" if status.started and status.ended else ""
    typer.echo(f"{status.state.capitalize()}{took}. {status.message}", err=status.state != "finished")
    if status.state == "finished":
        if model := run.result.get("model_id"):
            typer.echo(f"Generate cells with it: python -m genediff generate {model} -n 1000 -o cells.h5ad")
        if file := run.result.get("file"):
            typer.echo(f"The cells: {file}")
        if response := run.result.get("response_id"):
            typer.echo(f"Its card: python -m genediff perturb show {response}")
        return
    typer.echo(f"Resume it: python -m genediff runs resume {run.id}", err=True)
    raise typer.Exit(INTERRUPTED if status.state == "cancelled" else 1)
