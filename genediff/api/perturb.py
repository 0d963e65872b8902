"""Predictions of perturbations (`genediff.perturb`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.models.response_info import ResponseInfo
from genediff.perturbation import BASELINES, BaselinePredictor, Task, predict_pair
from genediff.perturbation.model.response_store import load_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

    from genediff.api.user_cells import Cells
    from genediff.data.importing.perturbation_names import Perturbation
    from genediff.perturbation import Predictor
    from genediff.workspace import Workspace


def predict(
    cells: Cells,
    perturbation: str | Sequence[str],
    *,
    model: str = "additive",
    context: str | None = None,
    n: int | None = None,
    seed: int = 0,
) -> AnnData:
    """Predict the expression of perturbed cells from held-out control cells.

    Parameters
    ----------
    cells
        With a perturbation column and control cells.
    perturbation
        "STAT1", "STAT1+JAK2", or several of these; measured or not.
    model
        A baseline ("additive", "linear", "nearest", "mean_perturbed", "matching_mean", "no_change"), fitted to the
        training cells, or the id of a trained model of perturbations in the workspace of the cells.
    context
        Column of obs with cell types that respond differently; one prediction for each.
    n
        Cells of each; one per control cell where None.

    Returns
    -------
    AnnData
        Measured control cells, then predicted ones; ``obs["target_gene"]`` says which. X is log-normalised.

    Raises
    ------
    InputError
        When the cells have no perturbations, or the model cannot predict this one.
    """
    choices = {} if context is None else {"context": context}
    task, predictor = find_predictor(model, cells.workspace, data=cells.dataset.info.id, choices=choices)
    asked = [perturbation] if isinstance(perturbation, str) else list(perturbation)
    wanted = each_context(task, [task.perturbation(label) for label in asked])
    predicted, _ = predict_pair(task, predictor, wanted=wanted, n_cells=n, seed=seed)
    return predicted


def find_predictor(
    source: str, workspace: Workspace, *, data: str | None, choices: Mapping[str, Any]
) -> tuple[Task, Predictor]:
    """Return what a baseline's name or a model's id stands for, and the task that it was fitted to.

    Parameters
    ----------
    data
        Id of the data set; a model brings its own.
    choices
        Fields of a `TaskConfig`, for a baseline.
    """
    if source in BASELINES:
        if data is None:
            raise InputError(f"Say which data set {source} is fitted to (see `genediff datasets`).")
        task = Task.of(workspace.open_dataset(data), **choices)
        return task, BaselinePredictor(BASELINES[source](task))
    if not is_response(workspace, source):
        raise InputError(
            f"There is no model of perturbations {source!r} (see `genediff perturb list`) and no such baseline; "
            f"baselines are {', '.join(BASELINES)}."
        )
    if choices:
        first = next(iter(choices)).replace("_", " ")
        raise InputError(f"A model keeps what it was trained on and what is held out; leave out the {first}.")
    folder = workspace.response_folder(source)
    model = load_response(folder, workspace.open_dataset(data or ResponseInfo.read(folder).dataset_id))
    return model.task, model


def is_response(workspace: Workspace, source: str) -> bool:
    """Say whether this is the id of a model of perturbations."""
    return any(info.id == source for info in workspace.list_responses())


def each_context(task: Task, asked: Sequence[Perturbation]) -> list[tuple[Perturbation, str]]:
    """Return every perturbation in every context that has held-out control cells."""
    contexts = [context for context in task.contexts if len(task.control_rows("test", context))]
    return [(one, context) for one in asked for context in contexts]
