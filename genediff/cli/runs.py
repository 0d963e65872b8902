"""Commands for runs: what worker processes do, did, and shall go on with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from genediff.cli.base import AS_JSON, make_group, print_json, print_table, workspace
from genediff.cli.follow import facts, follow

if TYPE_CHECKING:
    from genediff.runs import Run, Status

runs = make_group("List, watch, cancel and resume runs.")
RUN = typer.Argument(..., help="Id of a run, or enough of its start.", show_default=False)


def _find(run_id: str) -> Run:
    from genediff.runs import find_run

    return find_run(workspace(), run_id)


@runs.command("list")
def list_all(as_json: bool = AS_JSON) -> None:
    """List all runs, the newest first."""
    from genediff.runs import list_runs

    found = [(run, run.status) for run in list_runs(workspace())]
    if as_json:
        print_json(
            [
                {
                    "id": run.id,
                    "kind": run.kind,
                    "name": run.name,
                    "created": run.created,
                    **asdict(status),
                    **run.result,
                }
                for run, status in found
            ]
        )
        return
    rows = [(run.id, run.kind, run.name, status.state, _says(status)) for run, status in found]
    print_table(("id", "kind", "name", "state", ""), rows, empty="There are no runs yet.")


def _says(status: Status) -> str:
    return status.message if status.state != "running" else facts(status)


@runs.command()
def watch(run: str = RUN) -> None:
    """Watch a run to its end. Ctrl-C cancels it; close the terminal to leave it alone."""
    follow(_find(run))


@runs.command()
def log(run: str = RUN, lines: int = typer.Option(200, "-n", "--lines", help="How many of the last lines.")) -> None:
    """Show what a run's worker printed."""
    found = _find(run)
    status = found.status
    typer.echo(f"{found.id} is {status.state}. {status.message}", err=True)
    typer.echo(found.log_tail(lines))
    for title, text in found.backend_logs(lines).items():
        typer.echo(f"--- {title}\n{text}")


@runs.command()
def cancel(run: str = RUN) -> None:
    """Stop a run; it leaves a checkpoint. Asked again after ten seconds, it is ended by force."""
    found = _find(run)
    status = found.cancel(wait=10)
    typer.echo(f"{found.id} is {status.state}. {status.message}")


@runs.command()
def resume(
    run: str = RUN,
    wait: bool = typer.Option(True, "--wait/--detach", help="Watch it to its end, or start it and leave."),
) -> None:
    """Go on with a cancelled, failed or lost run from its last checkpoint."""
    found = _find(run)
    found.resume()
    if wait:
        follow(found)
    else:
        typer.echo(f"Watch it: python -m genediff runs watch {found.id}")


@runs.command()
def keep(run: str = RUN) -> None:
    """Put the model of a stopped training into the library as it is."""
    typer.echo(f"The model is in the library: {_find(run).keep()}")


@runs.command()
def delete(run: str = RUN) -> None:
    """Remove a run's folder; a model that it has put into the library stays."""
    found = _find(run)
    found.delete()
    typer.echo(f"Deleted {found.id}.")
