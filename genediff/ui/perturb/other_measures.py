"""Other measures of a prediction than the correlation of its change: folded away, and a clause in the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from genediff.perturbation.screen_reader import task_key
from genediff.ui.kit import background, explain, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.perturbation.baseline_comparison import BaselineComparison
    from genediff.perturbation.question import Question

N_CELLS = 100
TITLES = {
    "e_distance": "Distance of predicted from measured cells (E-distance)",
    "discrimination_score_l1": "Own perturbation nearer than others (discrimination)",
    "weighted_mse": "Error over responding genes (weighted MSE)",
    "pearson_perturbed": "Correlation, shared change removed",
    "de_direction_match": "Direction of responding genes",
    "pr_auc": "Responding genes found (precision-recall area)",
}
NO_RANGE = "no range"
_VERDICTS = {"better": "better", "worse": "worse", "same": "no difference", "unknown": "too few"}


def comparisons(question: Question) -> tuple[BaselineComparison, ...] | None:
    """Return the predictor beside the best baseline of each measure; None until known, or where it cannot be judged."""
    source = question.source
    task, can_judge = source.judged_on(question)
    if task is None or (source.is_model and not can_judge):
        return None  # its own test part is of another kind, so nothing can be said of it

    def make(progress: Callable[[float], None]) -> tuple[BaselineComparison, ...]:
        from genediff.perturbation.baseline_comparison import compare_with_baselines
        from genediff.perturbation.evaluate_predictions import score

        predictor = source.predictor(task, question.kind)
        models = [predictor] if can_judge else []
        scores = score(task, models, n_cells=N_CELLS, progress=lambda share, _: progress(share))
        return compare_with_baselines(scores, predictor.name)

    found: tuple[BaselineComparison, ...] | None = background.soon(
        "Scoring held-out cells by other measures",
        ("perturb-measures", task_key(task), *source.key, question.kind),
        make,
    )
    return found


def show(question: Question, found: Sequence[BaselineComparison] | None) -> None:
    """Draw every measure in a table, folded away."""
    if not found:
        return
    who = "model" if question.source.is_model else "baseline"
    folded = st.expander("Other measures, each against its best baseline", key="measures-open", on_change="rerun")
    if not folded.open:
        return
    with folded:
        table = pd.DataFrame([_row(one, who) for one in found])
        tables.show(
            table,
            "other-measures",
            style=lambda rows: rows.style.map(_colour, subset=["verdict"]).apply(_greyed, axis=1),
            column_config={"measure": st.column_config.TextColumn(width="medium")},
        )
        explain.how_to_read(
            f"Means over {max(one.gain.n for one in found)} held-out cases, predicted cells against measured ones. "
            "*Gain* is paired, with its 95% t interval, and above 0 where the prediction is better (↑ higher, ↓ lower "
            "is better); below six cases there is no interval. *Verdict*: corrected for the number of measures, and "
            "for choosing the best baseline of each on these very cases. *Worse on*: share of cases with harm. "
            "*Replicate*: one half of the measured cells as the prediction of the other; it carries noise of its own. "
            "*Chance*: random predictions. *Of range*: "
            "where the prediction lies between an uninformed one (no change, or the mean of all perturbations: 0%) and "
            "an interpolated duplicate (half of the measured cells, without what noise there is in genes that do not "
            "respond: 100%; more is possible, since these cells are few), with the best baseline in brackets. Grey: "
            + _without_range(found)
        )


def _without_range(found: Sequence[BaselineComparison]) -> str:
    """Say which measures have no range on these data, and why."""
    why: dict[str, list[str]] = {one.no_range: [] for one in found if one.no_range}
    for one in found:
        if one.no_range:
            why[one.no_range].append(TITLES[one.metric].split(" (")[0].lower())
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in why.items()) + "." if why else "none."


def _greyed(row: pd.Series) -> list[str]:
    """Grey a measure that has no range."""
    return ["color: #888" if row["of range"] == NO_RANGE else ""] * len(row)


def _row(one: BaselineComparison, who: str) -> dict[str, str]:
    from genediff.perturbation import BASELINES, METRICS

    arrow = "↑" if METRICS[one.metric].better == "high" else "↓"
    sure = np.isfinite(one.gain.low)
    return {
        "measure": f"{TITLES[one.metric]} {arrow}",
        "verdict": _VERDICTS[one.level],
        "of range": _range(one),
        who: _number(one.value),
        "best baseline": f"{_number(one.best_value)} {BASELINES[one.best].title}",
        "gain": f"{one.gain.mean:+.3f}" + (f" [{one.gain.low:+.3f}, {one.gain.high:+.3f}]" if sure else ""),
        "worse on": f"{one.harm:.0%}",
        "replicate": _number(one.replicate),
        "chance": _number(one.chance),
    }


def _range(one: BaselineComparison) -> str:
    if one.no_range:
        return NO_RANGE
    from genediff.perturbation.score_table import share_in_words

    return f"{share_in_words(one.share)} ({share_in_words(one.best_share)})" if np.isfinite(one.share) else "–"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _colour(verdict: str) -> str:
    return {"better": "color: #009E73; font-weight: 600", "worse": "color: #D55E00; font-weight: 600"}.get(verdict, "")
