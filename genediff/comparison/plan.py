"""From a comparison to the runs it means: every one complete and repeatable before the first begins."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from genediff.comparison.config import BASELINE, Entry
from genediff.errors import InputError
from genediff.presets import in_gene_space, preset_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.comparison.config import ComparisonConfig
    from genediff.config import RunConfig
    from genediff.data.info import DatasetInfo
    from genediff.tokenizers import Tokenizer

EVALUATIONS = {"euler": 1.0, "ddim": 1.0, "heun": 2.0, "dopri5": 6.0}
"""Passes through the network per sampling step; for the adaptive solver what ten steps stand for, as seen in runs."""
JUDGING = 40.0
"""Seconds that judging a thousand generated cells takes on two CPU cores, without generating them."""


@dataclass(frozen=True)
class Pace:
    """Seconds per training step of each stage; the first is 0 in gene space."""

    autoencoder: float
    flow: float


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


def make_plan(config: ComparisonConfig, info: DatasetInfo, paces: Mapping[str, Pace] | None = None) -> Plan:
    """Return the runs of a comparison.

    Parameters
    ----------
    config
        What is compared.
    info
        The data set.
    paces
        By the key of an entry; needed for a budget in minutes, which is turned into steps here, once. Both stages keep
        the preset's proportion of time.

    Raises
    ------
    InputError
        For an unknown strategy or option, a space or a control that a strategy does not have, or missing paces.
    """
    rows = []
    for entry in config.entries:
        run = base_run(config, entry, info)
        pace = (paces or {}).get(entry.key)
        run = _budgeted(run, config, pace)
        seconds = None if pace is None else training_seconds(run, pace)
        rows.append(PlannedRow(entry, title_of(entry), run.model.space, _claims(entry), run, seconds))
    return Plan(config, tuple(rows))


def with_baselines(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the rows, with the flat vector in every space that they use where it is among them in one.

    A strategy is measured against the flat vector of its own space.
    """
    here = [(entry, entry.space or _strategy(entry.strategy).spaces[0]) for entry in entries]
    covered = {space for entry, space in here if entry.strategy == BASELINE}
    kind = _strategy(BASELINE)
    missing = [space for space in kind.spaces if covered and space not in covered and space in {s for _, s in here}]
    return (*entries, *(Entry(strategy=BASELINE, space="gene" if space == "gene" else "latent") for space in missing))


def base_run(config: ComparisonConfig, entry: Entry, info: DatasetInfo) -> RunConfig:
    """Return the run of an entry before its budget: the preset for its strategy, with what the comparison changes."""
    run = preset_run(config.preset, info, strategy=entry.strategy, conditions=config.conditions)
    kind = _strategy(entry.strategy)
    space = entry.space or kind.spaces[0]
    if space not in kind.spaces:
        raise InputError(f"{kind.title} do not work in {space} space; choose {' or '.join(kind.spaces)}.")
    if entry.shuffled and not kind.needs:
        raise InputError(f"{kind.title} know no gene sets or network, so they have no shuffled control.")
    if space == "gene":
        run = in_gene_space(run)
    changes: dict[str, object] = {"shuffled": entry.shuffled, "space": space}
    if entry.options:
        _check_options(entry)
        changes["tokenizer_options"] = {**run.model.tokenizer_options, **entry.options}
    if config.path is not None:
        changes["path"] = config.path
    if config.predict is not None and space == "latent":
        changes["predict"] = config.predict
    model = run.model.model_copy(update=changes)
    return run.model_copy(update={"model": model, "device": config.device})


def title_of(entry: Entry) -> str:
    """Return what a table calls an entry."""
    kind = _strategy(entry.strategy)
    words = {field.name: str(field.metadata.get("title", field.name)).lower() for field in fields(kind.Config)}
    parts = [kind.title]
    if entry.space and entry.space != kind.spaces[0]:
        parts.append(f"{entry.space} space")
    parts += [f"{value} {words.get(name, name)}" for name, value in entry.options.items()]
    if entry.shuffled:
        parts.append("shuffled")
    return ", ".join(parts)


def training_seconds(run: RunConfig, pace: Pace) -> float:
    """Return what training takes, both stages."""
    first = run.train.tokenizer_steps * pace.autoencoder if run.model.space == "latent" else 0.0
    return first + run.train.steps * pace.flow


def judging_seconds(run: RunConfig, pace: Pace, n_test: int) -> float:
    """Return about what generating and judging the cells of a model takes."""
    n = min(n_test, 2000)
    passes = EVALUATIONS[run.sample.sampler] * (10 if run.sample.sampler == "dopri5" else run.sample.n_steps)
    # A pass without gradients costs about a third of a training step of as many cells.
    return JUDGING * n / 1000 + passes * pace.flow / 3 * n / run.train.batch_size


def _budgeted(run: RunConfig, config: ComparisonConfig, pace: Pace | None) -> RunConfig:
    train, latent = run.train, run.model.space == "latent"
    if config.steps is not None:
        whole = (train.tokenizer_steps if latent else 0) + train.steps
        share = config.steps / whole
    elif config.minutes is not None:
        if pace is None:
            raise InputError("A budget in minutes needs the pace of every row on this machine; measure it first.")
        share = 60 * config.minutes / training_seconds(run, pace)
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
