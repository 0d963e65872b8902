"""Other measures of a prediction than the correlation of its change: folded away, and a clause in the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from genediff.ui import background, explain, perturb_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from genediff.perturbation.standing import Standing
    from genediff.ui.perturb_question import Question

N_CELLS = 100
WORDS = {
    "e_distance": "Distance of predicted from measured cells (E-distance)",
    "discrimination_score_l1": "Nearer to its own than to other perturbations (discrimination)",
    "weighted_mse": "Error over the genes that respond (weighted squared error)",
    "pearson_perturbed": "Correlation without what all perturbations share",
    "de_direction_match": "Responding genes that move the right way",
    "pr_auc": "Responding genes found (precision-recall area)",
}
_IN_WORDS = {
    "e_distance": "the distance of its cells from measured ones",
    "discrimination_score_l1": "telling perturbations apart",
    "weighted_mse": "the genes that respond",
    "pearson_perturbed": "what is particular to a perturbation",
    "de_direction_match": "the direction of responding genes",
    "pr_auc": "which genes respond",
}


def standings(question: Question) -> tuple[Standing, ...] | None:
    """Return where the predictor stands in each measure; None until that is known, or where nothing can be judged."""
    source = question.source
    task, can_judge = source.judged_on(question)
    if task is None:
        return None

    def make(progress: Callable[[float], None]) -> tuple[Standing, ...]:
        from genediff.perturbation.evaluate import score
        from genediff.perturbation.standing import standings as of

        predictor: Any = source.predictor(task, question.kind) if can_judge else None
        scores = score(
            task,
            [predictor] if predictor is not None else [],
            n_cells=N_CELLS,
            progress=lambda share, _: progress(share),
        )
        return tuple(of(scores, predictor.name if can_judge else source.shown_name(question.task, question.kind)))

    who = source.key if can_judge or not source.is_model else ("baselines",)
    if source.is_model and not can_judge:
        return None  # its own test part is of another kind, so nothing can be said of it
    found: tuple[Standing, ...] | None = background.soon(
        "Judging held-out cells by other measures, too",
        ("perturb-measures", perturb_task.key(task), *who, question.kind),
        make,
    )
    return found


def clause(found: Sequence[Standing] | None) -> str:
    """Say in which measures a predictor is surely better or worse than the best baseline of each."""
    if not found:
        return ""
    better, worse = ([_IN_WORDS[one.metric] for one in found if one.level == level] for level in ("better", "worse"))
    said = []
    if better:
        said.append(f"surely better in {_listed(better)}")
    if worse:
        said.append(f"surely worse in {_listed(worse)}")
    if not said:
        return " By other measures it is neither surely better nor surely worse than the best baseline of each."
    return f" By other measures it is {' but '.join(said)}, each against the baseline that is best there."


def any_worse(found: Sequence[Standing] | None) -> bool:
    """Say whether a baseline is surely better in some measure."""
    return any(one.level == "worse" for one in found or ())


def show(question: Question, found: Sequence[Standing] | None) -> None:
    """Draw every measure in a table, folded away."""
    if not found:
        return
    who = "model" if question.source.is_model else "baseline"
    with st.expander("By other measures, each beside its best baseline"):
        table = _table(found, who)
        st.dataframe(
            table.style.map(_colour, subset=["verdict"]), hide_index=True,
            column_config={"measure": st.column_config.TextColumn(width="medium")},
        )  # fmt: skip
        explain.how_to_read(
            f"Means over {found[0].n} held-out cases, predicted cells against measured ones. *Gain* is paired, with "
            "its 90% interval, and above 0 where it is better, whichever way the measure runs (↑ higher, ↓ lower is "
            "better). *Worse on*: the share of cases on which it does harm. The best baseline of each measure is found "
            "on these very cases, in its favour. The ceiling is one half of the measured cells judged by the other, "
            "so a good prediction may pass it. With few cases intervals are wide, and of several measures one may "
            "stand out by chance."
        )


def _table(found: Sequence[Standing], who: str) -> pd.DataFrame:
    import pandas as pd

    from genediff.perturbation import BASELINES, METRICS

    rows = []
    for one in found:
        arrow = "↑" if METRICS[one.metric].better == "high" else "↓"
        sure = np.isfinite([one.low, one.high]).all()
        rows.append(
            {
                "measure": f"{WORDS[one.metric]} {arrow}",
                "verdict": {"better": "better", "worse": "worse", "same": "no difference"}.get(one.level, "too few"),
                who: _number(one.value),
                "best baseline": f"{_number(one.best_value)} {BASELINES[one.best].title}",
                "gain": f"{one.gain:+.3f}" + (f" [{one.low:+.3f}, {one.high:+.3f}]" if sure else ""),
                "worse on": f"{one.harm:.0%}",
                "ceiling": _number(one.ceiling),
            }
        )
    return pd.DataFrame(rows)


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _colour(verdict: str) -> str:
    return {"better": "color: #009E73; font-weight: 600", "worse": "color: #D55E00; font-weight: 600"}.get(verdict, "")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
