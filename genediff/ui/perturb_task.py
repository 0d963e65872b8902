"""A data set read as perturbations, for the Perturb page: opened once, kept by its choices, and the words for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from genediff.errors import InputError
from genediff.ui import caching

if TYPE_CHECKING:
    from genediff.data import Dataset, DatasetInfo
    from genediff.data.targets import Perturbation
    from genediff.perturbation import Shift, Task, TaskConfig

KINDS = {
    "cells": "new cells of perturbations that training saw",
    "unseen_single": "genes that training never saw perturbed",
    "doubles": "pairs that training never saw together",
    "context": "perturbations in a cell type where training did not see them",
    "batch": "a donor or batch that training did not see perturbed",
}
MODES = {"knock_out": "knock-out", "knock_down": "knock-down", "activation": "activation", "treatment": "treatment"}


def screens() -> list[DatasetInfo]:
    """Return the data sets with a perturbation column, in the order of the workspace."""
    return [info for info in caching.workspace().list_datasets() if info.perturbation is not None]


def opened(dataset: Dataset, config: TaskConfig | None = None, **choices: Any) -> Task:
    """Return a data set read and divided, kept for the next look.

    Raises
    ------
    InputError
        When it cannot be read or divided so.
    """
    from genediff.perturbation import TaskConfig as Config

    config = Config.model_validate({**(config.model_dump() if config else {}), **choices})
    info = dataset.info
    return _task(str(caching.workspace().root), info.id, info.content_hash, config.model_dump_json())


def usual(dataset: Dataset, **choices: Any) -> Task:
    """Return a data set read with its cell types as contexts; without them where these have too few control cells."""
    try:
        return opened(dataset, context=_context(dataset.info), **choices)
    except InputError:
        return opened(dataset, context=None, **choices)


def asked_of(task: Task, perturbation: Perturbation) -> str:
    """Return the kind of prediction that a perturbation is, given all measured ones: a key of ``KINDS``.

    A pair is a pair whether it was measured or not: how pairs are predicted is what can be asked of held-out ones.
    """
    if len(perturbation.parts) > 1:
        return "doubles"
    single = {p.parts[0] for p in task.perturbations if len(p.parts) == 1}
    return "cells" if perturbation.parts[0] in single else "unseen_single"


def held_out(dataset: Dataset, kind: str, *, n_seen: int = 2) -> Task | None:
    """Return the data divided so that this kind of prediction can be judged; None where it cannot be."""
    try:
        return usual(dataset, scheme=kind, n_seen=n_seen)
    except InputError:
        return None


def shifts(task: Task) -> dict[str, Shift]:
    """Return the baselines of a task, fitted once."""
    return _shifts(str(caching.workspace().root), key(task), task)


def best(task: Task) -> str:
    """Return the name of the baseline that does best on the validation part of a task, found once."""
    return _best(str(caching.workspace().root), key(task), task)


def key(task: Task) -> str:
    """Return what names a task in a cache."""
    return json.dumps([task.dataset.info.content_hash, task.config.model_dump(mode="json")], sort_keys=True)


def said(perturbation: Perturbation) -> str:
    """Return a perturbation in words, to stand behind "the": "knock-out of STAT1 and JAK2", "response to IFNB"."""
    names = " and ".join(perturbation.parts)
    return f"response to {names}" if perturbation.kind == "condition" else f"{MODES[perturbation.mode]} of {names}"


def _context(info: DatasetInfo) -> str | None:
    return info.label if info.label != info.perturbation else None


@st.cache_resource(max_entries=16, show_spinner="Reading the perturbations …")
def _task(home_folder: str, dataset_id: str, content: str, config: str) -> Task:
    from genediff.perturbation import Task as Read
    from genediff.perturbation import TaskConfig as Config

    return Read.of(caching.dataset(dataset_id), Config.model_validate_json(config))


@st.cache_resource(max_entries=16, show_spinner=False)
def _shifts(home_folder: str, task_key: str, _task: Task) -> dict[str, Shift]:
    from genediff.perturbation import fit_baselines

    return fit_baselines(_task)


@st.cache_resource(max_entries=64, show_spinner=False)
def _best(home_folder: str, task_key: str, _task: Task) -> str:
    from genediff.perturbation import best_baseline

    return best_baseline(_task, shifts(_task)).name
