"""How a perturbation column is read, level by level, as a small file: a recipe to share and to import by."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.core.json_files import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

LevelKind = Literal["control", "genes", "drug", "left out"]
Mode = Literal["knock_out", "knock_down", "activation", "treatment"]
RECIPE_FILE = "recipe.json"
"""The complete reading of a data set's perturbation column, in the data set's folder."""
SHIPPED = ASSETS / "recipes"
JOINT = " | "
"""Stands between the values of several columns where they name a perturbation together."""
_FORMAT = "genediff recipe"
_VERSION = 1
_MAX_BYTES = 20_000_000
_DOSE = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"
UNIT = r"[pnuµμm]?M|[pnuµμm]?g/m[lL]|[kI]?U/m[lL]|%|nM/L|[munµμ]mol(?:/[lL])?"
_DOSED = re.compile(rf"^(?P<name>.*?\S)[\s_@:,-]*\(?(?P<dose>{_DOSE})\s*(?P<unit>{UNIT})\)?$", re.IGNORECASE)
_DOSE_FIRST = re.compile(rf"^(?P<dose>{_DOSE})\s*(?P<unit>{UNIT})[\s_@:,-]+(?P<name>\S.*)$", re.IGNORECASE)


@dataclass(frozen=True)
class Treatment:
    """A drug, cytokine or other substance, with its dose where that is known (a number, in ``unit``)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    dose: float | None = None
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> Treatment:
        """Read "Dex_100nM", "10 ng/ml IFNB", "LPS (1 ug/ml)"; without a unit the number belongs to the name."""
        text = text.strip()
        match = _DOSED.match(text) or _DOSE_FIRST.match(text)
        if match and any(letter.isalpha() for letter in match["name"]):  # "10 nM" alone names no drug
            return cls(match["name"].rstrip(" _-@:,("), float(match["dose"]), match["unit"].replace("μ", "µ"))
        return cls(text)

    def __str__(self) -> str:
        return self.name if self.dose is None else f"{self.name} {self.dose:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class LevelReading:
    """What one level means.

    Attributes
    ----------
    level
        As the file has it; where ``pattern``, ``*`` stands for any text and ``?`` for one letter.
    kind
        "control", "genes" (``genes`` are acted on), "drug" (``treatments`` are given; cytokines and other substances
        too) or "left out".
    genes
        Sorted; as the data set calls them where it has them.
    mode
        What is done to the genes; None: as the recipe says.
    treatments
        With their doses.
    control
        The kind of control, such as "control guide" or "DMSO". Controls of different kinds are not pooled.
    note
        Why it is read so.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    level: str
    kind: LevelKind
    genes: tuple[str, ...] = ()
    mode: Mode | None = None
    treatments: tuple[Treatment, ...] = ()
    control: str = ""
    note: str = ""
    pattern: bool = False

    @property
    def acts_on(self) -> str:
        """Return genes, treatments or the kind of control as one text, as tables show it."""
        names = {"genes": self.genes, "drug": tuple(map(str, self.treatments)), "control": (self.control,)}
        return " + ".join(name for name in names.get(self.kind, ()) if name)

    def corrected(self, kind: LevelKind, text: str, dose: float | None = None, unit: str = "") -> LevelReading:
        """Return the level as a user corrects it: the kind, the names as one text, the dose of a single treatment."""
        names = [name for part in split_names(text) if (name := part.strip())]
        new = LevelReading(self.level, kind, note="corrected")
        if kind == "genes":
            return replace(new, genes=tuple(sorted(set(names))), mode=self.mode)
        if kind == "drug":
            given = tuple(Treatment.parse(name) for name in names or [self.level])
            if len(given) == 1 and dose is not None:
                given = (Treatment(given[0].name, float(dose), unit or given[0].unit),)
            return replace(new, treatments=given)
        return replace(new, control=text.strip() or "control") if kind == "control" else new


@dataclass(frozen=True)
class Recipe:
    """Which columns of a file name perturbations, and what their levels mean.

    Attributes
    ----------
    columns
        Columns of obs that name a perturbation together; the first holds the names, the second may hold doses.
    levels
        Levels, or patterns of levels, that are not read by the general rules.
    control
        The level that others are compared with; None: found.
    kind
        What levels are as a rule; None: found.
    mode
        What is done to genes where a level does not say it.
    unit
        Of doses that stand in a column of their own.
    title, source
        Of a published screen.
    label, batch, conditions
        Columns with cell types, batches and further conditions, taken where a file has them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    columns: tuple[str, ...]
    levels: tuple[LevelReading, ...] = ()
    control: str | None = None
    kind: Literal["genes", "drug"] | None = None
    mode: Mode = "knock_out"
    unit: str = ""
    title: str = ""
    source: str = ""
    label: str | None = None
    batch: str | None = None
    conditions: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Return the column of the data set that holds the levels: the only one, or the one made of several."""
        return JOINT.join(self.columns)

    def of(self, level: str) -> LevelReading | None:
        """Return what the recipe says of a level: itself, else the first pattern that matches the whole of it."""
        found = self._exact.get(level) or next((one for one in self._patterns if fnmatchcase(level, one.level)), None)
        return None if found is None else replace(found, level=level, pattern=False)

    @cached_property
    def _exact(self) -> dict[str, LevelReading]:
        return {one.level: one for one in self.levels if not one.pattern}

    @cached_property
    def _patterns(self) -> tuple[LevelReading, ...]:
        return tuple(one for one in self.levels if one.pattern)

    def fits(self, columns: Iterable[str]) -> bool:
        """Say whether a file has the columns that the recipe reads."""
        return set(self.columns) <= set(columns)

    def roles(self, columns: Iterable[str]) -> dict[str, Any]:
        """Return the fields of an import that the recipe fills, as far as the file has the columns."""
        have = set(columns)
        return {
            "perturbation": self.columns[0],
            "recipe": self,
            "label": self.label if self.label in have else None,
            "batch": self.batch if self.batch in have else None,
            "conditions": tuple(column for column in self.conditions if column in have),
        }

    def to_json(self) -> str:
        """Return the recipe as a file's text; what is as usual is left out."""
        return json.dumps({"format": _FORMAT, "version": _VERSION, **_short(asdict(self))}, indent=1,
                          ensure_ascii=False) + "\n"  # fmt: skip

    @classmethod
    def from_json(cls, text: str | bytes, name: str = "The recipe") -> Recipe:
        """Read a recipe from a file's text.

        Raises
        ------
        InputError
            When it is not one: the sentence names the first thing that is wrong.
        """
        try:
            values = parse(text)
        except ValueError:
            raise InputError(f"{name} is not JSON; give a recipe that GeneDiff wrote.") from None
        if not isinstance(values, dict) or values.pop("format", None) != _FORMAT:
            raise InputError(f"{name} is not a recipe of GeneDiff (its format is not {_FORMAT!r}).")
        if values.pop("version", None) != _VERSION:
            raise InputError(f"{name} was written by another version of GeneDiff; update GeneDiff.")
        try:
            recipe = _ADAPTER.validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{name} cannot be used: {where}: {first['msg'].lower()}.") from None
        if not recipe.columns:
            raise InputError(f"{name} cannot be used: it names no column.")
        return recipe

    @classmethod
    def of_values(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that an import's stored choices hold."""
        return _ADAPTER.validate_python(values)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe from a file.

        Raises
        ------
        InputError
            When the file is missing, too large, or no recipe.
        """
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise InputError(f"{path.name} is too large for a recipe.")
            return cls.from_json(path.read_bytes(), path.name)
        except OSError as error:
            raise InputError(f"{path.name} cannot be read: {error.strerror}.") from None


_ADAPTER = TypeAdapter(Recipe)


def shipped_recipes() -> dict[str, Recipe]:
    """Return the recipes of published screens that ship, by the stem of their file."""
    return {path.stem: Recipe.read(path) for path in sorted(SHIPPED.glob("*.json"))}


def find_recipe(name: str) -> Recipe:
    """Return a recipe by the path of its file, or by the name of one that ships.

    Raises
    ------
    InputError
        When there is neither.
    """
    if (path := Path(name)).is_file():
        return Recipe.read(path)
    known = shipped_recipes()
    if name not in known:
        raise InputError(f"There is no recipe {name!r}: it is no file, and those that ship are {', '.join(known)}.")
    return known[name]


def stored_recipe(folder: Path, column: str | None) -> Recipe | None:
    """Return how a data set's perturbation column was read at its import; None for another column or an older one."""
    path = folder / RECIPE_FILE
    if not path.is_file():
        return None
    recipe = Recipe.read(path)
    return recipe if recipe.column == column else None


def split_names(text: str, joints: str = "+") -> list[str]:
    """Split a text at joints outside brackets, and not where a marker ends in a plus (CD14+ cells)."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth = max(0, depth + (letter in "([{") - (letter in ")]}"))
        if depth or letter not in joints:
            continue
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        if letter == "+" and before.strip() and after == " " and text[place + 1 :].strip():
            continue
        parts.append(text[start:place])
        start = place + 1
    return [*parts, text[start:]]


def _short(value: Any) -> Any:
    """Leave out what is as usual."""
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items() if isinstance(one, float) or one}
    return [_short(one) for one in value] if isinstance(value, tuple | list) else value
