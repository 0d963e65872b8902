"""The command that shows where runs can go."""

from __future__ import annotations

import typer

from genediff.cli.base import AS_JSON, print_json, print_table, workspace

LOCAL = "local"
PROFILE = typer.Option(LOCAL, help="Where it runs: local, or a profile of a cluster (see `profiles`).")


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
