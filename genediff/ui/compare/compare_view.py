"""One comparison on the page: where it stands, its leaderboard as it fills, what each row may claim, its pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import seconds_left
from genediff.comparison.comparison_table import leaderboard, takeaway, to_dict, to_frame
from genediff.comparison.nats_by_depth import nats_curves
from genediff.comparison.strategy_profile import find_sweep, heights
from genediff.comparison.table_metrics import FIGURES, MAIN
from genediff.core.errors import InputError
from genediff.evaluation import ROW_TITLES
from genediff.plots import comparison_plots as plots
from genediff.training.reproduction import compare_command
from genediff.ui.compare import compare_choice, results_table
from genediff.ui.kit import caching, explain, figures, layout, reproduction_bundle
from genediff.ui.kit.downloads import download, to_csv
from genediff.ui.run_views import run_actions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.comparison.comparison_store import Comparison
    from genediff.comparison.comparison_table import Row
from genediff.comparison.strategy_profile import Sweep

_LEVELS = {
    "kept": (":green", ":material/check_circle:"),
    "partly": (":orange", ":material/contrast:"),
    "broken": (":red", ":material/cancel:"),
    "open": (":gray", ":material/help:"),
}


def show(comparison: Comparison) -> None:
    """Draw a comparison; while it goes on, what changes is redrawn every two seconds."""
    _heading(comparison)
    if problem := st.session_state.pop("cmp_problem", None):
        st.error(problem)
    going_on = comparison.is_going_on
    if going_on:
        st.html(run_actions.QUIET)
    if not comparison.shipped:
        st.fragment(_progress, run_every="2s" if going_on else None)(comparison, _n_results(comparison), going_on)
    rows = rows_of(comparison)
    filled = [row for row in rows if row.cells]
    if not filled:
        st.info("The first rows appear here when their models are trained and evaluated.")
        _verdicts(rows)
        return
    st.markdown(f"**{takeaway(filled)}**")
    _nats(comparison)
    shown = results_table.show(rows)
    _downloads(comparison, rows)
    st.subheader("What each tokenization claims, and whether it holds", anchor=False)
    _verdicts(shown)
    sweep = find_sweep(rows)
    if sweep is not None:
        _sweep(sweep, rows)
    _parallel(shown)


def rows_of(comparison: Comparison) -> tuple[Row, ...]:
    """Return the leaderboard as it stands."""
    results = read_results(comparison, caching.workspace())
    return leaderboard(comparison.rows, results, n_seeds=len(comparison.config.seeds))


def _nats(comparison: Comparison) -> None:
    curves = nats_curves(comparison.rows, read_results(comparison, caching.workspace()))
    if not curves:
        return
    st.subheader("What each tokenization adds, by depth", anchor=False)
    figures.show_figure(
        plots.with_intervals(
            curves,
            x_title="molecules read of a cell",
            y_title="gain over independent genes<br>(thousandths of a nat per molecule)",
        ),
        how_to_read="Held-out cells are read molecule by molecule; a row above 0 predicts the next molecule better "
        "than independent genes do, on the same molecules. Bars: 95 % intervals of paired differences over cells, the "
        "outer ends over seeds. Dashed: the shuffled control; dotted grey: closed forms without tokens, the mixture of "
        "sub-clusters and the same recalibrated gene by gene, where every row starts. Count space only: other spaces "
        "give no likelihood of counts.",
        name="nats-by-depth",
    )


def _n_results(comparison: Comparison) -> int:
    return len(read_results(comparison, caching.workspace()).results)


def _heading(comparison: Comparison) -> None:
    config = comparison.config
    left, right = st.columns([0.7, 0.3], vertical_alignment="center")
    with left, st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(comparison.title, anchor=False, width="content")
        if comparison.shipped:
            st.badge(caching.workspace().origin(comparison.folder), color="green")
        elif (series := comparison.series) is not None:
            run_actions.badge(series.status.state)
    with right, st.container(horizontal=True, horizontal_alignment="right"):
        _actions(comparison)
    n = len(config.seeds)
    st.caption(
        f"{explain.plain(comparison.dataset_name)} · {config.budget} · {n} seed{'s' if n > 1 else ''} · "
        f"{comparison.machine} · {comparison.created[:10]}".replace("-", "\u2011")  # a date is not broken
    )


def _actions(comparison: Comparison) -> None:
    if comparison.shipped:
        return
    if comparison.is_going_on:
        st.button("Stop all", icon=":material/stop:", key="cmp_cancel", on_click=_tell, args=(comparison.cancel,))
        return
    series = comparison.series
    if series is not None and series.status.state != "finished":
        st.button(
            "Go on", icon=":material/play_arrow:", type="primary", key="cmp_resume", on_click=_tell,
            args=(comparison.resume,),
        )  # fmt: skip
    compare_choice.library().delete_button(comparison.id, comparison.title)


def _progress(comparison: Comparison, n_results: int, going_on: bool) -> None:
    if comparison.is_going_on != going_on or (going_on and _n_results(comparison) != n_results):
        st.rerun()  # the whole page: a row has changed
    series = comparison.series
    if series is None:
        st.caption("The runs of this comparison are no longer here; its table is kept.")
        return
    status = series.status
    if status.has_ended:
        if status.state != "finished":
            st.warning(status.message)
        return
    n = len(comparison.order)
    done = sum(run.status.has_ended for run in comparison.runs().values())
    st.progress(done / n, text=f"{done} of {n} models · about {run_actions.duration(seconds_left(comparison))} left")
    for run in comparison.runs().values():
        now = run.status
        if not now.has_ended:
            step = "" if now.step is None else f" · {now.stage} {now.step:,} of {now.total or 0:,}"
            with st.container(horizontal=True, vertical_alignment="center"):
                run_actions.badge(now.state)
                layout.link("train", run.name, run=run.id)
                st.caption(step.removeprefix(" · "))


def _verdicts(rows: Sequence[Row]) -> None:
    with st.container(gap="xsmall"):
        for row in rows:
            if row.verdict is not None:
                colour, icon = _LEVELS[row.verdict.level]
                st.markdown(f"{colour}[{icon}] **{explain.plain(row.title)}** {row.verdict.sentence}")


def _downloads(comparison: Comparison, rows: Sequence[Row]) -> None:
    def as_json() -> bytes:
        content = {
            "id": comparison.id,
            "created": comparison.created,
            "machine": comparison.machine,
            "config": comparison.config.model_dump(mode="json"),
            "rows": to_dict(rows),
        }
        return json.dumps(content, indent=1).encode()

    with st.container(horizontal=True):
        download("Table (CSV)", lambda: to_csv(to_frame(rows)), f"{comparison.id}.csv", key="cmp-csv", narrow=True)
        download("Table and configuration (JSON)", as_json, f"{comparison.id}.json", key="cmp-json", narrow=True)
        _reproduce(comparison)


def _reproduce(comparison: Comparison) -> None:
    config = comparison.config
    command = compare_command(
        config.dataset_id,
        [entry.key for entry in config.entries],
        preset=config.preset,
        seeds=config.seeds,
        steps=config.steps,
        minutes=config.minutes,
        conditions=config.conditions,
    )
    known = {info.id: info for info in caching.workspace().list_datasets()}
    reproduction_bundle.bundle_button(
        "Compare: leaderboard",
        dataset=known.get(config.dataset_id),
        settings={"comparison": comparison.id, **config.model_dump(mode="json")},
        command=command,
        sentence=f"{len(comparison.rows)} rows were trained and judged on held-out cells under one budget "
        f"({config.budget}) at the seeds {', '.join(map(str, config.seeds))}",
    )


def _parallel(rows: Sequence[Row]) -> None:
    controls = any(row.kind == "control" for row in rows)
    st.subheader("Every row across the main figures", anchor=False)
    with_controls = controls and st.toggle("Draw the controls too", key="cmp_draw_controls", bind="query-params")
    drawn = [row for row in rows if row.cells and (row.kind in ("strategy", "floor") or with_controls)]
    names = [name for name in ("reconstruction_r", *MAIN) if sum(name in row.cells for row in drawn) > 1]
    if len(drawn) < 2 or not names:
        st.caption("There is one row only, and nothing to draw beside it.")
        return
    control = [row for row in rows if row.title == ROW_TITLES["permuted"]]
    places = {name: heights([*drawn, *control], name) for name in names}
    lines = [
        plots.Line(
            row.title,
            tuple(places[name][row.title][0] if row.title in places[name] else None for name in names),
            tuple(places[name][row.title][1] if row.title in places[name] else 0.0 for name in names),
            tuple(row.cells[name].text(FIGURES[name]) if name in row.cells else "–" for name in names),
            quiet=row.place is None,
        )
        for row in drawn
    ]
    figures.show_figure(
        plots.parallel([FIGURES[name].title for name in names], lines),
        how_to_read="Each column is a figure on its own range: from permuted genes (bottom) to real vs. real cells "
        "(top), or from the worst row to the best where these are not known, so a line that runs high is good "
        "throughout; dotted grey lines are real vs. real cells, bars the spread over "
        "seeds; a click on a name hides its line. How large the differences are it does not show: read the table.",
        name="comparison",
        table=lambda: to_frame(drawn),
    )


def _sweep(found: Sweep, rows: Sequence[Row]) -> None:
    st.subheader("How many tokens are enough?" if found.option == "n_tokens" else "The sweep", anchor=False)
    floor = next((row for row in rows if row.kind == "floor"), None)
    flat = next((row for row in rows if row.strategy == "mlp" and row.cells), None)
    curves = []
    for name in ("reconstruction_r", *MAIN):
        points = [(x, row.cells[name]) for x, row in zip(found.values, found.rows, strict=True) if name in row.cells]
        if points:
            curves.append(
                plots.Curve(
                    FIGURES[name].heading,
                    tuple(x for x, _ in points),
                    tuple(cell.mean for _, cell in points),
                    tuple(cell.spread or 0.0 for _, cell in points),
                    floor.cells[name].mean if floor is not None and name in floor.cells else None,
                    flat.cells[name].mean if flat is not None and name in flat.cells else None,
                )
            )
    if not curves:
        return
    option = "tokens" if found.option == "n_tokens" else found.option.replace("_", " ")
    figures.show_figure(
        plots.sweep(curves, x_title=option),
        how_to_read=f"{found.title}: mean and spread over seeds against the number of {option}. Where the curve is "
        "flat within its bars, more are not needed at this budget; a longer training may move that point. Green: real "
        "vs. real cells; grey: the MLP.",
        name="sweep",
    )


def _tell(act: Callable[[], object]) -> None:
    try:
        act()
    except InputError as error:
        st.session_state["cmp_problem"] = str(error)
