"""Runs that adapt a model to new cells, and measure what that was worth against training from scratch.

Each part leaves files behind by which a resumed worker knows that it is done; the adapter itself is written at the end
of its training, so one that was stopped begins again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genediff.core.errors import Cancelled, InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.runs.kinds.evaluate_generated import STAGE, asked_for, evaluate_generator
from genediff.runs.kinds.forward_events import follow
from genediff.runs.kinds.measure_reconstruction import measure_model
from genediff.runs.kinds.run_kind import Kind
from genediff.runs.kinds.train_run import is_trained, publish
from genediff.training.adapt.config import AdaptConfig

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset
    from genediff.evaluation import Evaluation
    from genediff.runs.job import Job

SCRATCH_FILE = "scratch.json"


def _run(job: Job, config: AdaptConfig) -> str:
    made = job.folder / "checkpoint" / "model"
    if not is_trained(made):
        _adapt(job, config)
    if not is_trained(made):
        raise Cancelled("Stopped; nothing was written. Resume begins again.")
    model = publish(made, job.workspace.models / job.id)
    job.result(model_id=job.id)
    measure_model(job, model, config.dataset_id)
    try:
        return f"The adapted model is in the library. {_gain(job, config, model)}".strip()
    except Cancelled:
        raise Cancelled("The adapted model is in the library; its evaluation was stopped. Resume does it.") from None
    except InputError as problem:
        return f"The adapted model is in the library. It could not be judged: {problem}"


def _adapt(job: Job, config: AdaptConfig) -> None:
    from genediff.training.adapt.adaptation import Adaptation

    adaptation = Adaptation(
        config,
        job.workspace.model_folder(config.base_id),
        job.workspace.open_dataset(config.dataset_id),
        folder=job.folder / "checkpoint",
        model_id=job.id,
    )
    follow(job, adaptation.run(stop=job.stop))


def _gain(job: Job, config: AdaptConfig, model: Path) -> str:
    """Judge base, adapted model and, where asked for, one from scratch; return the outcome in words."""
    from genediff.data.cells.view import in_genes
    from genediff.models.model_info import EVALUATION_FILE, read_spec
    from genediff.training.adapt.gain import read_gain
    from genediff.training.adapt.scratch import write_gain

    if (found := read_gain(model)) is not None:
        return found.sentence
    view = in_genes(job.workspace.open_dataset(config.dataset_id), read_spec(model).genes, always=True)
    evaluations = {"adapted": _judged(job, "adapted", model, model / EVALUATION_FILE, view, config)}
    base = job.workspace.model_folder(config.base_id)
    evaluations["base"] = _judged(job, "base", base, job.folder / "base-evaluation.json", view, config)
    scratch: dict[str, Any] | None = None
    if config.compare:
        scratch = _train_from_scratch(job, config, base, view)
        own = job.folder / "scratch" / "model"
        evaluations["scratch"] = _judged(job, "scratch", own, job.folder / "scratch-evaluation.json", view, config)
    return write_gain(model, evaluations, scratch, n_genes=len(view.genes)).sentence


def _train_from_scratch(job: Job, config: AdaptConfig, base: Path, view: Dataset) -> dict[str, Any]:
    """Train the rival, once, and return what is known of its training."""
    from genediff.models.model_info import read_spec
    from genediff.training.adapt.scratch import scratch_training

    folder = job.folder / "scratch"
    if not is_trained(folder / "model"):
        job.note("Training a model from scratch with the same budget, to compare.")
        training = scratch_training(config, base, view, folder=folder, model_id=f"{job.id}-scratch")
        losses = follow(job, training.run(stop=job.stop), prefix="scratch ")
        if not is_trained(folder / "model"):
            raise Cancelled
        write_json(job.folder / SCRATCH_FILE, {"held_out": losses.get("autoencoder")})
    spec = read_spec(folder / "model")
    kept = read_or_none(job.folder / SCRATCH_FILE) or {}
    return {**kept, "seconds": spec.trained["seconds"], "n_parameters": spec.n_parameters}


def _judged(job: Job, row: str, model: Path, kept: Path, view: Dataset, config: AdaptConfig) -> Evaluation:
    """Return the evaluation of a model on the new data; one that was made is read."""
    from genediff.evaluation import Evaluation
    from genediff.models.load_model import load_model
    from genediff.training.adapt.scratch import in_words_of

    if kept.is_file():
        return Evaluation.read(kept)
    generator = load_model(model, device=job.device)
    if row == "base":
        in_words_of(generator, config.conditions)
    evaluation = evaluate_generator(
        generator,
        view,
        asked_for(view, tuple(config.conditions)),
        progress=job.progress(STAGE),
        cancelled=job.stop,
        baselines=("independent_nb", "copied") if row == "adapted" else (),
        strict=False,
    )
    evaluation.save(kept)
    return evaluation


ADAPT: Kind[AdaptConfig] = Kind(
    name="adapt",
    title="Adaptation",
    config=AdaptConfig,
    run=_run,
    device=lambda config: config.device,
    label=lambda config: config.name or f"{config.base_id} adapted",
)
