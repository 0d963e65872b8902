"""From a comparison to the runs it means: every one complete and repeatable before the first begins."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, fields
from statistics import median
from typing import TYPE_CHECKING

from genediff.comparison.config import BASELINE, Entry
from genediff.core.errors import InputError
from genediff.models.config import SPACE_NAMES
from genediff.training.presets import preset_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from genediff.comparison.config import ComparisonConfig
    from genediff.data.cells.dataset_info import DatasetInfo
    from genediff.models.config import RunConfig
    from genediff.tokenizers import Tokenizer

EVALUATIONS = {"euler": 1.0, "ddim": 1.0, "ancestral": 1.0, "heun": 2.0, "dopri5": 6.0}
"""Passes through the network per sampling step; for the adaptive solver what ten steps stand for, as seen in runs."""
JUDGING = 13.0
"""Seconds that judging one draw of a thousand generated cells takes on two CPU cores, without generating them; where
models were evaluated on this machine before, theirs are used."""
_LAST = 5


@dataclass(frozen=True)
class Throughput:
    """Seconds per training step of each stage, and of fitting the start; what a space does not have is 0."""

    autoencoder: float
    flow: float
    start: float = 0.0


@dataclass(frozen=True)
class PlannedRow:
    """One row of the leaderboard before anything was trained."""

    entry: Entry
    title: str
    space: str
    claims: tuple[str, ...]
    run: RunConfig
    seconds: float | None
    """That training takes for one seed, where it was measured."""


@dataclass(frozen=True)
class Plan:
    """A comparison with everything decided."""

    config: ComparisonConfig
    rows: tuple[PlannedRow, ...]

    @property
    def runs(self) -> tuple[tuple[int, int, RunConfig], ...]:
        """Place of the row, seed, and run, in order: every row at the first seed, then at the next."""
        return tuple(
            (place, seed, row.run.model_copy(update={"seed": seed, "name": f"{row.title}, seed {seed}"}))
            for seed in self.config.seeds
            for place, row in enumerate(self.rows)
        )


def make_plan(config: ComparisonConfig, info: DatasetInfo, throughputs: Mapping[str, Throughput] | None = None) -> Plan:
    """Return the runs of a comparison.

    Parameters
    ----------
    config
        What is compared.
    info
        The data set.
    throughputs
        By the key of an entry; needed for a budget in minutes, which is turned into steps here, once. Both stages keep
        the preset's proportion of time.

    Raises
    ------
    InputError
        For an unknown strategy or option, a space or a control that a strategy does not have, or missing throughputs.
    """
    rows = []
    for entry in config.entries:
        run = base_run(config, entry, info)
        throughput = (throughputs or {}).get(entry.key)
        run = _budgeted(run, config, throughput)
        seconds = None if throughput is None else training_seconds(run, throughput)
        rows.append(PlannedRow(entry, title_of(entry), run.model.space, _claims(entry), run, seconds))
    return Plan(config, tuple(rows))


def with_baselines(entries: Sequence[Entry], *, has_counts: bool) -> tuple[Entry, ...]:
    """Return the rows, with the flat vector in every space that they use where it is among them in one.

    A strategy is measured against the flat vector of its own space.
    """
    here = [(entry, entry.space or _strategy(entry.strategy).default_space(has_counts=has_counts)) for entry in entries]
    covered = {space for entry, space in here if entry.strategy == BASELINE}
    kind = _strategy(BASELINE)
    missing = [space for space in kind.spaces if covered and space not in covered and space in {s for _, s in here}]
    return (*entries, *(Entry.model_validate({"strategy": BASELINE, "space": space}) for space in missing))


def base_run(config: ComparisonConfig, entry: Entry, info: DatasetInfo) -> RunConfig:
    """Return the run of an entry before its budget: the preset for its strategy, with what the comparison changes."""
    run = preset_run(config.preset, info, strategy=entry.strategy, space=entry.space, conditions=config.conditions)
    kind = _strategy(entry.strategy)
    if entry.shuffled and not kind.needs:
        raise InputError(f"{kind.title} know no gene sets or network, so they have no shuffled control.")
    changes: dict[str, object] = {"shuffled": entry.shuffled}
    if entry.options:
        _check_options(entry)
        changes["tokenizer_options"] = {**run.model.tokenizer_options, **entry.options}
    if config.path is not None:
        changes["path"] = config.path
    if config.predict is not None and run.model.space == "latent":
        changes["predict"] = config.predict
    model = run.model.model_copy(update=changes)
    return run.model_copy(update={"model": model, "device": config.device})


def title_of(entry: Entry) -> str:
    """Return what a table calls an entry."""
    kind = _strategy(entry.strategy)
    words = {field.name: str(field.metadata.get("title", field.name)).lower() for field in fields(kind.Config)}
    parts = [kind.title]
    if entry.space and entry.space != kind.spaces[0]:
        parts.append(SPACE_NAMES[entry.space])
    parts += [f"{value} {words.get(name, name)}" for name, value in entry.options.items()]
    if entry.shuffled:
        parts.append("shuffled")
    return ", ".join(parts)


def training_seconds(run: RunConfig, throughput: Throughput) -> float:
    """Return what training takes, all stages."""
    first = run.train.tokenizer_steps * throughput.autoencoder if run.model.space == "latent" else 0.0
    return throughput.start + first + run.train.steps * throughput.flow


def judging_throughput(models: Path) -> float:
    """Return the seconds that judging a draw of a thousand cells took on this machine: the median of the last models.

    Parameters
    ----------
    models
        Folder of the user's own models; shipped ones were evaluated elsewhere.
    """
    from genediff.evaluation import Evaluation
    from genediff.models.model_info import EVALUATION_FILE

    found = sorted(models.glob(f"*/{EVALUATION_FILE}"), key=lambda path: path.stat().st_mtime)[-_LAST:]
    seconds = []
    for path in found:
        with suppress(InputError):  # one that cannot be read is named elsewhere
            one = Evaluation.read(path)
            seconds.append(1000 * one.seconds / (one.n_cells * len(one.seeds)))
    return median(seconds) if seconds else JUDGING


def judging_seconds(run: RunConfig, throughput: Throughput, n_test: int, judging: float = JUDGING) -> float:
    """Return about what generating and judging the cells of a model takes; ``judging`` as `judging_throughput` has it.

    As many cells as there are test cells (at most 2,000) are generated and judged for each of five draws.
    """
    from genediff.evaluation.evaluate_cells import SEEDS

    n = len(SEEDS) * min(n_test, 2000)
    passes = EVALUATIONS[run.sample.sampler] * (10 if run.sample.sampler == "dopri5" else run.sample.n_steps)
    # A pass without gradients costs about a third of a training step of as many cells.
    return judging * n / 1000 + passes * throughput.flow / 3 * n / run.train.batch_size


def _budgeted(run: RunConfig, config: ComparisonConfig, throughput: Throughput | None) -> RunConfig:
    train, latent = run.train, run.model.space == "latent"
    if config.steps is not None:
        whole = (train.tokenizer_steps if latent else 0) + train.steps
        share = config.steps / whole
    elif config.minutes is not None:
        if throughput is None:
            raise InputError("A budget in minutes needs the throughput of every row on this machine; measure it first.")
        left = 60 * config.minutes - throughput.start
        if left < throughput.start:
            least = math.ceil(throughput.start / 3) / 10  # in minutes
            raise InputError(
                f"{config.minutes:g} minutes are too few: fitting the start of count space takes "
                f"{throughput.start:.0f} seconds of them before a token is learned. Allow at least {least:g}."
            )
        share = left / (training_seconds(run, throughput) - throughput.start)
    else:
        return run
    first = max(1, round(train.tokenizer_steps * share)) if latent and train.tokenizer_steps else 0
    steps = max(1, round(train.steps * share) if config.minutes else config.steps - first)  # type: ignore[operator]
    # Stopping early would leave part of a row's budget unused.
    changes = {"steps": steps, "patience": 0} | ({"tokenizer_steps": first} if latent else {})
    return run.model_copy(update={"train": train.model_copy(update=changes)})


def _strategy(name: str) -> type[Tokenizer]:
    from genediff.tokenizers import TOKENIZERS

    if name not in TOKENIZERS:
        raise InputError(f"unknown strategy {name!r}; known: {', '.join(TOKENIZERS)}")
    return TOKENIZERS[name]


def _claims(entry: Entry) -> tuple[str, ...]:
    return tuple(_strategy(entry.strategy).claims)


def _check_options(entry: Entry) -> None:
    kind = _strategy(entry.strategy)
    known = [field.name for field in fields(kind.Config)]
    if unknown := sorted(set(entry.options) - set(known)):
        raise InputError(f"{kind.title} have no option {unknown[0]!r}; known: {', '.join(known)}.")
