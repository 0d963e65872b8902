"""A strategy as a user chooses it: its options and the knowledge it shall be built on, before it meets any genes."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genediff.tokenizers.base import Tokenizer

Need = Literal["gene_sets", "network"]


@dataclass(frozen=True)
class Tokenization:
    """A chosen strategy.

    Parameters
    ----------
    strategy
        Its name, such as "pathway".
    options
        Fields of its ``Config``; those left out are as the preset has them.
    knowledge
        What it is built on by kind, "gene_sets" or "network": an id of the library, "nmf:40", "inferred:5000", a file.
    shuffled
        The control: members of gene sets, or edges, at random, with all sizes and degrees as they are.
    """

    strategy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    knowledge: Mapping[Need, str] = field(default_factory=dict)
    shuffled: bool = False

    def __repr__(self) -> str:
        shown = {str(name): value for name, value in (*self.knowledge.items(), *self.options.items())}
        if self.shuffled:
            shown["shuffled"] = True
        return f"{self.strategy}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class Choose(Protocol):
    """What makes a `Tokenization` of keyword arguments."""

    def __call__(self, **choices: Any) -> Tokenization:
        """Return the choice; InputError for an option that the strategy does not have."""


def chooser(strategy: type[Tokenizer]) -> Choose:
    """Return a function with the options of a strategy as its keywords: ``Pathway(gene_sets="hallmark")``."""
    options = [one.name for one in dataclasses.fields(strategy.Config)]
    extra = [*strategy.needs, *(["shuffled"] if strategy.needs else [])]

    def choose(**choices: Any) -> Tokenization:
        if unknown := sorted(set(choices) - {*options, *extra}):
            raise InputError(f"{strategy.title} have no option {unknown[0]!r}; known: {', '.join([*extra, *options])}.")
        knowledge: dict[Need, str] = {n: str(choices[n]) for n in strategy.needs if choices.get(n) is not None}
        return Tokenization(
            strategy.name,
            {name: value for name, value in choices.items() if name in options},
            knowledge,
            bool(choices.get("shuffled", False)),
        )

    choose.__name__ = choose.__qualname__ = strategy.__name__
    choose.__doc__ = _describe(strategy, extra)
    signature = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in [*extra, *options]]
    choose.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    return choose


_EXTRA = {
    "gene_sets": ("str", 'Id of the library ("hallmark"), "nmf:40" for modules of the training cells, or a GMT file.'),
    "network": ("str", 'Id of the library ("collectri"), "inferred:5000" for edges found in the cells, or a file.'),
    "shuffled": ("bool", "The control: members or edges at random, sizes and degrees kept."),
}


def _describe(strategy: type[Tokenizer], extra: list[str]) -> str:
    lines = [f"{strategy.sentence}", "", "Parameters", "----------"]
    for name in extra:
        lines += [f"{name} : {_EXTRA[name][0]}, optional", f"    {_EXTRA[name][1]}"]
    for one in dataclasses.fields(strategy.Config):
        lines += [f"{one.name} : {one.type}, optional", f"    {one.metadata.get('help', '')} Default: {one.default}."]
    return "\n".join([*lines, "", "References", "----------", strategy.reference, ""])
