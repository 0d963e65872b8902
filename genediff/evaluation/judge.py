"""Judge generated cells: match them with held-out ones, score them, and put floor and baselines beside them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.errors import InputError
from genediff.evaluation import cache as store
from genediff.evaluation import memorisation, source
from genediff.evaluation.baselines import BASELINES, MOST_FITTED
from genediff.evaluation.bench import NOT_ASKED, OTHER_HALF, Bench, Result, row_results, without_counts
from genediff.evaluation.drift import ks_distances, most_drifted
from genediff.evaluation.matching import Target, choose_target, match
from genediff.evaluation.report import Evaluation, Score, summarise
from genediff.evaluation.scoring import MIN_CLASS_CELLS, POOLED
from genediff.evaluation.verdict import judge
from genediff.parallel import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData

    from genediff.data.dataset import Dataset
    from genediff.evaluation.source import Source
    from genediff.parallel import Ranks


def evaluate(
    generated: AnnData,
    dataset: Dataset,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    label: str | None = None,
    classes: Sequence[str] | None = None,
    against: str = "test",
    max_cells: int = 2000,
    baselines: Sequence[str] = ("independent_nb", "copied"),
    cache: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Judge generated cells by held-out real ones, beside what two real samples and simple baselines reach.

    Everything fitted (components, bandwidth, baselines) comes from training cells. The floor is validation against
    test cells: both are as new to the components as generated cells should be, which training cells are not. Each
    comparison is between equally many cells in the class mix of the real ones, drawn anew for each seed. Floor and
    baselines are kept in a cache, since they do not depend on the generated cells.

    Parameters
    ----------
    generated
        Counts (or log-normalised expression) of generated cells, genes by name; labels in `obs[label]`. May come
        from any tool.
    dataset
        What they imitate.
    seeds
        Of subsamples, halves, folds and forests; figures are mean and standard deviation over them.
    label
        `obs` column of the classes; the data set's own label unless given.
    classes
        Labels that were asked for, when not all were; a label that was asked for and is missing counts against the
        cells.
    against
        "test", or "validation" while a model is still being tuned.
    max_cells
        At most so many cells a side.
    baselines
        Rows beside the model: "independent_nb", "copied", and "vae", which takes a minute to train the first time.
    cache
        Folder for floor and baselines; the user's own cache unless given.
    progress
        Called with a share from 0 to 1 and what is being done.
    cancelled
        Asked between metrics; True raises `Cancelled`.
    ranks
        Processes that share rows and seeds; all must judge the same cells, and all get the evaluation.

    Returns
    -------
    Evaluation
        Figures, drifted genes, memorisation alarm, verdict.

    Raises
    ------
    InputError
        When genes are missing, or there are no cells to compare.
    Cancelled
        When `cancelled` says so.
    """
    started = time.monotonic()
    _check(seeds, against, baselines)
    label = dataset.info.label if label is None else label
    cells = source.of_anndata(generated, dataset, label)
    bench = _bench(cells, dataset, label, classes, against, cache, cancelled)
    target, missing, notes = _plan(bench, cells, max_cells)
    rows, left_out = _rows(bench, baselines)
    results: dict[str, list[Result]] = {"model": [], **{row: [] for row in rows}}
    report, n_done, n_all = progress or _silent, 0, len(seeds) * len(results)
    own: dict[int, Result] = {}
    for place, row in enumerate(results):
        numbers = range(place * len(seeds), (place + 1) * len(seeds))
        mine = {seeds[number - numbers[0]]: number for number in numbers if number in ranks.share(n_all)}
        for seed, result in row_results(bench, row, cells, target, seeds, only=tuple(mine)):
            own[mine[seed]] = result
            n_done = min(n_all, n_done + ranks.size)
            report(n_done / n_all, f"{row.replace('_', ' ')}, seed {seed}")
    every = iter(ranks.collect(own))
    results = {row: [next(every) for _ in seeds] for row in results}
    return _assemble(bench, generated, cells, target, tuple(seeds), results, missing, (*notes, *left_out), started)


def _silent(share: float, what: str) -> None:
    pass


def _check(seeds: Sequence[int], against: str, baselines: Sequence[str]) -> None:
    if not seeds:
        raise InputError("An evaluation needs at least one seed.")
    if against not in OTHER_HALF:
        raise InputError(f"Cells are judged against 'test' or 'validation' cells, not '{against}'.")
    if unknown := [name for name in baselines if name not in BASELINES]:
        raise InputError(f"There is no baseline '{unknown[0]}'; known: {', '.join(BASELINES)}.")


def _bench(
    cells: Source,
    dataset: Dataset,
    label: str | None,
    classes: Sequence[str] | None,
    against: str,
    cache: Path | None,
    cancelled: Callable[[], bool] | None,
) -> Bench:
    real = source.of_split(dataset, against, label)
    if not cells.are_counts:
        # Cells without counts are compared by expression alone, and so is everything beside them.
        real = without_counts(real)
    vocabulary = () if label is None else dataset.vocabulary(label)
    by_label = bool((cells.codes >= 0).any())
    there = {name: code for code, name in enumerate(vocabulary) if (real.codes == code).any()}
    if classes is not None and by_label:
        if unknown := sorted(set(classes) - set(vocabulary)):
            raise InputError(f"There is no '{label}' {unknown[0]!r} among the training cells of the data set.")
        there = {name: code for name, code in there.items() if name in set(classes)}
    if len(real) == 0 or (by_label and not there):
        raise InputError(f"The data set has no {against} cells of that kind to compare with; import it with a split.")
    folder = cache if cache is not None else store.default_folder()
    return Bench(dataset, real, label, by_label, there, against, folder, cancelled)


def _plan(bench: Bench, cells: Source, max_cells: int) -> tuple[Target, tuple[str, ...], list[str]]:
    generated, real = bench.keys(cells.codes), bench.real_keys
    used = generated[generated != NOT_ASKED]
    if not len(used):
        raise InputError(f"None of the generated cells has a '{bench.label}' that the {bench.against} cells have.")
    target = choose_target(used, real[real != NOT_ASKED], max_cells=max_cells)
    n_first = len(match(generated, real, target, seed=0)[0])
    notes = [*cells.notes, f"{n_first} generated cells were compared with {n_first} {bench.against} cells."]
    short = []
    if bench.by_label:
        names = {code: name for name, code in bench.classes.items()}
        there = {code: int((generated == code).sum()) for code, _ in target.sizes}
        # One absent cell of a rare label is chance, five are not.
        short = [names[code] for code, size in target.sizes if there[code] == 0 and size >= 5]
        notes.append("Each type was compared with as many real cells of that type, in the mix of the real cells.")
        if target.reweighted:
            few = [f"{names[c]} ({there[c]} of {size})" for c, size in target.sizes if 0 < there[c] < size]
            notes.append(
                "The generated cells are mixed differently from the real ones, so these types were compared on fewer "
                f"cells and weigh less in the pooled figures: {', '.join(few)}."
            )
        if unlabelled := int((bench.real.codes < 0).sum()):
            notes.append(f"{unlabelled} {bench.against} cells without a label known from training were left out.")
    elif bench.label is not None:
        notes.append(f"The generated cells have no '{bench.label}' in obs, so there are pooled figures only.")
    notes.append("Debiased W2² is the mean over 5 random halvings, each with all four pairs of halves.")
    return target, tuple(short), notes


def _rows(bench: Bench, baselines: Sequence[str]) -> tuple[list[str], list[str]]:
    rows, notes = [], []
    n_floor = len(bench.dataset.rows(OTHER_HALF[bench.against]))
    if n_floor >= MIN_CLASS_CELLS:
        rows.append("floor")
    else:
        notes.append("There is no second held-out part of the cells, so what two real samples reach is not known.")
    for name in baselines:
        if name == "vae" and not bench.dataset.info.has_counts:
            notes.append("The VAE row is left out: it needs counts.")
        else:
            rows.append(name)
    if "independent_nb" in rows and _largest_class(bench) > MOST_FITTED:
        notes.append(f"Cells drawn gene by gene were fitted to {MOST_FITTED:,} training cells of a type at most.")
    if "independent_nb" in rows and not bench.dataset.info.has_counts:
        notes.append("Without counts, cells drawn gene by gene come from a Gaussian with zeros, not from counts.")
    return rows, notes


def _largest_class(bench: Bench) -> int:
    """Return how many training cells the largest class has; of data without labels all of them."""
    if bench.label is None:
        return len(bench.dataset.rows("train"))
    return int(np.bincount(bench.dataset.codes(bench.label, "train") + 1)[1:].max(initial=0))


def _assemble(
    bench: Bench,
    generated: AnnData,
    cells: Source,
    target: Target,
    seeds: tuple[int, ...],
    results: dict[str, list[Result]],
    missing: tuple[str, ...],
    notes: tuple[str, ...],
    started: float,
) -> Evaluation:
    scores = tuple(one for row, of_row in results.items() for one in _summaries(row, of_row))
    mean = {(one.row, one.metric, one.scope): one.mean for one in scores}
    own = results["model"]
    n_cells = min(result.sizes[POOLED] for result in own)
    smallest = {name: n for name, n in own[0].sizes.items() if name != POOLED}
    comparison = bench.compare(cells, target, seeds[0])
    drifted = most_drifted(comparison.generated.x, comparison.real.x, bench.dataset.genes)
    beyond = None
    if "floor" in results:
        beyond = float(np.mean([result.largest_drift for result in results["floor"]]))
    distances = ks_distances(comparison.generated.x, comparison.real.x)
    alarm = memorisation.alarm(
        mean["model", "train_ratio", POOLED], mean["model", "too_near", POOLED], n=n_cells
    )  # fmt: skip
    classes = tuple(dict.fromkeys(one.scope for one in scores if one.row == "model" and one.scope != POOLED))
    return Evaluation(
        dataset_id=bench.dataset.info.id,
        dataset_name=bench.dataset.info.name,
        model_id=_model_id(generated),
        label=bench.label,
        against=bench.against,
        seeds=seeds,
        n_cells=n_cells,
        scores=scores,
        too_few={name: n for name, n in smallest.items() if n < MIN_CLASS_CELLS},
        drifted=drifted,
        n_drifted=None if beyond is None else int((distances > beyond).sum()),
        memorisation=alarm,
        verdict=judge(
            lambda row, metric, scope: mean.get((row, metric, scope)),
            classes=classes,
            drifted=tuple(drift for drift in drifted if drift.distance > (beyond or 0.0)),
            memorisation=alarm,
            missing=missing,
            n_cells=n_cells,
        ),
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
    )


def _summaries(row: str, results: list[Result]) -> Iterator[Score]:
    for scope in results[0].scores:
        for metric in results[0].scores[scope]:
            # A label may have enough cells at one seed and too few at another: then the figure is over the former.
            values = [r.scores[scope][metric] for r in results if metric in r.scores.get(scope, {})]
            yield summarise(row, metric, scope, values, min(r.sizes[scope] for r in results if scope in r.sizes))


def _model_id(generated: AnnData) -> str | None:
    provenance: Any = generated.uns.get("genediff", {})
    value = provenance.get("model_id") if isinstance(provenance, dict) else None
    return None if value is None else str(value)
