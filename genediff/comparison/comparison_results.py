"""What the finished models of a comparison say: read from their folders, and kept beside the plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.models.model_info import EVALUATION_FILE, MEASURES_FILE, ModelInfo

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.comparison.comparison_store import Comparison
    from genediff.workspace import Workspace

FILE = "table.json"
FORMAT_VERSION = 1
REFERENCES = ("floor", "subclusters", "independent_nb", "copied", "permuted")
"""Rows of an evaluation that stand beside the models: real cells against real ones, and simple baselines."""


@dataclass(frozen=True)
class Result:
    """The figures of one finished model, by name; in count space also its held-out nats by depth, as plain values."""

    place: int
    seed: int
    model_id: str
    values: dict[str, float]
    nats: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Reference:
    """The figures of real cells or of a simple baseline: means and deviations over draws of cells."""

    name: str
    values: dict[str, float]
    spread: dict[str, float]


@dataclass(frozen=True)
class Results:
    """All finished models, and the rows they stand beside."""

    results: tuple[Result, ...] = ()
    references: tuple[Reference, ...] = ()


def read_results(comparison: Comparison, workspace: Workspace) -> Results:
    """Return what is finished by now; what was read once is kept, also when its model is deleted later."""
    kept = _kept(comparison.folder / FILE)
    if comparison.shipped:
        return kept
    done = {(result.place, result.seed): result for result in kept.results}
    references, runs = kept.references, comparison.runs()
    for (place, seed), run_id in comparison.run_ids().items():
        folder = workspace.models / run_id
        known = done.get((place, seed))
        if (known is not None and known.model_id == run_id) or not (folder / EVALUATION_FILE).is_file():
            continue
        run = runs.get((place, seed))
        if run is not None and not run.status.has_ended and not (folder / MEASURES_FILE).is_file():
            continue  # judged, but not measured yet; what is read once is kept
        try:
            result, beside = _read(folder, place, seed)
        except InputError:
            continue
        done[place, seed] = result
        references = references or beside
    found = Results(tuple(done[key] for key in sorted(done)), references)
    if found != kept:
        write_json(comparison.folder / FILE, {"format_version": FORMAT_VERSION, **asdict(found)})
    return found


def _read(model: Path, place: int, seed: int) -> tuple[Result, tuple[Reference, ...]]:
    from genediff.evaluation import METRICS, Evaluation

    info, evaluation = ModelInfo.read(model), Evaluation.read(model / EVALUATION_FILE)
    scores = {name: evaluation.score("model", name) for name in METRICS}
    values = {name: score.mean for name, score in scores.items() if score is not None}
    values |= info.measures
    values["n_parameters"] = float(info.n_parameters)
    if seconds := info.trained.get("seconds"):
        values["train_seconds"] = float(seconds)
    if peak := info.trained.get("peak_memory"):
        values["peak_memory_gb"] = float(peak + info.trained.get("peak_gpu_memory", 0)) / 1e9
    beside = []
    for row in REFERENCES:
        given = [score for name in METRICS if (score := evaluation.score(row, name)) is not None]
        if given:
            spread = {score.metric: score.sd for score in given if score.sd is not None}
            beside.append(Reference(row, {score.metric: score.mean for score in given}, spread))
    nats = (read_or_none(model / MEASURES_FILE) or {}).get("nats") or ()
    return Result(place, seed, info.id, values, tuple(nats)), tuple(beside)


def _kept(path: Path) -> Results:
    content: dict[str, Any] = read_or_none(path) or {}
    if content.get("format_version") != FORMAT_VERSION:
        return Results()
    try:
        return Results(
            tuple(Result(**{**result, "nats": tuple(result.get("nats", ()))}) for result in content["results"]),
            tuple(Reference(**reference) for reference in content["references"]),
        )
    except (KeyError, TypeError):
        return Results()
