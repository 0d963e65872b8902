"""What is compared, and under which budget: plain values, the same after a trip through JSON."""

from __future__ import annotations

from collections import Counter
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genediff.core.errors import InputError
from genediff.models.config import Option

Space = Literal["latent", "gene", "counts"]
BASELINE = "mlp"
"""The strategy that the others are measured against: the flat vector."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Frozen):
    """One row of a leaderboard: a strategy, in one space, as it is or as its own control."""

    strategy: str
    space: Space | None = Field(None, description="The strategy's own choice where None.")
    shuffled: bool = Field(False, description="Its gene sets or network shuffled: the control.")
    options: dict[str, Option] = Field(default_factory=dict, description="Options of the strategy that differ.")

    @property
    def key(self) -> str:
        """A short text that tells it from other entries: rank, latent:gene, pathway:shuffled, latent:n_tokens=16."""
        parts = [self.strategy, *([self.space] if self.space else []), *(["shuffled"] if self.shuffled else [])]
        return ":".join([*parts, *(f"{name}={value}" for name, value in self.options.items())])


class ComparisonConfig(_Frozen):
    """Everything that a comparison needs to be repeated.

    With neither ``steps`` nor ``minutes`` every strategy is trained as long as its preset says.
    """

    name: str = ""
    dataset_id: str
    entries: tuple[Entry, ...] = Field(min_length=1)
    preset: str = "quick"
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    steps: int | None = Field(None, ge=2, le=10_000_000, description="Steps of all stages together, for every row.")
    minutes: float | None = Field(None, gt=0, le=100_000, description="Training time of every row on this machine.")
    conditions: tuple[str, ...] | None = Field(None, description="Columns to condition on; the label where None.")
    path: Literal["rectified_flow", "variance_preserving"] | None = None
    predict: Literal["velocity", "noise", "data"] | None = Field(
        None, description="In latent space; data in gene space."
    )
    device: str = "auto"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.steps is not None and self.minutes is not None:
            raise ValueError("a budget is in steps or in minutes, not in both")
        for what, given in (("seeds", self.seeds), ("entries", [entry.key for entry in self.entries])):
            twice = [str(item) for item, n in Counter(given).items() if n > 1]
            if twice:
                raise ValueError(f"{what} name {twice[0]} twice")
        if any(not 0 <= seed < 2**31 for seed in self.seeds):
            raise ValueError("seeds are whole numbers from 0 to 2147483647")
        return self

    @property
    def budget(self) -> str:
        """The budget in words."""
        if self.steps is not None:
            return f"{self.steps:,} steps each"
        if self.minutes is not None:
            return f"{self.minutes:g} min of training each"
        return f"the steps of the preset {self.preset}"


def read_config(content: object) -> ComparisonConfig:
    """Return the configuration from plain values; InputError says which one is wrong."""
    try:
        return ComparisonConfig.model_validate(content)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise InputError(f"This comparison cannot be made: {f'{where}: ' if where else ''}{what}.") from None


def read_entry(text: str) -> Entry:
    """Read an entry as it is typed: rank, latent:gene, pathway:shuffled, latent:n_tokens=16:n_channels=2.

    Raises
    ------
    InputError
        For a part that is neither a space, nor "shuffled", nor an option.
    """
    import json

    strategy, *parts = text.split(":")
    space: str | None = None
    shuffled, options = False, {}
    for part in parts:
        name, equals, value = part.partition("=")
        if part in get_args(Space):
            space = part
        elif part == "shuffled":
            shuffled = True
        elif equals and name and value:
            try:
                options[name] = json.loads(value)
            except json.JSONDecodeError:
                options[name] = value
        else:
            raise InputError(
                f"{text!r} has a part that means nothing ({part!r}); write latent, gene, counts, shuffled or "
                "name=value."
            )
    return Entry.model_validate({"strategy": strategy, "space": space, "shuffled": shuffled, "options": options})


def token_sweep(strategy: str, values: tuple[int, ...], *, option: str = "n_tokens") -> tuple[Entry, ...]:
    """Return entries that differ in one option of a strategy alone: how many tokens are enough?"""
    return tuple(Entry(strategy=strategy, options={option: value}) for value in values)
