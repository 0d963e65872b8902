"""Generate cells as the held-out ones are labelled, and evaluate them; shared by the kinds that end with a verdict."""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.errors import Cancelled, InputError
from genediff.distributed import ALONE, launch, launch_size
from genediff.models.adapter_info import ADAPTER_FILE
from genediff.models.conditions import judged_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from anndata import AnnData

    from genediff.data import Dataset
    from genediff.distributed import Ranks
    from genediff.evaluation import Evaluation
    from genediff.evaluation.protocols import ProtocolScores
    from genediff.models.generative_model import GenerativeModel
    from genediff.runs.job import Job
    from genediff.workspace import Workspace

STAGE = "evaluation"
MAX_CELLS = 2000
SEEDS = (0, 1, 2, 3, 4)
"""Draws of generated cells, each as many as there are test cells."""
GENERATING = 0.2
"""Share of the stage that generating takes."""
PATIENCE = 120.0
"""Seconds that a further task of a cluster waits for the model that the worker puts into the library."""


def judge_model(job: Job, model: Path, dataset_id: str, *, processes: int = 1) -> str:
    """Write evaluation.json into a model folder and return the verdict; a failure is told and costs only itself.

    Raises
    ------
    Cancelled
        When the run was told to stop; the model stays, a resume goes on with the evaluation.
    """
    from genediff.models.model_info import EVALUATION_FILE

    if (model / EVALUATION_FILE).exists():
        return ""
    try:
        dataset = job.workspace.open_dataset(dataset_id)
        evaluation = evaluate_model(
            model, dataset, device=job.device, progress=job.progress(STAGE), cancelled=job.stop, processes=processes
        )
        evaluation.save(model / EVALUATION_FILE)
        return evaluation.verdict.sentence
    except Cancelled:
        raise Cancelled("The model is in the library; its evaluation was stopped. Resume does it.") from None
    except InputError as problem:
        return f"It could not be judged: {problem}"
    except Exception:  # noqa: BLE001  a trained model is worth more than its evaluation
        traceback.print_exc()
        return "It could not be judged because of an error in the program; the log holds the details."


def evaluate_model(
    model: Path,
    dataset: Dataset,
    *,
    device: str,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int] = SEEDS,
    processes: int = 1,
) -> Evaluation:
    """Judge a model by one generated cell per draw for each test cell (at most 2,000), asked for by the same labels.

    Several processes of this machine share the cells that are generated, and the rows and seeds that are judged.
    """
    progress(0.0, "generating cells")
    arguments = {"model": str(model), "dataset": str(dataset.info.folder), "device": device, "seeds": list(seeds)}
    target, gpus = "genediff.runs.kinds.evaluate_generated:judge_along", device.startswith("cuda")
    with launch(target, arguments, size=processes, gpus=gpus) as ranks:
        return _evaluate_model(
            model, dataset, device=device, progress=progress, cancelled=cancelled, seeds=seeds, ranks=ranks
        )


def judge_as_task(model: Path, workspace: Workspace, dataset_id: str, *, device: str) -> None:
    """Judge a model of the library together with the worker, as a further task of a cluster; nothing where it is."""
    from genediff.models.model_info import EVALUATION_FILE, MODEL_FILE

    begun = time.monotonic()
    while not (model / MODEL_FILE).is_file():  # the worker writes it now, and a shared folder may show it late
        if time.monotonic() - begun > PATIENCE:
            raise InputError(f"the model {model.name} has not come within {PATIENCE:.0f} seconds")
        time.sleep(0.2)
    if (model / EVALUATION_FILE).exists():
        return
    evaluate_model(
        model, workspace.open_dataset(dataset_id), device=device, progress=lambda share, what: None,
        cancelled=lambda: False, processes=launch_size(1),
    )  # fmt: skip


def judge_along(ranks: Ranks, *, model: str, dataset: str, device: str, seeds: list[int]) -> None:
    """Take part in `evaluate_model` as one of its other processes."""
    from genediff.data import Dataset

    _evaluate_model(
        Path(model),
        Dataset.open(Path(dataset)),
        device=device,
        progress=lambda share, what: None,
        cancelled=lambda: False,
        seeds=seeds,
        ranks=ranks,
    )


def _evaluate_model(
    model: Path,
    dataset: Dataset,
    *,
    device: str,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int],
    ranks: Ranks,
) -> Evaluation:
    from genediff.distributed.device import own_device
    from genediff.models.load_model import load_model, weights_hash

    generator = load_model(model, device=own_device(device, ranks))
    columns = tuple(generator.conditions)
    if (model / ADAPTER_FILE).is_file():
        from genediff.data.cells.view import in_genes

        # It has the genes of its base, and conditions that these cells may not have.
        dataset = in_genes(dataset, generator.genes)
        columns = tuple(column for column in columns if column in dataset.obs.columns)
    asked = asked_for(dataset, columns)
    found = evaluate_generator(
        generator, dataset, asked, progress=progress, cancelled=cancelled, seeds=seeds, ranks=ranks
    )
    return found if (model / ADAPTER_FILE).is_file() else replace(found, weights=weights_hash(model))


def evaluate_generator(
    generator: GenerativeModel,
    dataset: Dataset,
    asked: pd.DataFrame | None,
    *,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int] = SEEDS,
    baselines: Sequence[str] | None = None,
    strict: bool = True,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Judge a model by cells generated for a table of labels, anew for each seed.

    Where it is not ``strict``, a model that does not know a column or a level generates without it, and its cells are
    judged as what was asked for.
    """
    from genediff.evaluation import BASELINES, evaluate

    generated = _generated(generator, dataset, asked, len(seeds), progress, cancelled, strict=strict, ranks=ranks)
    return evaluate(
        generated,
        dataset,
        seeds=seeds,
        baselines=tuple(BASELINES) if baselines is None else baselines,
        model=generator,
        progress=lambda share, what: progress(GENERATING + (1 - GENERATING) * share, what),
        cancelled=cancelled,
        ranks=ranks,
    )


def _generated(
    generator: GenerativeModel,
    dataset: Dataset,
    asked: pd.DataFrame | None,
    n_draws: int,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    *,
    strict: bool = True,
    ranks: Ranks = ALONE,
) -> AnnData:
    """Generate as many cells as there are test cells (at most 2,000), so many times, for a table of labels."""
    import pandas as pd

    from genediff.core.interruption import stoppable

    n = n_draws * min(len(dataset.rows("test")), MAX_CELLS)
    asked = None if asked is None else pd.concat([asked] * n_draws, ignore_index=True)

    def tell(done: int, total: int) -> None:
        progress(GENERATING * done / max(total, 1), "generating cells")
        if cancelled():
            raise Cancelled

    table = asked
    if asked is not None and not strict:
        known = {column: names for column, names in generator.conditions.items() if column in asked}
        table = pd.DataFrame({c: asked[c].where(asked[c].isin(names), None) for c, names in known.items()})
    with stoppable(generator.denoiser, cancelled):
        generated = generator.generate(n, conditions=table, batch_size=256, progress=tell, ranks=ranks)
    if asked is not None and not strict:
        for column in asked:
            generated.obs[column] = pd.Categorical(asked[column])
    return generated


def evaluate_by_protocol(
    source: Path,
    dataset: Dataset,
    protocol: str,
    *,
    device: str,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int],
) -> ProtocolScores:
    """Evaluate a model's folder, or a file of generated cells, as another group does."""
    from genediff.evaluation.protocols import evaluate_protocol
    from genediff.models.load_model import load_model

    if source.is_dir():
        generator = load_model(source, device=device)
        asked = asked_for(dataset, tuple(generator.conditions))
        cells = _generated(generator, dataset, asked, len(seeds), progress, cancelled)
    else:
        cells = read_generated(source)

    def rest(share: float, what: str) -> None:
        progress(GENERATING + (1 - GENERATING) * share, what)

    return evaluate_protocol(cells, dataset, protocol, seeds=seeds, progress=rest)


def evaluate_file(
    path: Path,
    dataset: Dataset,
    *,
    progress: Callable[[float, str], None],
    cancelled: Callable[[], bool],
    seeds: Sequence[int] = SEEDS,
) -> Evaluation:
    """Judge a file of generated cells from anywhere."""
    from genediff.evaluation import evaluate

    return evaluate(read_generated(path), dataset, seeds=seeds, progress=progress, cancelled=cancelled)


def real_cells_of(generated: AnnData, workspace: Workspace) -> Dataset:
    """Return the real cells that a model's generated ones imitate; an adapted model has the genes of its base.

    Raises
    ------
    InputError
        When the data set is not in this workspace.
    """
    from genediff.data.cells.view import in_genes

    dataset_id = str(generated.uns["genediff"]["dataset_id"])
    try:
        dataset = workspace.open_dataset(dataset_id)
    except InputError:
        raise InputError(
            f"The data set that this model was trained on ({dataset_id}) is not in this workspace, so its cells can be "
            "downloaded but not compared with real ones. Import the same file with the same options on the Data page."
        ) from None
    return in_genes(dataset, list(generated.var_names))


def evaluate_request(generated: AnnData, dataset: Dataset, conditions: dict[str, str], **how: Any) -> Evaluation:
    """Judge the cells of one request; those of one kind by real cells of that kind. `how` goes to `evaluate`."""
    from genediff.evaluation import evaluate

    label, classes = judged_by(conditions, dataset.info.label)
    return evaluate(generated, dataset, label=label, classes=classes, **how)


def read_generated(path: Path) -> AnnData:
    """Read an h5ad file of generated cells; InputError when it is not one."""
    import anndata

    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        return anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError):
        raise InputError(
            f"{path.name} cannot be read as an h5ad file; save it again with AnnData.write_h5ad."
        ) from None


def asked_for(dataset: Dataset, columns: tuple[str, ...]) -> pd.DataFrame | None:
    """Return the labels of test cells, drawn with a fixed seed; levels unknown to training are "no label"."""
    import numpy as np
    import pandas as pd

    if not columns:
        return None
    rows = np.random.default_rng(0).permutation(len(dataset.rows("test")))[:MAX_CELLS]
    table = {}
    for column in columns:
        levels = np.array([*dataset.vocabulary(column), None], dtype=object)
        table[column] = levels[dataset.codes(column, "test")[rows]]  # code -1 is the last one: None
    return pd.DataFrame(table)
