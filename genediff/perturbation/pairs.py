"""A pair of h5ad files, measured and predicted cells with the same controls, as the community's cell-eval reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.disk_errors import draft
from genediff.core.errors import InputError
from genediff.perturbation.evaluate_predictions import MOST_CELLS, MOST_CONTROLS, sample_rows
from genediff.perturbation.prediction_scores import Judge
from genediff.perturbation.replicate import REPLICATE, REPLICATE_TITLE, split_halves
from genediff.perturbation.score_table import Scores
from genediff.perturbation.task_config import ALL_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anndata import AnnData

    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation.prediction import Predictor
    from genediff.perturbation.task import Task
    from genediff.perturbation.task_config import Part

PERTURBATION = "target_gene"
CONTEXT = "context"
CONTROL = "non-targeting"
"""The columns and the control level that cell-eval expects when nothing else is said."""
UNS_KEY = "genediff_prediction"
_MOST_LOG = 15.0


def predict_pair(
    task: Task,
    predictor: Predictor,
    *,
    wanted: Sequence[tuple[Perturbation, str]] | None = None,
    part: Part = "test",
    n_cells: int | None = None,
    seed: int = 0,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[AnnData, AnnData | None]:
    """Predict cells, and put the measured ones beside them.

    Parameters
    ----------
    task
        Data set and parts.
    predictor
        Whose cells.
    wanted
        Perturbations and contexts; None: all that the part holds.
    part
        Whose controls are given to the predictor and stand in both files, and whose cells are the measured ones.
    n_cells, seed
        See ``Predictor.predict``.
    progress
        Told the share that is done.

    Returns
    -------
    tuple
        Predicted cells, and measured ones of the same perturbations, or None where none of them was measured in this
        part. Both hold the same measured control cells. X is log-normalised; the layer "counts" holds counts where all
        cells have some.
    """
    groups = {(group.perturbation.label, group.context): group for group in task.part(part)}
    if wanted is None:
        wanted = [(group.perturbation, group.context) for group in groups.values()]
    if not wanted:
        raise InputError("Nothing is asked for: name a perturbation.")
    contexts = sorted({context for _, context in wanted})
    controls = {context: sample_rows(task.control_rows(part, context), MOST_CONTROLS) for context in contexts}
    pinned = [_measured(task, controls[context], CONTROL, context) for context in contexts]
    predicted, real = [*pinned], [*pinned]
    for number, (perturbation, context) in enumerate(wanted):
        found = predictor.predict(perturbation, controls[context], context=context, n_cells=n_cells, seed=seed)
        predicted.append(_cells(task, found.x, found.counts, perturbation.label, context, found.source))
        if group := groups.get((perturbation.label, context)):
            real.append(_measured(task, sample_rows(group.rows, MOST_CELLS), perturbation.label, context))
        if progress is not None:
            progress((number + 1) / len(wanted), perturbation.label)
    about = {
        "predictor": predictor.title,
        "dataset": task.dataset.info.id,
        "dataset_hash": task.dataset.content_hash,
        "task": task.config.model_dump(mode="json"),
        "part": part,
        "seed": seed,
        "controls": "measured cells, the same in both files",
    }
    return _joined(predicted, task, about), _joined(real, task, about) if len(real) > len(pinned) else None


def write_pair(predicted: AnnData, real: AnnData | None, path: Path) -> tuple[Path, ...]:
    """Write ``PATH-predicted.h5ad`` and, where something was measured, ``PATH-real.h5ad``.

    cell-eval compares files with the same perturbations: where some were not measured, these are left out of
    ``PATH-predicted.h5ad``, and ``PATH-all.h5ad`` holds everything predicted.
    """
    stem = path.with_suffix("") if path.suffix == ".h5ad" else path
    folder = stem.resolve().parent
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; make it first.")
    files = {"predicted": predicted}
    if real is not None:
        keys = [CONTEXT, PERTURBATION]
        measured = predicted.obs.set_index(keys).index.isin(real.obs.set_index(keys).index)
        files = {"predicted": predicted[measured].copy(), "real": real}
        if not measured.all():
            files["all"] = predicted
    written = []
    for name, cells in files.items():
        written.append(stem.with_name(f"{stem.name}-{name}.h5ad"))
        with draft(written[-1]) as partial:
            cells.write_h5ad(partial, compression="gzip")
    return tuple(written)


def evaluate_pair(
    predicted: AnnData, real: AnnData, *, column: str | None = None, control: str | None = None
) -> Scores:
    """Judge a pair of files, from whatever tool: the same perturbations, genes and controls in both.

    Parameters
    ----------
    predicted, real
        X log-normalised. Where they have an obs column "context", each context is judged on its own.
    column, control
        Obs column with perturbations and its control level; None: those that ``write_pair`` writes.

    Returns
    -------
    Scores
        One predictor and a replicate of the measured cells; without baselines, which need the training cells.

    Raises
    ------
    InputError
        When the files do not belong together.
    """
    column, control = column or PERTURBATION, control or CONTROL
    _check(predicted, real, column, control)
    tables = []
    for context in sorted(set(_contexts(real))):
        own, said = real[_contexts(real) == context], predicted[_contexts(predicted) == context]
        names, other_names = (cells.obs[column].astype(str).to_numpy() for cells in (own, said))
        judge = Judge(
            genes=tuple(map(str, real.var_names)),
            control=_dense(own[names == control]),
            real={label: _sparse(own[names == label]) for label in sorted(set(names) - {control})},
            project=_projection(real),
        )
        cells = {label: said[other_names == label] for label in judge.labels}
        table = judge.judge(lambda label, cells=cells: _dense(cells[label]))  # type: ignore[misc]
        halves = split_halves(judge, seed=0).replicate()
        for name, rows in (("predicted", table), (REPLICATE, halves)):
            tables.append(rows.reset_index().assign(predictor=name, seed=0, context=context))
    told = json.loads(str(predicted.uns[UNS_KEY])) if UNS_KEY in predicted.uns else {}
    titles = {"predicted": str(told.get("predictor", "Predicted")), REPLICATE: REPLICATE_TITLE}
    return Scores(pd.concat(tables, ignore_index=True), titles, {}, {"pair": told})


def _check(predicted: AnnData, real: AnnData, column: str, control: str) -> None:
    if list(predicted.var_names) != list(real.var_names):
        raise InputError("The predicted and the real cells do not have the same genes in the same order.")
    for name, cells in (("predicted", predicted), ("real", real)):
        if column not in cells.obs:
            raise InputError(f"The {name} cells have no obs column {column!r}; name the column with perturbations.")
        _check_lognorm(name, cells)
    pairs = []
    for name, cells in (("predicted", predicted), ("real", real)):
        found = set(zip(_contexts(cells), cells.obs[column].astype(str), strict=True))
        if not any(label == control for _, label in found):
            raise InputError(f"The {name} cells hold no controls ({control!r} in {column!r}); name the control level.")
        pairs.append(found)
    if missing := sorted(f"{label} in {context}" for context, label in pairs[0] ^ pairs[1]):
        raise InputError(f"Only one of both files holds cells of {', '.join(missing[:3])}; both need the same ones.")
    rows = [cells[(cells.obs[column].astype(str) == control).to_numpy()] for cells in (predicted, real)]
    one, other = (_dense(cells).mean(axis=0) for cells in rows)
    if rows[0].n_obs != rows[1].n_obs or not np.allclose(one, other, atol=1e-4):
        raise InputError("The control cells of both files differ; a prediction is judged beside the measured controls.")


def _check_lognorm(name: str, cells: AnnData) -> None:
    values = _sparse(cells).data
    if values.size and (values.min() < 0 or values.max() > _MOST_LOG):
        raise InputError(f"X of the {name} cells is not log-normalised; normalise to counts per cell and take log1p.")


def _measured(task: Task, rows: np.ndarray, label: str, context: str) -> AnnData:
    counts = task.dataset.counts()[rows] if task.dataset.info.has_counts else None
    return _cells(task, task.x[rows], counts, label, context, rows)


def _cells(task: Task, x: Any, counts: Any, label: str, context: str, source: np.ndarray) -> AnnData:
    from anndata import AnnData

    obs = pd.DataFrame(
        {PERTURBATION: label, CONTEXT: context, "source": task.dataset.obs.index[source].astype(str)},
        index=[f"{label}-{context}-{number}" for number in range(len(source))],
    )
    layers = {} if counts is None else {"counts": sp.csr_matrix(counts, dtype=np.float32)}
    return AnnData(sp.csr_matrix(x, dtype=np.float32), obs=obs, layers=layers)


def _joined(parts: list[AnnData], task: Task, about: dict[str, Any]) -> AnnData:
    from anndata import AnnData

    with_counts = all("counts" in part.layers for part in parts)
    cells = AnnData(
        sp.vstack([part.X for part in parts]).tocsr(),
        obs=pd.concat([part.obs for part in parts]),
        var=pd.DataFrame({"pca_mean": task.dataset.pca.mean}, index=list(task.genes)),
        layers={"counts": sp.vstack([part.layers["counts"] for part in parts]).tocsr()} if with_counts else {},
    )
    cells.varm["PCs"] = task.dataset.pca.components.T  # (gene, pc), of the training cells
    cells.uns[UNS_KEY] = json.dumps(about)
    return cells


def _projection(real: AnnData) -> Callable[[np.ndarray], np.ndarray] | None:
    if "PCs" not in real.varm or "pca_mean" not in real.var:
        return None
    mean, axes = real.var["pca_mean"].to_numpy(), np.asarray(real.varm["PCs"])
    return lambda x: (x - mean) @ axes


def _contexts(cells: AnnData) -> np.ndarray:
    if CONTEXT not in cells.obs:
        return np.full(cells.n_obs, ALL_CELLS, dtype=object)
    return cells.obs[CONTEXT].astype(str).to_numpy(dtype=object)


def _sparse(cells: AnnData) -> sp.csr_matrix:
    return sp.csr_matrix(cells.X)


def _dense(cells: AnnData) -> np.ndarray:
    return _sparse(cells).toarray()
