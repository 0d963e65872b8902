"""How far a prediction can be trusted: a verdict on top, and below it what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from genediff.plots import perturbation as plots
from genediff.ui import background, explain, figures, perturb_measures, perturb_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.perturbation.held_out import Judged
    from genediff.perturbation.standing import Standing
    from genediff.ui.perturb_data import Answer
    from genediff.ui.perturb_question import Question

SCORE = "correlation of predicted and measured change over genes"


def judged(question: Question) -> tuple[Judged | None, str]:
    """Return how this kind of prediction did on held-out perturbations, and why there is nothing to say where not."""
    source = question.source
    task, can_judge = source.judged_on(question)
    if task is None:
        return None, (
            f"These data hold too few {perturb_task.KINDS[question.kind]} to hold some out, so nothing says how well "
            "this kind of prediction works here."
        )

    def make(progress: Callable[[float], None]) -> Judged:
        from genediff.perturbation import fit_baselines
        from genediff.perturbation.held_out import judge

        progress(0.02)
        predictor = source.predictor(task, question.kind) if can_judge else None
        return judge(task, fit_baselines(task), predictor, progress=progress)

    found: Judged = background.finished(
        "Predicting held-out perturbations, to see how well this kind of prediction works",
        ("perturb-judged", perturb_task.key(task), *(source.key if can_judge else ("baselines",))),
        make,
    )
    return found, ""


def verdict(question: Question, found: Judged | None, why: str, others: Sequence[Standing] | None = None) -> None:
    """Write the verdict in words, in the colour of its level; ``others`` are the measures beside the correlation."""
    if found is None:
        st.warning(why, icon=":material/help:")
        return
    n, kind = len(found.table), perturb_task.KINDS[question.kind]
    on = f"On {n} held-out case{'' if n == 1 else 's'} ({kind})"
    best = found.titles[found.best]
    ceiling = float(found.table["ceiling"].mean())
    more = perturb_measures.clause(others)
    if not question.source.is_model:
        _verdict_of_baseline(question, found, on, ceiling)
        return
    if "predictor" not in found.table:
        st.warning(
            f"The model's own test part holds no {kind}, so nothing held out says whether it beats a baseline "
            f"here. {on} "
            f"the best baseline, {best.lower()}, reached r = {found.means[found.best]:.2f} (ceiling {ceiling:.2f})."
            f"{_judged_elsewhere(question)}",
            icon=":material/help:",
        )
        return
    gain, low, high = found.gain()
    if low == high == 0:
        st.info(
            f"{on} the model's predictions are those of the simple baseline {best.lower()} (r = "
            f"{found.means[found.best]:.2f}; ceiling {ceiling:.2f}): it found nothing beyond it that was sure.{more}",
            icon=":material/balance:",
        )
        return
    figures_ = f"r = {found.means['predictor']:.2f} against {found.means[found.best]:.2f}; ceiling {ceiling:.2f}"
    interval = f"gain {gain:+.3f}, 95% interval {low:+.3f} to {high:+.3f}"
    better_elsewhere = any(one.level == "better" for one in others or ())
    if found.level == "better":
        text = (
            f"{on} the model was better than the best simple baseline, {best.lower()} ({figures_}; {interval}). It did "
            f"worse on {_share(found.harm)} of them.{more}"
        )
        if perturb_measures.any_worse(others):
            st.warning(text, icon=":material/balance:")
        else:
            st.success(text, icon=":material/verified:")
    elif found.level == "worse":
        st.error(
            f"{on} the model was worse than a simple baseline, {best.lower()} ({figures_}): use the baseline. It is "
            f"shown first below.{more}",
            icon=":material/report:",
        )
    elif found.level == "same":
        advice = (
            "the baseline is shown first below" if better_elsewhere else "use the baseline. It is shown first below"
        )
        st.warning(
            f"{on} the model was no better than a simple baseline, {best.lower()} ({figures_}; {interval}): {advice}."
            f"{more}",
            icon=":material/balance:",
        )
    else:
        st.warning(
            f"Only {n} {'case' if n == 1 else 'cases'} could be held out: too few to say whether the model beats "
            f"{best.lower()}. There it reached {figures_}.",
            icon=":material/help:",
        )


def loses(found: Judged | None) -> bool:
    """Say whether a baseline is to be shown before the model."""
    return found is not None and found.level in ("worse", "same")


def show(question: Question, answer: Answer, found: Judged | None) -> Sequence[Standing] | None:
    """Draw the confidence panel; returns where the predictor stands in other measures, once that is known."""
    others: Sequence[Standing] | None = None
    with st.container(border=True):
        st.markdown("**How far this can be trusted**")
        st.markdown(
            "\n".join(
                [_kind(question), *_distance(question), *(f"- {one}" for one in question.source.doubts(question))]
            )
        )
        if answer.learnt_from:
            st.markdown(
                ":orange[:material/warning: The measured cells that are shown were used in fitting], so their "
                "agreement "
                "with the prediction says little."
            )
        if found is not None:
            _table(found)
            others = perturb_measures.standings(question)
    return others


def _verdict_of_baseline(question: Question, found: Judged, on: str, ceiling: float) -> None:
    name = question.source.shown_name(question.task, question.kind)
    title, score = found.titles.get(name, name), float(found.means[name])
    best = found.best
    text = (
        f"{on} “{title}” reached r = {score:.2f} with the measured change; a second sample of measured cells "
        f"would reach {ceiling:.2f}."
    )
    if best != name and found.means[best] > score + 0.01:
        st.warning(
            f"{text} “{found.titles[best]}” did better there (r = {found.means[best]:.2f}).", icon=":material/balance:"
        )
    elif score < 0.2:
        st.error(f"{text} That is close to nothing, and no baseline did better.", icon=":material/report:")
    elif score < 0.5 * ceiling:
        st.warning(f"{text} No baseline did better; much of the response is missed.", icon=":material/balance:")
    else:
        st.success(f"{text} No baseline did better.", icon=":material/verified:")


def _judged_elsewhere(question: Question) -> str:
    """Say in which cells a model that was to predict new cell types can be judged."""
    task = question.task
    held = sorted({group.context for group in task.part("test")})
    if task.config.scheme not in ("context", "batch") or not held:
        return ""
    return (
        f" It can be judged in {explain.plain(', '.join(held))}, held out from its training: choose these cells above."
    )


def _share(share: float) -> str:
    return "none" if share == 0 else f"{share:.0%}"


def _kind(question: Question) -> str:
    return f"- **Kind of prediction:** {perturb_task.KINDS[question.kind]}"


def _distance(question: Question) -> list[str]:
    """Say of each gene how far it is from what training saw perturbed."""
    from genediff.perturbation.held_out import nearest

    task, said = question.task, []
    for gene in question.perturbation.targets:
        name = explain.plain(gene)
        near = nearest(task, gene)
        if gene in task.seen_parts:
            said.append(f"- **{name}** was perturbed alone in training: nothing is carried over from other genes.")
        elif near is None:
            said.append(f"- **{name}** has no place among the trained genes: it is none of the modelled genes.")
        else:
            other, alike, share = near
            far = (
                "far from all" if share < 0.1 else "as near as they are to each other" if share > 0.4 else "rather far"
            )
            said.append(
                f"- **{name}** was never perturbed in training. The trained gene that varies most like it is "
                f"{explain.plain(other)} (similarity {alike:.2f}; {share:.0%} of trained genes have none as near): "
                f"{far}."
            )
    if not question.perturbation.targets:
        n = len(question.task.measured(question.perturbation, part="train"))
        said.append(f"- **{explain.plain(question.perturbation.label)}**: {n:,} cells with it were learnt from.")
    return said


def _row_title(found: Judged, name: str) -> str:
    if name == "predictor":
        return "The model"
    return f"{found.titles[name]} · best baseline" if name == found.best else found.titles[name]


def _table(found: Judged) -> None:
    import pandas as pd

    means = found.means
    rows = [{"": "split-half ceiling", "mean r": float(found.table["ceiling"].mean()), "held out": len(found.table)}]
    rows += [
        {
            "": _row_title(found, str(name)),
            "mean r": float(value),
            "held out": len(found.table),
        }
        for name, value in means.items()
    ]
    st.dataframe(
        pd.DataFrame(rows).drop(columns="held out"),
        hide_index=True,
        column_config={
            "mean r": st.column_config.ProgressColumn("mean r", format="%.2f", min_value=0.0, max_value=1.0)
        },
    )
    explain.how_to_read(
        f"Mean {SCORE}, over held-out perturbations; perturbed genes themselves are left out. Higher is better; "
        "the ceiling "
        "is what a second measurement of as many cells would reach (from two halves, brought to full size). A part "
        "of any such correlation comes from what all "
        "perturbations share: “Mean of perturbed” shows how much."
    )


def cases(found: Judged | None, *, name: str) -> None:
    """Draw every held-out case, folded away; nothing where there are none."""
    if found is not None:
        with st.expander(
            "The held-out case" if len(found.table) == 1 else f"Each of the {len(found.table)} held-out cases"
        ):
            _cases(found, name=name)


def _cases(found: Judged, *, name: str) -> None:
    table = found.table
    many = table["context"].nunique() > 1
    label = [f"{p}, {c}" if many else p for p, c in zip(table["perturbation"], table["context"], strict=True)]
    columns = ["predictor", found.best] if "predictor" in table else [found.means.index[0], found.means.index[1]]
    drawn = table.assign(perturbation=label, model=table[columns[0]], baseline=table[columns[1]])
    figures.show_figure(
        plots.held_out(drawn, model=found.titles[columns[0]], baseline=found.titles[columns[1]], unit=SCORE),
        how_to_read="One line per held-out case, the largest loss of the circle against the square on top. Cases "
        "with few "
        "cells have a low ceiling (diamond): nothing could do well there.",
        name=f"{name}-held-out",
        table=table,
    )
