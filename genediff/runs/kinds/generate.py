"""Runs that generate very many cells into one file, and judge a sample of them.

Cells come batch by batch into small parts, so memory stays the same for a thousand cells and for a million, and a
worker that was killed costs seconds. The cells are those that `GeneDiff.generate` draws for the same choices.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genediff.errors import Cancelled, InputError
from genediff.runs.files import read_json
from genediff.runs.kinds.base import Kind

if TYPE_CHECKING:
    from anndata import AnnData

    from genediff.evaluation import Evaluation
    from genediff.generation.stream import Plan
    from genediff.runs.job import Job

STAGES = GENERATING, JUDGING, WRITING = "generation", "judging a sample", "writing the file"
SAMPLE = 5_000
"""Cells that are judged and drawn on the map."""
SAMPLE_FILE, EVALUATION_FILE, PARTS = "sample.h5ad", "evaluation.json", "parts"


@dataclass(frozen=True)
class GenerateJob:
    """Which cells, and where to; `output` is a path, or the end of a name (".h5ad", ".zarr") in the run's folder."""

    model_id: str
    n: int
    conditions: dict[str, str] = field(default_factory=dict)
    guidance: float | None = None
    sampler: str | None = None
    n_steps: int | None = None
    seed: int = 0
    device: str = "auto"
    output: str = ".h5ad"

    def file(self, folder: Path) -> Path:
        """Return where the cells of the run in `folder` go."""
        return folder / f"cells{self.output}" if self.output.startswith(".") else Path(self.output)


def _run(job: Job, config: GenerateJob) -> str:
    from genediff.generation.parts import list_parts
    from genediff.generation.stream import Plan, blocks, draw
    from genediff.generation.write import write_cells
    from genediff.model import GeneDiff

    target = config.file(job.folder)
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}; make it first, and resume goes on.")
    model = GeneDiff.load(job.workspace.model_folder(config.model_id), device=job.device)
    how = model.sample_config(guidance=config.guidance, sampler=config.sampler, n_steps=config.n_steps)
    plan = Plan.of(model, config.n, config.conditions, how, config.seed)
    folder = job.folder / PARTS
    folder.mkdir(exist_ok=True)

    def step(done: int, rate: float | None) -> None:
        _check(job)
        job.step(GENERATING, step=done, total=config.n, cells_per_second=rate)
        if rate is not None:
            pace[:] = [rate]

    pace: list[float] = []
    try:
        draw(plan, folder, progress=step, check=lambda: _check(job))
    except Cancelled:
        _note_cost(job, pace)
        parts = list_parts(folder)
        kept = plan.end_of(parts[-1].end if parts else 0)
        raise Cancelled(f"Stopped; {kept:,} of {config.n:,} cells are kept, and resume goes on from there.") from None
    _note_cost(job, pace)
    parts = list_parts(folder)
    verdict = _judge(job, config, plan)

    def wrote(done: int) -> None:
        _check(job)
        job.step(WRITING, step=done, total=config.n)

    origin = model.provenance(how, seed=config.seed) | {"request": _request(config)}
    job.step(WRITING, step=0, total=config.n)
    write_cells(
        target,
        blocks(plan, parts),
        genes=model.genes,
        uns={"genediff": origin | {"verdict_on_a_sample": verdict}},
        after_block=wrote,
    )
    _note_cost(job, pace)
    job.result(file=str(target), bytes=str(_size(target)))
    shutil.rmtree(folder)
    return f"{config.n:,} cells are in {target.name}. {verdict}".strip()


def _check(job: Job) -> None:
    if job.stop():
        raise Cancelled("Stopped; the cells are kept, and resume goes on from there.")


def _judge(job: Job, config: GenerateJob, plan: Plan) -> str:
    """Keep a sample with its place on the map, judge it, and return the verdict, or why there is none."""
    from genediff.evaluation import Evaluation
    from genediff.generation.parts import list_parts
    from genediff.generation.stream import sample

    stored = job.folder / EVALUATION_FILE
    if stored.is_file():
        return Evaluation.read(stored).verdict.sentence
    progress = job.progress(JUDGING)
    progress(0.0, "")
    cells = sample(plan, list_parts(job.folder / PARTS), SAMPLE)
    try:
        evaluation = _compare(job, config, cells)
    except InputError as problem:
        cells.write_h5ad(job.folder / SAMPLE_FILE, compression="gzip")
        return f"They were not judged: {problem}"
    evaluation.save(stored)
    return evaluation.verdict.sentence


def _compare(job: Job, config: GenerateJob, cells: AnnData) -> Evaluation:
    from genediff.conditions import judged_by
    from genediff.data.placer import PLACER
    from genediff.data.view import in_genes, log_values
    from genediff.evaluation import evaluate

    dataset = job.workspace.open_dataset(str(cells.uns["genediff"]["dataset_id"]))
    dataset = in_genes(dataset, list(cells.var_names))  # an adapted model has the genes of its base
    if dataset.info.has_umap:
        pcs = dataset.project(log_values(cells, dataset))
        cells.obsm["X_umap"] = PLACER.place(dataset.info.folder, pcs, waiting=lambda: _check(job))
    cells.write_h5ad(job.folder / SAMPLE_FILE, compression="gzip")
    label, classes = judged_by(config.conditions, dataset.info.label)
    return evaluate(
        cells, dataset, label=label, classes=classes, progress=job.progress(JUDGING), cancelled=job.stop
    )  # fmt: skip


def _request(config: GenerateJob) -> dict[str, Any]:
    asked = {key: value for key, value in dataclasses.asdict(config).items() if value is not None}
    asked.pop("output")
    return asked | {"conditions": json.dumps(config.conditions)}


def _note_cost(job: Job, pace: list[float]) -> None:
    """Note the most memory that a worker of this run has held, and the speed of this one."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = int((read_json(job.folder / "result.json") or {}).get("peak_memory_bytes", 0))
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
    label=lambda config: f"{config.n:,} cells of {' and '.join(config.conditions.values()) or config.model_id}",
)
