"""Predicted cells of many scenarios as one AnnData, with where they come from written into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from genediff.core.versions import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.group_prediction import Joined
    from genediff.perturbation.task import Task


def to_anndata(
    task: Task, scenarios: Sequence[tuple[Perturbation, Joined]], *, control: np.ndarray, provenance: Mapping[str, Any]
) -> AnnData:
    """Return predicted cells of all scenarios after the control cells that they were made from.

    Parameters
    ----------
    task
        The data they were predicted for.
    scenarios
        What was done, and the cells.
    control
        Row numbers of the control cells, which come first and are real.
    provenance
        Plain values for ``uns["genediff"]``.

    Returns
    -------
    AnnData
        ``X``: counts where all predictions have them, else log-normalised expression; ``layers["log_normalised"]``:
        the latter in any case (its means are those that are predicted; whole counts only come near them). ``obs``:
        perturbation, context, predicted (bool), predictor, source (the control cell).
    """
    import scipy.sparse as sp
    from anndata import AnnData

    dataset = task.dataset
    names = dataset.obs.index.to_numpy()
    column = task.config.context
    own = dataset.obs[column].astype(str).to_numpy() if column else np.full(dataset.info.n_cells, "all cells")
    obs = [_obs(task.control.label, own[control], False, "measured", names[control])]
    x, counts = [sp.csr_matrix(task.x[control])], []
    with_counts = dataset.info.has_counts and all(one.counts is not None for _, one in scenarios)
    if with_counts:
        counts.append(sp.csr_matrix(dataset.counts()[control]))
    for done, cells in scenarios:
        obs.append(_obs(done.label, cells.contexts, True, cells.title, names[cells.source]))
        x.append(sp.csr_matrix(cells.x))
        if with_counts:
            counts.append(sp.csr_matrix(np.asarray(cells.counts)))
    table = pd.concat(obs, ignore_index=True)
    table.index = [f"cell{number}" for number in range(len(table))]
    for name in ("perturbation", "context", "predictor"):
        table[name] = table[name].astype("category")
    logged = sp.vstack(x, format="csr")
    found = AnnData(sp.vstack(counts, format="csr") if with_counts else logged, obs=table,
                    var=pd.DataFrame(index=list(task.genes)))  # fmt: skip
    found.layers["log_normalised"] = logged
    told = {"X": "counts" if with_counts else "log-normalised expression", "target_sum": dataset.info.target_sum or 0.0}
    found.uns["genediff"] = {**told, **{f"version_{name}": one for name, one in versions().items()}, **provenance}
    return found


def means_table(task: Task, scenarios: Sequence[tuple[Perturbation, Joined]]) -> pd.DataFrame:
    """Return the predicted mean change of every gene (column) by every scenario (row), in log-normalised expression."""
    labels = [done.label for done, _ in scenarios]
    table = pd.DataFrame([one.delta for _, one in scenarios], index=labels, columns=list(task.genes))
    table.index.name = "perturbation"
    return table


def _obs(label: str, contexts: np.ndarray, predicted: bool, predictor: str, source: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"perturbation": label, "context": contexts.astype(str), "predicted": predicted, "predictor": predictor,
         "source": source.astype(str)}
    )  # fmt: skip
