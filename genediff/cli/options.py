"""What all commands share: expected failures in one sentence, tables, progress bars, the workspace."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import Cancelled, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from genediff.workspace import Workspace

INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, as shells have it."""

LOCAL = "local"

AS_JSON = typer.Option(False, "--json", help="Write JSON instead of a table.")
DATASET = typer.Argument(..., help="Id of a data set (see `datasets`).", show_default=False)
MODEL = typer.Argument(..., help="Id of a model (see `models list`).", show_default=False)
NAME = typer.Option("", help="A name to find it by.")
SEED = typer.Option(0, min=0, help="The same seed gives the same result.")
DEVICE = typer.Option("auto", help="auto, cpu, cuda, cuda:0 or mps.")
PROFILE = typer.Option(LOCAL, help="Where it runs: local, or a profile of a cluster (see `profiles`).")
WAIT = typer.Option(
    True, "--wait/--detach", help="Follow the run to its end (Ctrl-C cancels it), or start it and leave."
)


class Commands(TyperGroup):
    """Commands whose expected failures are one sentence on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            with disk_errors():
                return super().invoke(ctx)
        except InputError as problem:
            typer.echo(str(problem), err=True)
            raise typer.Exit(1) from None
        except (Cancelled, KeyboardInterrupt) as stop:
            typer.echo(str(stop) or "Cancelled.", err=True)
            raise typer.Exit(INTERRUPTED) from None


def make_group(help_text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=Commands, help=help_text, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


def workspace() -> Workspace:
    """Return the user's workspace."""
    from genediff.workspace import Workspace

    return Workspace()


def check_output(path: Path, *suffixes: str) -> None:
    """Raise an InputError when a file cannot be written there, or is not named as one of these kinds."""
    if suffixes and path.suffix.lower() not in suffixes:
        raise InputError(f"The output is written as {' or '.join(suffixes)}, not as '{path.name}'.")
    if not path.resolve().parent.is_dir():
        raise InputError(f"There is no folder {path.resolve().parent}; make it first.")


def print_json(content: object) -> None:
    """Write plain values to stdout."""
    typer.echo(json.dumps(content, indent=1, default=str, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Write a table to stdout, or the sentence `empty` when it has no rows."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.echo(empty)
        return
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text("–" if cell is None else str(cell)) for cell in row))
    # A pipe has no width: lines are then as long as they need to be, so that ids stay whole.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def duration(seconds: float | None) -> str:
    """Write seconds as people say them: "40 s", "3 min 20 s", "2 h 5 min"."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Show a bar on stderr (nothing in a pipe); yields what to call with a share from 0 to 1 and a message."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=1.0)

        def report(share: float, message: str = "") -> None:
            bar.update(task, completed=share, description=f"{title}: {message}" if message else title)

        yield report


def pairs(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    """Split values of the form column=level."""
    split = [text.partition("=") for text in given]
    if wrong := [column for column, equals, level in split if not (column and equals and level)]:
        raise InputError(f"{option} takes column=level, such as {option} cell_type='B cell', not '{wrong[0]}'.")
    return [(column, level) for column, _, level in split]
