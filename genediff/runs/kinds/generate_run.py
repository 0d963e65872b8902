"""Runs that generate very many cells into one file, and judge a sample of them.

Cells come batch by batch into small parts, so memory stays the same for a thousand cells and for a million, and a
worker that was killed costs seconds. Several processes each draw a stretch of the batches and judge a share of the
sample; the first alone writes the file. However many there are, the cells are those that
`GenerativeModel.generate` draws for the same choices.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.core.disk_errors import draft
from genediff.core.errors import Cancelled, InputError
from genediff.core.json_files import read_or_none
from genediff.distributed import launch, launch_size
from genediff.models.generate_request import GenerateRequest
from genediff.runs.devices import acceptable_devices
from genediff.runs.kinds.evaluate_generated import evaluate_request, real_cells_of
from genediff.runs.kinds.run_kind import Kind

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.distributed import Ranks
    from genediff.generation.stream import Plan
    from genediff.runs.job import Job
    from genediff.workspace import Workspace

STAGES = GENERATING, JUDGING, WRITING = "generation", "judging a sample", "writing the file"
SAMPLE = 5_000
"""Cells that are judged and drawn on the map."""
ALONG = "genediff.runs.kinds.generate_run:take_part"
SAMPLE_FILE, EVALUATION_FILE, PARTS = "sample.h5ad", "evaluation.json", "parts"


@dataclass(frozen=True)
class GenerateJob(GenerateRequest):
    """Which cells, and where they are drawn and go to.

    Parameters
    ----------
    device
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    output
        A path, or the end of a name (".h5ad", ".zarr") in the run's folder.
    devices
        How many GPUs, or processes, of this machine share the work; on a cluster the profile decides.
    """

    device: str = "auto"
    output: str = ".h5ad"
    devices: int = 1

    def file(self, folder: Path) -> Path:
        """Return where the cells of the run in `folder` go."""
        return folder / f"cells{self.output}" if self.output.startswith(".") else Path(self.output)


def _run(job: Job, config: GenerateJob) -> str:
    from genediff.generation.generated_parts import list_parts
    from genediff.generation.stream import blocks
    from genediff.generation.write_h5ad import write_cells

    target = _target(config, job.folder)
    (job.folder / PARTS).mkdir(exist_ok=True)
    along = {"folder": str(job.folder), "root": str(job.workspace.root), "device": job.device}
    with launch(ALONG, along, size=launch_size(config.devices), gpus=job.device.startswith("cuda")) as ranks:
        plan = _plan(config, job.workspace, job.device, ranks)
        _draw(job, config, plan, ranks)
        verdict = _judge(job, config, plan, ranks)
    origin = plan.model.provenance(plan.config, seed=config.seed, speed=plan.speed)

    def wrote(done: int) -> None:
        _check(job)
        job.step(WRITING, step=done, total=config.n)

    job.step(WRITING, step=0, total=config.n)
    write_cells(
        target,
        blocks(plan, list_parts(job.folder / PARTS)),
        genes=plan.model.genes,
        uns={"genediff": origin | {"request": _request(config), "verdict_on_a_sample": verdict}},
        after_block=wrote,
    )
    job.result(file=str(target), bytes=str(_size(target)))
    _note_cost(job, [])
    shutil.rmtree(job.folder / PARTS)
    return f"{config.n:,} cells are in {target.name}. {verdict}".strip()


def take_part(ranks: Ranks, *, folder: str, root: str, device: str) -> None:
    """Draw a share of the cells and judge a share, as one of the other processes of a run."""
    from genediff.generation.stream import draw
    from genediff.workspace import Workspace

    place, workspace = Path(folder), Workspace(Path(root))
    config = GENERATE.read_config((read_or_none(place / "run.json") or {})["config"])
    plan = _plan(config, workspace, device, ranks)
    try:
        draw(plan, place / PARTS, progress=lambda done, rate: None, check=lambda: None, ranks=ranks)
    except Cancelled:
        return
    (ready,) = ranks.any(False)
    if ready:
        import anndata

        cells = anndata.read_h5ad(place / SAMPLE_FILE)
        dataset = real_cells_of(cells, workspace)
        evaluate_request(cells, dataset, config.conditions, model=plan.model, ranks=ranks)


def _along(folder: Path, workspace: Workspace, config: GenerateJob) -> None:
    """Take part as a further task of a cluster, which has started all of them."""
    _target(config, folder)  # where the worker ends at once, nobody comes to the meeting
    device = acceptable_devices(config.device)[0].name
    with launch(ALONG, {}, size=launch_size(1), gpus=device.startswith("cuda")) as ranks:
        take_part(ranks, folder=str(folder), root=str(workspace.root), device=device)


def _target(config: GenerateJob, folder: Path) -> Path:
    target = config.file(folder)
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}; make it first, and resume goes on.")
    return target


def _plan(config: GenerateJob, workspace: Workspace, device: str, ranks: Ranks) -> Plan:
    from genediff.distributed.device import own_device
    from genediff.generation.stream import Plan
    from genediff.models.generative_model import speed_config
    from genediff.models.load_model import load_model

    model = load_model(workspace.model_folder(config.model_id), device=own_device(device, ranks))
    how = model.sample_config(guidance=config.guidance, sampler=config.sampler, n_steps=config.n_steps)
    speed = speed_config(precision=config.precision, compiled=config.compiled)
    return Plan.of(model, config.n, config.conditions, how, config.seed, speed)


def _draw(job: Job, config: GenerateJob, plan: Plan, ranks: Ranks) -> None:
    from genediff.generation.generated_parts import list_parts, missing
    from genediff.generation.stream import draw

    pace: list[float] = []

    def step(done: int, rate: float | None) -> None:
        job.step(GENERATING, step=done, total=config.n, cells_per_second=rate)
        if rate is not None:
            pace[:] = [rate]

    try:
        draw(plan, job.folder / PARTS, progress=step, check=lambda: _check(job), ranks=ranks)
    except Cancelled:
        left = plan.cells_in(missing(list_parts(job.folder / PARTS), plan.n_batches))
        raise Cancelled(
            f"Stopped; {config.n - left:,} of {config.n:,} cells are kept, and resume goes on from there."
        ) from None
    finally:
        _note_cost(job, pace)


def _check(job: Job) -> None:
    if job.stop():
        raise Cancelled("Stopped; the cells are kept, and resume goes on from there.")


def _judge(job: Job, config: GenerateJob, plan: Plan, ranks: Ranks) -> str:
    """Keep a sample with its place on the map, judge it, and return the verdict, or why there is none."""
    from genediff.data.cells.placer import PLACER
    from genediff.data.cells.view import log_values
    from genediff.evaluation import Evaluation
    from genediff.generation.generated_parts import list_parts
    from genediff.generation.stream import sample

    stored = job.folder / EVALUATION_FILE
    if stored.is_file():
        ranks.any(False)  # the others need not wait for a sample
        return Evaluation.read(stored).verdict.sentence
    progress = job.progress(JUDGING)
    progress(0.0, "")
    cells = sample(plan, list_parts(job.folder / PARTS), SAMPLE)
    try:
        dataset = real_cells_of(cells, job.workspace)
        if dataset.info.has_umap:
            pcs = dataset.project(log_values(cells, dataset))
            cells.obsm["X_umap"] = PLACER.place(dataset.info.folder, pcs, waiting=lambda: _check(job))
    except InputError as problem:
        _keep(cells, job.folder / SAMPLE_FILE)
        ranks.any(False)
        return f"They were not judged: {problem}"
    _keep(cells, job.folder / SAMPLE_FILE)
    ranks.any(True)
    try:
        how = {"model": plan.model, "progress": progress, "cancelled": job.stop, "ranks": ranks}
        evaluation = evaluate_request(cells, dataset, config.conditions, **how)
    except InputError as problem:
        return f"They were not judged: {problem}"
    except Cancelled:
        raise
    except Exception as problem:  # noqa: BLE001  drawn cells are worth more than their evaluation
        traceback.print_exc()
        return f"They could not be judged ({type(problem).__name__}); the log says more."
    evaluation.save(stored)
    return evaluation.verdict.sentence


def _keep(cells: AnnData, path: Path) -> None:
    with draft(path) as partial:
        cells.write_h5ad(partial, compression="gzip")


def _request(config: GenerateJob) -> dict[str, Any]:
    asked = {key: value for key, value in dataclasses.asdict(config).items() if value is not None}
    for where in ("output", "devices"):  # of which the cells say nothing
        asked.pop(where)
    return asked | {"conditions": json.dumps(config.conditions)}


def _note_cost(job: Job, pace: list[float]) -> None:
    """Note the most memory that a worker of this run has held, and the speed of this one."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = int((read_or_none(job.folder / "result.json") or {}).get("peak_memory_bytes", 0))
    peak = max(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    job.result(peak_memory_bytes=str(peak))
    if pace:
        job.result(cells_per_second=f"{pace[-1]:.1f}")


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) if path.is_dir() else path.stat().st_size


GENERATE: Kind[GenerateJob] = Kind(
    name="generate",
    title="Generation",
    config=GenerateJob,
    run=_run,
    device=lambda config: config.device,
    along=_along,
    processes=lambda config: config.devices,
    label=lambda config: f"{config.n:,} cells of {' and '.join(config.conditions.values()) or config.model_id}",
)
