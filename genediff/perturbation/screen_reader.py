"""Data sets read as screens and divided, each division once, for whoever asks many questions of the same cells."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.perturbation.perturbation_baselines import best_baseline, fit_baselines
from genediff.perturbation.task import Task
from genediff.perturbation.task_config import TaskConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.cells.dataset import Dataset
    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.perturbation_baselines import Shift

_KEPT = 16


class ScreenReader:
    """Opens, divides and fits; what was asked before is kept, the latest divisions only."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def opened(self, dataset: Dataset, **choices: Any) -> Task:
        """Return a data set read and divided by the fields of a ``TaskConfig``.

        Raises
        ------
        InputError
            When it cannot be read or divided so.
        """
        config = TaskConfig.model_validate(choices)
        key = f"{dataset.info.folder} {dataset.info.content_hash} {config.model_dump_json()}"
        return self._once("task", key, lambda: Task.of(dataset, config))

    def usual(self, dataset: Dataset, **choices: Any) -> Task:
        """Return a data set read with its cell types as contexts; without them where these have too few controls."""
        label = dataset.info.label if dataset.info.label != dataset.info.perturbation else None
        try:
            return self.opened(dataset, context=label, **choices)
        except InputError:
            return self.opened(dataset, context=None, **choices)

    def held_out(self, dataset: Dataset, kind: str, *, n_seen: int = 2) -> Task | None:
        """Return the data divided so that a kind of prediction can be judged; None where that is not possible."""
        try:
            return self.usual(dataset, scheme=kind, n_seen=n_seen)
        except InputError:
            return None

    def shifts(self, task: Task) -> dict[str, Shift]:
        """Return the baselines of a task, fitted."""
        return self._once("shifts", task_key(task), lambda: fit_baselines(task))

    def best(self, task: Task) -> str:
        """Return the name of the baseline that does best on the validation part of a task."""
        return self._once("best", task_key(task), lambda: best_baseline(task, self.shifts(task)).name)

    def divided_for(self, dataset: Dataset, base: Task, perturbation: Perturbation, group: str) -> tuple[Task, str]:
        """Divide the data so that what is asked is held out where it was measured: (task, kind of prediction).

        What was never measured is predicted from everything that was. Where holding out leaves too little to learn
        from, other cells of the same perturbation are held out instead.

        Parameters
        ----------
        base
            The data as they are usually read.
        group
            The name of the cells that are asked about, which is a context where it says so.
        """
        kind = asked_kind(base, perturbation)
        wanted: dict[str, Any] | None
        if not len(base.measured(perturbation)):
            return base, kind
        if perturbation.kind == "condition":
            context = group.removeprefix(f"{base.config.context}: ")
            wanted = {"scheme": "context", "hold_out": (context,)} if context in base.contexts else None
        elif len(perturbation.parts) > 1:
            both = base.n_seen(perturbation) == 2
            wanted = {"scheme": "doubles", "n_seen": 2, "hold_out": (perturbation.label,)} if both else None
        else:
            wanted = {"scheme": "unseen_single", "hold_out": perturbation.parts}
        if wanted is not None:
            try:
                found = self.usual(dataset, **wanted)
            except InputError:
                return base, "cells"
            if len(found.measured(perturbation)):
                return found, str(wanted["scheme"])
        return base, "cells"

    def _once(self, what: str, key: str, make: Callable[[], Any]) -> Any:
        if (what, key) not in self._kept:
            self._kept[what, key] = make()
            while len(self._kept) > 3 * _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end((what, key))
        return self._kept[what, key]


def task_key(task: Task) -> str:
    """Return what names a task in a cache."""
    return json.dumps([task.dataset.info.content_hash, task.config.model_dump(mode="json")], sort_keys=True)


def asked_kind(task: Task, perturbation: Perturbation) -> str:
    """Return the kind of prediction that a perturbation is, given all measured ones: a scheme of ``SCHEMES``.

    A pair is a pair whether it was measured or not: how pairs are predicted is what can be asked of held-out ones.
    """
    if len(perturbation.parts) > 1:
        return "doubles"
    single = {p.parts[0] for p in task.perturbations if len(p.parts) == 1}
    return "cells" if perturbation.parts[0] in single else "unseen_single"
