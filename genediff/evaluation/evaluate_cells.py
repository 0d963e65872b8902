"""Judge generated cells: match them with held-out ones, score them, and put floor and baselines beside them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError
from genediff.distributed import ALONE
from genediff.evaluation import cache as store
from genediff.evaluation import memorisation, real_cells
from genediff.evaluation.baseline import MOST_FITTED
from genediff.evaluation.baselines import BASELINES
from genediff.evaluation.bench import NOT_ASKED, OTHER_HALF, Bench, Result, row_results, without_counts
from genediff.evaluation.drift import chance_distance, ks_distances, most_drifted
from genediff.evaluation.evaluation_report import ROW_TITLES, Evaluation
from genediff.evaluation.generation_verdict import judge
from genediff.evaluation.matching import Target, choose_target, match, n_draws, target_of
from genediff.evaluation.near_training import near_training
from genediff.evaluation.prepared_cells import MIN_CLASS_CELLS
from genediff.evaluation.scoring import POOLED, Score, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from anndata import AnnData

    from genediff.data.cells.dataset import Dataset
    from genediff.distributed import Ranks
    from genediff.evaluation.held_out_nats import NatsAtDepth
    from genediff.evaluation.memorisation import StateCopies
    from genediff.evaluation.real_cells import Source
    from genediff.models.generative_model import GenerativeModel

SEEDS = (0, 1, 2, 3, 4)
"""Comparisons, and draws of generated cells where there are cells enough."""


def evaluate(
    generated: AnnData,
    dataset: Dataset,
    *,
    seeds: Sequence[int] = SEEDS,
    label: str | None = None,
    classes: Sequence[str] | None = None,
    against: str = "test",
    max_cells: int = 2000,
    baselines: Sequence[str] = tuple(BASELINES),
    model: GenerativeModel | None = None,
    cache: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Judge generated cells by held-out real ones, beside what two real samples and simple baselines reach.

    With generated cells enough every seed looks at cells of its own, so that the spread over seeds is that of
    generating anew. Everything fitted (components, bandwidth, baselines) comes from training cells. The floor is
    validation against test cells: both are as new to the components as generated cells should be, which training cells
    are not. Each comparison is between equally many cells in the class mix of the real ones, drawn anew for each seed.
    Floor and baselines are kept in a cache, since they do not depend on the generated cells.

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
        Rows beside the model: names in `BASELINES`. "permuted" is the negative control of the dynamic range.
    model
        That generated them, where it is at hand: its tokens are then asked too whether states of training cells are
        copied.
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
    cells = real_cells.of_anndata(generated, dataset, label)
    bench = _bench(cells, dataset, label, classes, against, tuple(seeds), cache, cancelled)
    target, missing, notes = _plan(bench, cells, max_cells)
    rows, left_out = _rows(bench, baselines)
    results: dict[str, list[Result]] = {"model": [], **{row: [] for row in rows}}
    report, n_done, n_all = progress or _silent, 0, len(seeds) * len(results)
    own: dict[int, Result] = {}
    for place, row in enumerate(results):
        numbers = range(place * len(seeds), (place + 1) * len(seeds))
        mine = {seeds[number - numbers[0]]: number for number in numbers if number in ranks.share(n_all)}
        for seed, result in row_results(bench, row, cells, target, only=tuple(mine)):
            own[mine[seed]] = result
            n_done = min(n_all, n_done + ranks.size)
            report(n_done / n_all, f"{ROW_TITLES[row].lower()}, {seeds.index(seed) + 1} of {len(seeds)}")
    every = iter(ranks.collect(own))
    results = {row: [next(every) for _ in seeds] for row in results}
    states = _copied_states(model, cells)
    nats = None if model is None else _nats(model, dataset, against)
    notes = [*notes, *left_out]
    return _assemble(bench, generated, cells, target, results, missing, tuple(notes), states, nats, started)


def keep_rows(
    dataset: Dataset,
    *,
    label: str | None = None,
    classes: Sequence[str] | None = None,
    steps: Sequence[float] = (1.0,),
    max_cells: int = 2000,
    baselines: Sequence[str] = tuple(BASELINES),
    cache: Path | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[tuple[float, str]]:
    """Work out floor and baselines ahead of the first generated cells, and keep them; yields the share done and what.

    Parameters
    ----------
    dataset, label, classes, max_cells, baselines, cache, cancelled
        As for `evaluate`.
    steps
        Generated cells, as a share of the real ones, of the `STEPS` of `genediff.evaluation.matching`.

    Raises
    ------
    InputError
        When there are no held-out cells to compare with.
    Cancelled
        When `cancelled` says so; what was kept until then stays.
    """
    label = dataset.info.label if label is None else label
    real = real_cells.of_split(dataset, "test", label)
    bench = _bench(real, dataset, label, classes, "test", SEEDS, cache, cancelled)
    rows, _ = _rows(bench, baselines)
    keys = bench.real_keys[bench.real_keys != NOT_ASKED]
    targets = [target_of(keys, step=step, max_cells=max_cells) for step in steps]
    wanted = [(target, row) for target in targets if target.n >= MIN_CLASS_CELLS for row in rows]
    for number, (target, row) in enumerate(wanted):
        yield number / len(wanted), f"{ROW_TITLES[row].lower()}, {target.n:,} cells"
        for _ in row_results(bench, row, real, target, only=SEEDS):
            pass


def _copied_states(model: GenerativeModel | None, cells: Source) -> list[StateCopies]:
    found = [near_training(cells, cells.dataset)]
    if model is not None:
        from genediff.evaluation.state_copies import state_copies  # torch is slow to import, and most readers need none

        found.append(state_copies(model, cells.values, cells.dataset))
    return [one for one in found if one is not None]


def _nats(model: GenerativeModel, dataset: Dataset, against: str) -> NatsAtDepth | None:
    """Return what the model's likelihood of held-out molecules is at the depth nearest to 100, if it has one."""
    from genediff.evaluation.held_out_nats import USUAL_DEPTH, held_out_nats

    if not model.in_count_space or tuple(dataset.genes) != tuple(model.genes):
        return None
    try:
        rows = held_out_nats(model, dataset, split=against, depths=(USUAL_DEPTH * 3 // 10, USUAL_DEPTH)).rows
    except InputError:  # cells too shallow, or too few
        return None
    return rows[-1]


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
    seeds: tuple[int, ...],
    cache: Path | None,
    cancelled: Callable[[], bool] | None,
) -> Bench:
    real = real_cells.of_split(dataset, against, label)
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
    return Bench(dataset, real, label, by_label, there, against, seeds, folder, cancelled)


def _plan(bench: Bench, cells: Source, max_cells: int) -> tuple[Target, tuple[str, ...], list[str]]:
    generated, real = bench.keys(cells.codes), bench.real_keys
    used = generated[generated != NOT_ASKED]
    if not len(used):
        raise InputError(f"None of the generated cells has a '{bench.label}' that the {bench.against} cells have.")
    target = choose_target(used, real[real != NOT_ASKED], max_cells=max_cells)
    n_first = len(match(generated, real, target, seed=0)[0])
    if n_first < MIN_CLASS_CELLS:
        raise InputError(_too_few(bench, int((real != NOT_ASKED).sum()), len(used)))
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
    own = n_draws(generated, real, target, most=len(bench.seeds))
    notes.append(
        f"± is the standard deviation over {len(bench.seeds)} comparisons, "
        + (f"each with generated cells of its own ({own} draws)." if own == len(bench.seeds) else
           f"which share cells: there are enough for {own} separate draw{'s' if own > 1 else ''}.")
    )  # fmt: skip
    notes.append("Wasserstein distance²: the mean over 5 halvings within types, each with all four pairs of halves.")
    return target, tuple(short), notes


def _too_few(bench: Bench, n_real: int, n_generated: int) -> str:
    kind = f" {next(iter(bench.classes))}" if len(bench.classes) == 1 else ""
    scarce = f"the data set holds {n_real}{kind} {bench.against} cells" if n_real < MIN_CLASS_CELLS else (
        f"{n_generated} were generated"
    )  # fmt: skip
    return f"Too few cells to evaluate: {scarce}, and at least {MIN_CLASS_CELLS} are needed."


def _rows(bench: Bench, baselines: Sequence[str]) -> tuple[list[str], list[str]]:
    rows, notes = [], []
    n_floor = len(bench.dataset.rows(OTHER_HALF[bench.against]))
    if n_floor >= MIN_CLASS_CELLS:
        rows.append("floor")
    else:
        notes.append("There is no second held-out part of the cells, so what two real samples reach is not known.")
    rows += [name for name in baselines if name != "subclusters" or bench.real.are_counts]
    if "independent_nb" in rows and _largest_class(bench) > MOST_FITTED:
        notes.append(f"Simple baselines were fitted to {MOST_FITTED:,} training cells of a type at most.")
    if "independent_nb" in rows and not bench.dataset.info.has_counts:
        notes.append("Without counts, independent genes are drawn from a Gaussian with zeros, and there is no mixture.")
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
    results: dict[str, list[Result]],
    missing: tuple[str, ...],
    notes: tuple[str, ...],
    states: list[StateCopies],
    nats: NatsAtDepth | None,
    started: float,
) -> Evaluation:
    own_draws = n_draws(bench.keys(cells.codes), bench.real_keys, target, most=len(bench.seeds))
    draws = {"model": own_draws}
    scores = tuple(one for row, of_row in results.items() for one in _summaries(row, of_row, draws.get(row)))
    mean = {one.metric: one.mean for one in scores if one.row == "model" and one.scope == POOLED}
    own = results["model"]
    n_cells = min(result.sizes[POOLED] for result in own)
    smallest = {name: n for name, n in own[0].sizes.items() if name != POOLED}
    comparison = bench.compare(cells, target, bench.seeds[0])
    own_cells, real = comparison.generated, comparison.real
    drifted = most_drifted(own_cells.x, real.x, bench.dataset.genes)
    codes = (side.codes if bench.by_label else np.zeros(len(side), dtype=int) for side in (own_cells, real))
    beyond = chance_distance(own_cells.x, real.x, *codes, seed=bench.seeds[0])
    n_drifted = int((ks_distances(own_cells.x, real.x) > beyond).sum())
    alarm = memorisation.alarm(mean["train_ratio"], mean["too_near"], n=n_cells, states=states)
    return Evaluation(
        dataset_id=bench.dataset.info.id,
        dataset_name=bench.dataset.info.name,
        model_id=_model_id(generated),
        label=bench.label,
        against=bench.against,
        seeds=bench.seeds,
        n_cells=n_cells,
        scores=scores,
        too_few={name: n for name, n in smallest.items() if n < MIN_CLASS_CELLS},
        drifted=drifted,
        n_drifted=n_drifted,
        chance_distance=beyond,
        memorisation=alarm,
        verdict=judge(
            scores,
            drifted=drifted[:n_drifted],
            memorisation=alarm,
            missing=missing,
            nats=nats,
        ),
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
    )


def _summaries(row: str, results: list[Result], draws: int | None) -> Iterator[Score]:
    for scope in results[0].scores:
        for metric in results[0].scores[scope]:
            # A label may have enough cells at one seed and too few at another: then the figure is over the former.
            values = [r.scores[scope][metric] for r in results if metric in r.scores.get(scope, {})]
            n = min(result.sizes[scope] for result in results if scope in result.sizes)
            yield summarise(row, metric, scope, values, n, draws=draws)


def _model_id(generated: AnnData) -> str | None:
    provenance: Any = generated.uns.get("genediff", {})
    value = provenance.get("model_id") if isinstance(provenance, dict) else None
    return None if value is None else str(value)
