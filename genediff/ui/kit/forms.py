"""A form built from the fields of a config: title, one sentence, bounds and choices stand beside the field itself.

Works on pydantic models and on frozen dataclasses whose fields carry metadata (``title``, ``help``, ``low``, ``high``,
``choices``), so a new option needs no change to any page.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import streamlit as st
from pydantic import BaseModel

from genediff.ui.kit import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = int | float | str | bool
_WORDS = {
    "nb": "NB",
    "zinb": "ZINB",
    "dit": "DiT",
    "mlp": "MLP",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "dopri5": "adaptive (dopri5)",
    "variance_preserving": "variance preserving (DDPM)",
    "32-true": "32 bits",
    "bf16-mixed": "bfloat16, mixed",
    "bf16": "bfloat16",
    "fp32": "32 bits",
}


@dataclass(frozen=True)
class Option:
    """One field of a config as a form shows it; `low` and `high` are inclusive, None where there is no bound."""

    name: str
    title: str
    sentence: str
    default: Any
    kind: Literal["bool", "int", "float", "choice", "text"]
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()


def options(config: type) -> dict[str, Option]:
    """Return the options of a config class, by field name, in order (those that one widget can show).

    Raises
    ------
    TypeError
        When `config` is neither a pydantic model nor a dataclass.
    """
    if isinstance(config, type) and issubclass(config, BaseModel):
        found = (_from_pydantic(name, field) for name, field in config.model_fields.items())
    elif dataclasses.is_dataclass(config):
        hints = get_type_hints(config)
        found = (_from_dataclass(field, hints[field.name]) for field in dataclasses.fields(config))
    else:
        raise TypeError(f"config is {config!r}; a pydantic model or a dataclass is needed")
    return {option.name: option for option in found if option is not None}


def fields(
    config: type,
    current: Mapping[str, Any] | BaseModel,
    names: Iterable[str],
    *,
    key: str,
    columns: int = 2,
    disabled: bool = False,
) -> dict[str, Value]:
    """Draw the options `names` of a config and return what the reader chose.

    Parameters
    ----------
    config
        The config class.
    current
        Values to start from (a preset): widgets show these as their defaults.
    names
        Which fields, in the order in which they are shown; unknown names are skipped.
    key
        Prefix of the widgets' keys. Give another key to another preset, or the widgets keep the old preset's values.
    columns
        How many options stand side by side.
    """
    start = current.model_dump() if isinstance(current, BaseModel) else dict(current)
    known = options(config)
    shown = [known[name] for name in names if name in known]
    places = st.columns(columns)
    chosen: dict[str, Value] = {}
    for position, option in enumerate(shown):
        with places[position % columns]:
            chosen[option.name] = widget(
                option, start.get(option.name, option.default), key=f"{key}-{option.name}", disabled=disabled
            )
    return chosen


def widget(option: Option, value: Value, *, key: str, disabled: bool = False) -> Value:
    """Draw one option with its sentence, kept in the address while it differs from `value`; return what is chosen."""
    chosen: Value
    if option.kind == "bool":
        chosen = st.toggle(option.title, bool(value), key=key, disabled=disabled, bind="query-params")
    elif option.kind == "choice":
        chosen = _choice(option, value, key, disabled)
    elif option.kind == "text":
        chosen = st.text_input(option.title, str(value), key=key, disabled=disabled, bind="query-params") or ""
    else:
        chosen = _number(option, value, key, disabled)
    st.caption(option.sentence)
    return chosen


def words(choice: object) -> str:
    """Return a choice as a reader expects it: "nb" is written NB, and underscores are spaces."""
    return _WORDS.get(str(choice), str(choice).replace("_", " "))


def _choice(option: Option, value: Value, key: str, disabled: bool) -> Value:
    choices = list(option.choices)
    accept_ids(key, {choice: words(choice) for choice in choices}, title=option.title)
    return st.selectbox(
        option.title,
        choices,
        index=choices.index(value) if value in choices else 0,
        format_func=words,
        key=key,
        disabled=disabled,
        bind="query-params",
    )


def accept_ids(key: str, shown: Mapping[Any, str], *, title: str, many: bool = False) -> None:
    """Let the address name a choice as configurations and the command line do; a choice that is not there is told.

    Streamlit knows the words on the page alone ("Euler"), and takes the default for any others without a word. To be
    called before the widget is drawn.

    Parameters
    ----------
    key
        Of the widget, and of its part of the address.
    shown
        The words on the page, by the choice.
    title
        What is chosen, as the page calls it.
    many
        Whether several may be chosen.
    """
    given = st.query_params.get_all(key)
    if not given or all(one in shown.values() for one in given):
        return
    known: dict[str, Any] = {word: choice for choice, word in shown.items()}
    known |= {str(choice): choice for choice in shown}
    missing = [one for one in given if one not in known]
    if missing:
        st.warning(f"There is no {title.lower()} “{explain.plain(missing[0])}” here; the usual choice is shown.")
        return
    del st.query_params[key]  # the widget writes it again, in its own words
    chosen = [known[one] for one in given]
    st.session_state[key] = chosen if many else chosen[-1]


def _number(option: Option, value: Value, key: str, disabled: bool) -> int | float:
    cast = int if option.kind == "int" else float
    return st.number_input(
        option.title,
        min_value=None if option.low is None else cast(option.low),
        max_value=None if option.high is None else cast(option.high),
        value=cast(value),
        step=_step(option, cast(value)),
        format="%d" if option.kind == "int" else "%.6g",
        key=key,
        disabled=disabled,
        bind="query-params",
    )


def _step(option: Option, value: float) -> int | float:
    """Return a step one decimal place below the value: 100 for 4000, 0.0001 for 0.001."""
    size = abs(value) or 1.0
    power = 10.0 ** (math.floor(math.log10(size)) - 1)
    return max(1, int(power)) if option.kind == "int" else power


def _from_pydantic(name: str, field: Any) -> Option | None:
    low, high = _bounds(field.metadata)
    return _option(
        name, field.annotation, field.title, field.description, field.get_default(call_default_factory=True), low, high
    )


def _from_dataclass(field: dataclasses.Field, annotation: Any) -> Option | None:
    facts = dict(field.metadata)
    default = field.default if field.default is not dataclasses.MISSING else None
    option = _option(
        field.name, annotation, facts.get("title"), facts.get("help"), default, facts.get("low"), facts.get("high")
    )
    if option is not None and facts.get("choices"):
        return dataclasses.replace(option, kind="choice", choices=tuple(facts["choices"]))
    return option


def _option(
    name: str, annotation: Any, title: str | None, sentence: str | None, default: Any, low: Any, high: Any
) -> Option | None:
    kind: Literal["bool", "int", "float", "choice", "text"]
    choices: tuple[Any, ...] = ()
    if get_origin(annotation) is Literal:
        kind, choices = "choice", get_args(annotation)
    elif annotation in (bool, int, float, str):
        kinds: dict[Any, Any] = {bool: "bool", int: "int", float: "float", str: "text"}
        kind = kinds[annotation]
    else:
        return None
    words = title or name.replace("_", " ").capitalize()
    return Option(name, words, sentence or "", default, kind, low, high, choices)


def _bounds(metadata: Iterable[Any]) -> tuple[float | None, float | None]:
    low = high = None
    for limit in metadata:
        low = getattr(limit, "ge", getattr(limit, "gt", low))
        high = getattr(limit, "le", getattr(limit, "lt", high))
    return low, high
