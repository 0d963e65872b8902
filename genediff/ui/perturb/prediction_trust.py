"""How far a prediction can be trusted: a verdict on top, and below it what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.perturbation.screen_reader import task_key
from genediff.perturbation.task_config import KINDS
from genediff.perturbation.verdict import Verdict, verdict_of_kind
from genediff.plots import perturbation_plots as plots
from genediff.ui.kit import background, explain, figures, tables
from genediff.ui.perturb import other_measures, task_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.perturbation.baseline_comparison import BaselineComparison
    from genediff.perturbation.change_scores import ChangeScores
    from genediff.perturbation.question import Question
    from genediff.ui.perturb.perturb_data import Result

SCORE = "correlation of predicted and measured change over genes"


def judged(question: Question) -> ChangeScores | None:
    """Return how this kind of prediction did on held-out perturbations; None where nothing can be held out."""
    source = question.source
    task, can_judge = source.judged_on(question)
    if task is None:
        return None

    def make(progress: Callable[[float], None]) -> ChangeScores:
        from genediff.perturbation import BaselinePredictor
        from genediff.perturbation.change_scores import score_changes

        progress(0.02)
        shifts = task_choice.reader().shifts(task)
        models = [source.predictor(task, question.kind)] if can_judge else []
        predictors = [*models, *map(BaselinePredictor, shifts.values())]
        return score_changes(task, predictors, baselines=tuple(shifts), progress=progress)

    found: ChangeScores = background.finished(
        "Predicting held-out perturbations, to see how well this kind of prediction works",
        ("perturb-judged", task_key(task), *(source.key if can_judge else ("baselines",))),
        make,
    )
    return found


def verdict(
    question: Question,
    scores: ChangeScores | None,
    found: Result | None = None,
    others: Sequence[BaselineComparison] | None = None,
) -> None:
    """Write the verdict in the colour of its tone; ``others`` are the measures beside the correlation."""
    one = _of_kind(question, scores, others).beside(found.verdict if found is not None else None)
    text = "\n\n".join(explain.plain(part) for part in one.text.split("\n\n"))
    if one.tone == "good":
        st.success(text, icon=":material/verified:")
    elif one.tone == "bad":
        st.error(text, icon=":material/report:")
    elif one.tone == "neutral":
        st.info(text, icon=":material/balance:")
    else:
        st.warning(text, icon=":material/help:" if one.tone == "unknown" else ":material/balance:")


def _of_kind(question: Question, scores: ChangeScores | None, others: Sequence[BaselineComparison] | None) -> Verdict:
    kind = KINDS[question.kind]
    if scores is None:
        return Verdict("unknown", f"Too few {kind} were measured here to hold some out: how well they can be "
                       "predicted is unknown.")  # fmt: skip
    source = question.source
    if source.is_model and scores.predictor is None:
        best = scores.means[scores.best]
        where = _judged_elsewhere(question)
        text = f"The model's test set holds no {kind}, so there is no held-out test of it. The best simple baseline, "
        return Verdict("unknown", f"{text}{scores.titles[scores.best]}, reaches r = {best:.2f} there.{where}")
    shown = scores.predictor or source.predictor(question.task, question.kind).name
    return verdict_of_kind(scores, question.kind, shown=shown, comparisons=others)


def loses(scores: ChangeScores | None) -> bool:
    """Say whether a baseline is to be shown before the model."""
    return scores is not None and scores.level in ("worse", "same")


def show(question: Question, found: Result, scores: ChangeScores | None) -> Sequence[BaselineComparison] | None:
    """Draw the panel; returns how the predictor compares in other measures, once that is known."""
    others: Sequence[BaselineComparison] | None = None
    with st.container(border=True):
        st.markdown("**How far this can be trusted**")
        lines = [f"**Kind of prediction:** {KINDS[question.kind]}", *_distance(question)]
        lines += [explain.plain(one) for one in question.source.uncertainty(question)]
        st.markdown("\n".join(f"- {line}" for line in lines))
        if found.learnt_from:
            st.markdown(
                ":orange[:material/warning: The measured cells shown were used in fitting], so their agreement with "
                "the prediction says little."
            )
        if scores is not None:
            _table(scores)
            others = other_measures.comparisons(question)
    return others


def _judged_elsewhere(question: Question) -> str:
    """Say in which cells a model that was to predict new cell types can be judged."""
    task = question.task
    held = sorted({group.context for group in task.part("test")})
    if task.config.scheme not in ("context", "batch") or not held:
        return ""
    return f" It can be judged in {', '.join(held)}, held out from its training: choose these cells above."


def _distance(question: Question) -> list[str]:
    """Say of each gene how far it is from what training saw perturbed."""
    from genediff.perturbation.change_scores import nearest

    task, lines = question.task, []
    for gene in question.perturbation.targets:
        name, near = explain.plain(gene), nearest(task, gene)
        if gene in task.seen_parts:
            lines.append(f"**{name}** was perturbed alone in training.")
        elif near is None:
            lines.append(f"**{name}** was never perturbed in training and is not among the modelled genes.")
        else:
            other, similarity, share = near
            far = "far from all" if share < 0.1 else "closer than usual" if share > 0.4 else "less close than usual"
            lines.append(
                f"**{name}** was never perturbed in training; closest training gene by co-expression: "
                f"{explain.plain(other)} (similarity {similarity:.2f}, {far})."
            )
    if not question.perturbation.targets:
        n = len(task.measured(question.perturbation, part="train"))
        lines.append(f"**{explain.plain(question.perturbation.label)}**: {n:,} training cells.")
    return lines


def _row_title(scores: ChangeScores, name: str) -> str:
    if name == scores.predictor:
        return "The model"
    return f"{scores.titles[name]} · best baseline" if name == scores.best else scores.titles[name]


def _table(scores: ChangeScores) -> None:
    cases = scores.cases
    rows = [
        ("Noise-free prediction, at best", cases["attainable"].mean(), 1.0),
        ("Replicate experiment", cases["replicate"].mean(), None),  # its own noise lowers its slope
    ]
    rows += [(_row_title(scores, str(name)), r, scores.slope(str(name))) for name, r in scores.means.items()]
    table = pd.DataFrame(rows, columns=["", "mean r", "size (×)"])
    tables.small(table, formats={"mean r": ".2f", "size (×)": ".1f"})
    explain.how_to_read(
        f"Mean {SCORE}, over {scores.n} held-out cases; perturbed genes are left out. *Size*: measured changes as a "
        "multiple of predicted ones (slope; 1 is right). A replicate is a second experiment with as many cells; it "
        "carries noise of its own, so a good prediction can pass it. Part of any such correlation is shared by all "
        "perturbations: “Mean of perturbed” shows how much."
    )


def cases(scores: ChangeScores | None, *, name: str) -> None:
    """Draw every held-out case, folded away; nothing where there are none."""
    if scores is None:
        return
    wide = scores.wide.join(scores.cases).reset_index()
    one = len(wide) == 1
    folded = st.expander("The held-out case" if one else f"Each of the {len(wide)} held-out cases",
                         key="cases-open", on_change="rerun")  # fmt: skip
    if not folded.open:
        return
    with folded:
        many = wide["context"].nunique() > 1
        pairs = zip(wide["perturbation"], wide["context"], strict=True)
        first, second = [scores.predictor, scores.best] if scores.predictor else list(scores.means.index[:2])
        drawn = wide.assign(perturbation=[f"{p}, {c}" if many else p for p, c in pairs], model=wide[first],
                            baseline=wide[second])  # fmt: skip
        figures.show_figure(
            plots.held_out(drawn, model=scores.titles[first], baseline=scores.titles[second], unit=SCORE),
            how_to_read="One line per held-out case, the largest loss of the circle against the square on top. "
            "Diamond: what noise allows a perfect prediction; it is low where few cells were measured.",
            name=f"{name}-held-out",
            table=scores.table,
        )
