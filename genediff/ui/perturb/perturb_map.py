"""Predicted cells among real ones: control, predicted and measured on one map, with the mean shift of each group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.plots import perturbation_plots as plots
from genediff.ui.kit import figures, theme
from genediff.ui.perturb import perturb_data

if TYPE_CHECKING:
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.question import Question
    from genediff.perturbation.question_result import Result

MOST_GROUND = 20_000  # grey cells beneath; more only slow the browser


def show(question: Question, found: Result, shown: Joined, *, name: str) -> None:
    """Draw the map.

    Parameters
    ----------
    shown
        Whose cells are drawn: the predictor's, or the baseline's where it is to be trusted more.
    name
        Stem of downloaded files.
    """
    dataset = question.task.dataset
    ground = _some(perturb_data.real_map(dataset))
    clouds = _clouds(question, found, shown, perturb_data.map_of(question, shown))
    axes = plots.UMAP_AXES if dataset.info.has_umap else plots.PC_AXES
    figures.show_figure(
        plots.shift_map(ground, clouds, axes=axes, height=540, dark=theme.is_dark()),
        how_to_read=_words(question, found, clouds),
        name=f"{name}-map",
        table=lambda: _points(clouds),
        publication=lambda: plots.shift_map_on_paper(ground, clouds, axes=axes),
    )


def _clouds(question: Question, found: Result, shown: Joined, xy: np.ndarray) -> list[plots.Cloud]:
    everything, contexts = perturb_data.real_map(question.task.dataset), _types(question)
    rows = question.rows
    clouds = [
        plots.Cloud(plots.CONTROL, everything[rows], contexts[rows]),
        plots.Cloud(plots.PREDICTED, xy, contexts[shown.source]),
    ]
    if len(found.measured_rows):
        rows = found.measured_rows
        clouds.append(plots.Cloud(plots.MEASURED, everything[rows], contexts[rows]))
    return clouds


def _types(question: Question) -> np.ndarray:
    """Return the cell type of each cell, (cell,): one arrow for all types would start between their islands."""
    dataset = question.task.dataset
    label = dataset.info.label
    if label is None or label == question.task.config.column:
        return question.contexts
    return dataset.obs[label].astype(str).to_numpy(dtype=object)


def _words(question: Question, found: Result, clouds: list[plots.Cloud]) -> str:
    many = len(np.unique(clouds[0].groups)) > 1
    measured = (
        " Where the orange arrow follows the green one, the prediction moves cells as the perturbation did."
        if len(found.measured_rows)
        else " These cells were never measured with this perturbation, so nothing here can confirm the arrows."
    )
    each = "cell type" if many else "group"
    where = (
        "A UMAP has no distances across empty space, so no arrow crosses any. Predicted cells lie between their "
        "nearest measured ones"
        if question.task.dataset.info.has_umap
        else "Two components show a part only"
    )
    return (
        f"Arrows lead from the middle of the control cells of a {each} to the middle of its predicted (orange) or "
        f"measured (green) cells; a shift too short to show a direction has none.{measured} {where}: small shifts of "
        "many genes can vanish here, so read the genes below."
    )


def _points(clouds: list[plots.Cloud]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"kind": one.kind, "group": one.groups, "map_1": one.xy[:, 0], "map_2": one.xy[:, 1]})
        for one in clouds
    ]
    return pd.concat(parts, ignore_index=True)


def _some(xy: np.ndarray) -> np.ndarray:
    if len(xy) <= MOST_GROUND:
        return xy
    return xy[np.sort(np.random.default_rng(0).choice(len(xy), MOST_GROUND, replace=False))]
