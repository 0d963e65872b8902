"""Commands for runs: what worker processes do, did, and shall go on with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from genediff.cli.follow import facts, follow, follow_or_leave
from genediff.cli.options import AS_JSON, WAIT, make_group, print_json, print_table, workspace

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
    rows = [(run.id, run.kind, run.name, status.state, _status_line(status)) for run, status in found]
    print_table(("id", "kind", "name", "state", ""), rows, empty="There are no runs yet.")


def _status_line(status: Status) -> str:
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
    wait: bool = WAIT,
) -> None:
    """Go on with a cancelled, failed or lost run from its last checkpoint."""
    found = _find(run)
    found.resume()
    follow_or_leave(found, wait=wait)


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


def profiles(
    example: bool = typer.Option(False, "--example", help="Print an example of a file of profiles."),
    as_json: bool = AS_JSON,
) -> None:
    """List the places where runs can go: this machine, and profiles of a SLURM cluster.

    Example::

        genediff profiles --example
    """
    from genediff.runs.profiles import EXAMPLE, profile_files, read_profiles, to_dict

    if example:
        typer.echo(EXAMPLE, nl=False)
        return
    root = workspace().root
    known = read_profiles(root)
    if as_json:
        print_json({name: {"backend": profile.backend, **to_dict(profile)} for name, profile in known.items()})
        return
    rows = [
        (name, profile.backend, profile.title, profile.partition or "", f"{profile.nodes} x {profile.devices}",
         "" if profile.backend == "local" else str(profile.time))
        for name, profile in known.items()
    ]  # fmt: skip
    print_table(("name", "backend", "title", "partition", "nodes x GPUs", "time limit"), rows, empty="")
    own, here = profile_files(root)
    typer.echo(f"They are read from {here} and from {own}.", err=True)
