"""Commands that compare strategies: same data, same training budget, same evaluation."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads it at run time
from typing import TYPE_CHECKING

import typer

from genediff.cli.follow import follow
from genediff.cli.options import (
    AS_JSON,
    DATASET,
    DEVICE,
    NAME,
    PROFILE,
    WAIT,
    check_output,
    duration,
    make_group,
    print_json,
    print_table,
    progress_bar,
    workspace,
)
from genediff.core.errors import InputError
from genediff.core.json_files import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.comparison.comparison_store import Comparison
    from genediff.comparison.comparison_table import Row

compare = make_group("Compare tokenizations under one budget, and show the results.")
COMPARISON = typer.Argument(..., help="Id of a comparison, or enough of its start.", show_default=False)
SHOWN = (
    "reconstruction_r", "c2st_pcs", "c2st_genes", "w2_debiased", "correlation_error", "recall", "tstr_f1",
    "n_parameters", "train_seconds", "peak_memory_gb", "cells_per_second",
)  # fmt: skip


@compare.command()
def run(
    dataset: str = DATASET,
    rows: list[str] = typer.Option(
        [],
        "--row",
        "-r",
        help="A row: a strategy, with its space (latent:gene), its shuffled control (pathway:shuffled) or an option of "
        "its own (latent:n_tokens=16); repeatable. Every strategy unless given.",
    ),
    tokens: str = typer.Option(
        "", help="Sweep the number of latent tokens instead of rows, such as --tokens 2,4,8,16,32."
    ),
    controls: bool = typer.Option(False, "--controls", help="Add the shuffled control of every row that has one."),
    preset: str = typer.Option("quick", help="quick, standard, large: what each strategy starts from."),
    steps: int | None = typer.Option(None, help="Budget: training steps of each model, both stages together."),
    minutes: float | None = typer.Option(None, help="Budget: minutes of training of each model on this machine."),
    seeds: int = typer.Option(3, min=1, max=100, help="How many seeds; spreads are taken over them."),
    condition: list[str] = typer.Option(
        [], help="Column of obs that generation is conditioned on; the label unless given; repeatable."
    ),
    name: str = NAME,
    device: str = DEVICE,
    profile: str = PROFILE,
    wait: bool = WAIT,
) -> None:
    """Train and evaluate every row at every seed.

    A budget in minutes is turned into steps by timing each strategy on this machine, so every run can be repeated.

    Examples::

        genediff compare run pbmc3k --minutes 5 --controls

        genediff compare run pbmc3k -r latent -r pathway -r pathway:shuffled -r mlp --steps 3000 --seeds 3

        genediff compare run pbmc3k --tokens 2,4,8,16,32 --steps 3000
    """
    from genediff.comparison.config import read_config
    from genediff.comparison.start_comparison import begin

    place = workspace()
    has_counts = place.open_dataset(dataset).info.has_counts
    content = {
        "name": name,
        "dataset_id": dataset,
        "entries": _entries(rows, tokens, controls, has_counts=has_counts),
        "preset": preset,
        "seeds": list(range(seeds)),
        "steps": steps,
        "minutes": minutes,
        "conditions": condition or None,
        "device": device,
    }
    config = read_config(content)
    with progress_bar("Timing") as report:
        comparison = begin(config, place, profile=profile, progress=report)
    n = len(comparison.order)
    typer.echo(f"Comparison {comparison.id}: {len(comparison.rows)} rows x {seeds} seeds, {config.budget}.", err=wait)
    if not wait:
        typer.echo(f"See it fill: python -m genediff compare show {comparison.id}")
        return
    series = comparison.series
    assert series is not None
    typer.echo(f"{n} models to train; close the terminal to leave them alone, Ctrl-C stops them.", err=True)
    try:
        follow(series)
    finally:
        _print(comparison)


@compare.command("list")
def list_all(as_json: bool = AS_JSON) -> None:
    """List comparisons, your own first, newest on top."""
    from genediff.comparison.comparison_store import list_comparisons

    found = list_comparisons(workspace())
    if as_json:
        print_json([_facts(comparison) for comparison in found])
        return
    lines = [[str(value) for value in _facts(comparison).values()] for comparison in found]
    columns = ("id", "name", "data set", "rows", "seeds", "budget", "state")
    print_table(columns, lines, empty="There are no comparisons yet: python -m genediff compare run DATASET")


@compare.command()
def show(
    comparison: str = COMPARISON,
    output: Path | None = typer.Option(None, "-o", "--output", help="Write the whole table to a .csv or .json file."),
    as_json: bool = AS_JSON,
) -> None:
    """Show the results of a comparison, as far as it has come.

    Example::

        genediff compare show 20260101 -o leaderboard.csv
    """
    from genediff.comparison.comparison_store import find_comparison
    from genediff.comparison.comparison_table import to_dict, to_frame

    found = find_comparison(workspace(), comparison)
    if output is not None:
        check_output(output, ".csv", ".json")
    rows = _rows(found)
    content = {**_facts(found), "config": found.config.model_dump(mode="json"), "rows": to_dict(rows)}
    if output is not None:
        if output.suffix.lower() == ".csv":
            write_text(output, to_frame(rows).to_csv(index=False))
        else:
            write_json(output, content)
        typer.echo(f"Wrote {output}.", err=True)
    if as_json:
        print_json(content)
    else:
        _print(found)


@compare.command()
def cancel(comparison: str = COMPARISON) -> None:
    """Stop a comparison; finished models and checkpoints stay."""
    from genediff.comparison.comparison_store import find_comparison

    found = find_comparison(workspace(), comparison)
    found.cancel(wait=60)
    typer.echo(f"{found.id} is {_state(found)}.")


@compare.command()
def resume(
    comparison: str = COMPARISON,
    wait: bool = WAIT,
) -> None:
    """Go on with the models of a comparison that did not finish."""
    from genediff.comparison.comparison_store import find_comparison

    found = find_comparison(workspace(), comparison)
    found.resume()
    series = found.series
    if wait and series is not None:
        try:
            follow(series)
        finally:
            _print(found)
    else:
        typer.echo(f"See it fill: python -m genediff compare show {found.id}")


def _entries(rows: Sequence[str], tokens: str, controls: bool, *, has_counts: bool) -> list[dict[str, object]]:
    from genediff.comparison.comparison_plan import with_baselines
    from genediff.comparison.config import Entry, read_entry, token_sweep
    from genediff.tokenizers import TOKENIZERS

    if tokens:
        if rows:
            raise InputError("Give --tokens or --row, not both: a sweep is a comparison of its own.")
        try:
            values = tuple(int(part) for part in tokens.split(","))
        except ValueError:
            raise InputError(f"--tokens takes whole numbers such as 2,4,8,16,32, not '{tokens}'.") from None
        return [entry.model_dump() for entry in token_sweep("latent", values)]
    entries = [read_entry(text) for text in rows] or list(
        with_baselines([Entry(strategy=name) for name in TOKENIZERS], has_counts=has_counts)
    )
    if controls:
        needy = [e for e in entries if e.strategy in TOKENIZERS and TOKENIZERS[e.strategy].needs and not e.shuffled]
        entries += [control for e in needy if (control := e.model_copy(update={"shuffled": True})) not in entries]
    return [entry.model_dump() for entry in entries]


def _facts(comparison: Comparison) -> dict[str, object]:
    return {
        "id": comparison.id,
        "name": comparison.title,
        "data set": comparison.dataset_name,
        "rows": len(comparison.rows),
        "seeds": len(comparison.config.seeds),
        "budget": comparison.config.budget,
        "state": _state(comparison),
    }


def _state(comparison: Comparison) -> str:
    from genediff.comparison.comparison_store import seconds_left

    if comparison.shipped:
        return f"shipped, {comparison.created[:10]}, {comparison.machine}"
    series = comparison.series
    if series is None:
        return "its runs are gone"
    status = series.status
    if status.has_ended:
        return status.state
    return (
        f"{status.state}, {status.step or 0} of {len(comparison.order)} done, {duration(seconds_left(comparison))} left"
    )


def _rows(comparison: Comparison) -> tuple[Row, ...]:
    from genediff.comparison.comparison_results import read_results
    from genediff.comparison.comparison_table import leaderboard

    results = read_results(comparison, workspace())
    return leaderboard(comparison.rows, results, n_seeds=len(comparison.config.seeds))


def _print(comparison: Comparison) -> None:
    from genediff.comparison.table_metrics import FIGURES

    rows = _rows(comparison)
    typer.echo(
        f"{comparison.title}: {comparison.config.budget}, {len(comparison.config.seeds)} seeds, "
        f"{comparison.machine}, {comparison.created[:10]} ({_state(comparison)})"
    )
    shown = [name for name in SHOWN if any(name in row.cells for row in rows)]
    lines = [
        [row.title, f"{len(row.models)}/{row.n_planned}" if row.place is not None else ""]
        + [row.cells[name].text(FIGURES[name]) if name in row.cells else "–" for name in shown]
        for row in rows
    ]
    headings = ["row", "seeds", *(FIGURES[name].heading for name in shown)]
    print_table(headings, lines, empty="There are no rows.")
    for row in rows:
        if row.verdict is not None:
            typer.echo(f"{row.title}: {row.verdict.sentence}")
