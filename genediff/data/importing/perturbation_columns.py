"""Which obs columns of a file name perturbations, alone or together, and what else the file says of their levels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.data.importing.column_roles import as_levels
from genediff.data.importing.perturbation_names import PerturbationLevels, perturbations
from genediff.data.importing.read_levels import Evidence, read_levels
from genediff.data.importing.recipe import JOINT, Mode, Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.data.importing.features import Features
    from genediff.data.importing.read_file import CellFile


Guides = Mapping[str, Mapping[str, Any]]
"""What a file lists of each guide: its role, the genes that it targets."""

_NAMES = (  # names that a column with perturbations has, the surest first
    (r"^perturbations?$|^genetic_perturbation_id$|^drugname_drugconc$",),
    (
        r"^(condition|guide[_ ]identity|product_name|sm_name|cytokines?|(target_?)?gene(_?target)?s?|drugs?|compounds?|"
        r"treatments?|perturbagen|pert(_name|_iname)?|stim(ulus|ulation)?|ligand|feature_call|protospacer_call|"
        r"perturbation[_ ]name|perturbed_gene|gene_?symbol_?target)$",
        r"^(guide|sg_?rna|grna)(_?(id|name|call|target|gene))?s?$|^sgid(_ab)?$|^gene_transcript$",
    ),
    (r"perturb",),
    (r"knock|guide|s?grna|crispr|treat|condition|drug|compound|cytokine|stim",),
    (
        r"^(genotype|edit(ed)?(_?gene)?|orf|transgene|over_?expression|(sh|si)(rna)?|infect(ion|ed|ed_with)|virus|"
        r"pathogen|tf|transcription_factor)s?$",
    ),
    (r"^targets?$|^(target|agent|inhibitor|molecule|small_molecule|product_dose|drug_dose)",),
)
_NO_NAME = re.compile(
    r"strateg|(?<!geno)type$|_?class$|status|pathway|count|number|umi|coverage|score|^n_|_n$|dose_(val|unit|char|pat)"
)
_DOSE = re.compile(
    r"^(dose|dosage|conc(entration)?)(_?(val|value|num|amount))?(_?(?P<unit>[pnuµm]?M|[munp]?g_?ml))?$|"
    r"^(drug|compound|product|treatment|pert)_(dose|conc(entration)?)(_?(?P<other>[pnuµm]?M))?$",
    re.IGNORECASE,
)
_DOSE_UNIT = re.compile(r"^(dose|conc(entration)?)_?units?$", re.IGNORECASE)
_FLAG = re.compile(
    r"^(is_?)?(control|ctrl|vehicle|neg(ative)?_?control|unperturbed|untreated)(_?cells?)?$", re.IGNORECASE
)
_TRUE = {"true", "1", "yes", "t"}
_TYPE = re.compile(r"^(perturbation|pert|perturb|modality)_?(type|method|modality)s?$", re.IGNORECASE)
_GUIDE_ID = "genetic_perturbation_id"
_STRATEGY = "genetic_perturbation_strategy"
_MODE_WORDS: dict[Mode, str] = {
    "activation": r"crispr[-_ ]?a\b|activat|over[-_ ]?express|\borf\b|open reading",
    "knock_down": r"crispr[-_ ]?i\b|interfer|knock[-_ ]?down|[sr]h?i?rna|rnai|cas13|degron",
    "knock_out": r"crispr[-_ ]?(ko|cas9)|cas9|knock[-_ ]?out|\bko\b",
}
_DRUG_WORDS = re.compile(r"drug|compound|chemical|small|cytokine|ligand|stimul|protein|antibod", re.IGNORECASE)
_TREATED = {"stim", "stimulated", "stimulation", "treated"}
_MOST_LEVELS = 30_000
_MOST_JOINT = 5_000


@dataclass(frozen=True, eq=False)
class PerturbationReading:
    """A file's perturbations: a recipe that lists every level, and the cells of each.

    ``sizes`` are cells of ``recipe.levels``, in their order; ``levels`` the same as perturbations.
    """

    recipe: Recipe
    sizes: tuple[int, ...]
    levels: PerturbationLevels

    @property
    def left_out(self) -> list[str]:
        """Levels whose cells are not imported."""
        return [one.level for one in self.recipe.levels if one.kind == "left out"]


def perturbation_levels(obs: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return the levels (cell,) that one column, or several together, name; missing where the first is.

    Raises
    ------
    InputError
        When a column is not there.
    """
    for column in columns:
        if column not in obs.columns:
            raise InputError(
                f"The file has no obs column {column!r}, which names its perturbations; it has "
                f"{', '.join(map(str, obs.columns)) or 'none at all'}."
            )
    levels = as_levels(obs[columns[0]])
    if len(columns) == 1:
        return levels
    text = levels.astype(object)
    for column in columns[1:]:
        other = as_levels(obs[column]).astype(object)
        text = text.where(text.isna() | other.isna(), text.astype(str) + JOINT + other.astype(str))
    return pd.Series(pd.Categorical(text), name=JOINT.join(columns))


def read_columns(obs: pd.DataFrame, recipe: Recipe, features: Features, guides: Guides) -> PerturbationReading:
    """Read every level of a file's columns as a recipe says, and by the general rules where it says nothing.

    ``guides`` are those that the file lists (``listed_guides``).

    Raises
    ------
    InputError
        When a column, or the recipe's control, is not there.
    """
    levels = perturbation_levels(obs, recipe.columns)
    sizes = {str(level): int(n) for level, n in levels.value_counts().items() if n}
    if not recipe.unit and len(recipe.columns) > 1:
        recipe = replace(recipe, unit=_unit(obs, recipe.columns[1]))
    if recipe.control is not None and recipe.control not in sizes:
        known = ", ".join(list(sizes)[:12]) + (" and more" if len(sizes) > 12 else "")
        raise InputError(f"The control {recipe.control!r} is no level of {recipe.column!r}; it has {known}.")
    told = _evidence(obs, levels, recipe.columns[0], guides if recipe.columns[0] == _GUIDE_ID else {})
    full = read_levels(sizes, recipe, genes=features.names, ids=features.ids, sizes=sizes, evidence=told)
    full = replace(full, mode=_usual_mode(full, recipe))
    read = perturbations(full, features.names)
    return PerturbationReading(full, tuple(sizes[one.level] for one in full.levels), read)


def propose_perturbations(obs: pd.DataFrame, features: Features, guides: Guides) -> PerturbationReading | None:
    """Return the reading of the columns that look most like perturbations; None where none has a control.

    A column qualifies by its name, by levels that act and by one that reads like a control. Among names that are
    equally sure, the one that tells most perturbations apart is taken: the gene rather than "perturbed or not".
    """
    for patterns in _NAMES:
        found: list[tuple[int, PerturbationReading]] = []
        for column in map(str, obs.columns):
            rank = next((k for k, one in enumerate(patterns) if re.search(one, column, re.IGNORECASE)), None)
            if rank is not None and not _NO_NAME.search(column.lower()):
                if (reading := _qualified(obs, column, features, guides)) is not None:
                    found.append((rank, reading))
        if found:
            return max(found, key=_tells)[1]
    other = [(0, reading) for column in map(str, obs.columns)
             if not _NO_NAME.search(column.lower()) and (reading := _qualified(obs, column, features, guides))
             and _speaks_for_itself(reading)]  # fmt: skip
    return max(other, key=_tells)[1] if other else None


def _speaks_for_itself(reading: PerturbationReading) -> bool:
    """Say whether levels name perturbations whatever their column is called: a control beside known genes, DMSO, stim.

    "Control" beside other words may be a healthy donor, and "naive" beside CD4 a state of T cells.
    """
    controls = {one.control for one in reading.recipe.levels if one.kind == "control"}
    if reading.recipe.kind == "drug":
        names = {treatment.name.lower() for one in reading.levels.unique for treatment in one.treatments}
        return bool(controls & {"DMSO", "PBS"}) or ("control" in controls and names <= _TREATED)
    return bool(controls & {"control guide", "control"}) and not reading.levels.unknown


def _tells(ranked: tuple[int, PerturbationReading]) -> tuple[bool, int, int, int]:
    rank, reading = ranked
    return reading.recipe.kind == "genes", len(reading.levels.unique), -rank, -len(reading.sizes)


def _qualified(obs: pd.DataFrame, column: str, features: Features, guides: Guides) -> PerturbationReading | None:
    values = obs[column]
    if values.dtype != "category" and not pd.api.types.is_object_dtype(values):
        return None
    if not 2 <= values.nunique() <= min(_MOST_LEVELS, max(50, len(obs) // 2)):
        return None
    reading = read_columns(obs, Recipe((column,)), features, guides)
    if not reading.levels.unique or _only_numbers(reading):
        return None
    dose = _dose_column(obs, column, reading)
    if dose is not None:
        reading = read_columns(obs, Recipe((column, dose)), features, guides)
    return reading if reading.recipe.control is not None else None


def _only_numbers(reading: PerturbationReading) -> bool:
    """Whether levels are numbers without a name: ids of some other table, and neither genes nor drugs."""
    names = [treatment.name for one in reading.levels.unique for treatment in one.treatments]
    return bool(names) and all(name.isdecimal() for name in names) and reading.recipe.kind == "drug"


def _dose_column(obs: pd.DataFrame, column: str, reading: PerturbationReading) -> str | None:
    """Return the column with doses, where drugs have several and their names do not say them."""
    if reading.recipe.kind != "drug" or any(t.dose is not None for p in reading.levels.unique for t in p.treatments):
        return None
    for name in obs.columns:
        if name == column or not _DOSE.match(str(name)):
            continue
        doses = pd.to_numeric(as_levels(obs[name]).astype(object), errors="coerce")
        pairs = pd.DataFrame({"name": obs[column].astype(str).to_numpy(), "dose": doses.to_numpy()}).dropna()
        if pairs["dose"].nunique() > 1 and len(pairs.drop_duplicates()) <= min(_MOST_JOINT, max(50, len(obs) // 2)):
            return str(name)
    return None


def _unit(obs: pd.DataFrame, dose: str) -> str:
    """Return the unit of a column of doses: out of its name, or out of a column of units with one value."""
    match = _DOSE.match(dose)
    if match and (unit := match["unit"] or match["other"]):
        return unit.replace("um", "uM").replace("nm", "nM").replace("_", "/")
    for name in obs.columns:
        if _DOSE_UNIT.match(str(name)):
            units = as_levels(obs[name]).dropna().unique()
            units = [str(unit) for unit in units if str(unit).lower() not in ("none", "control")]
            if len(units) == 1:
                return units[0]
    return ""


def _evidence(obs: pd.DataFrame, levels: pd.Series, column: str, guides: Guides) -> dict[str, Evidence]:
    """Gather what flags, strategies and types of perturbation, and lists of guides, say of each level."""
    found: dict[str, Evidence] = {}
    codes = pd.Series(levels.to_numpy())
    for name in obs.columns:
        text = str(name)
        is_flag, is_type = bool(_FLAG.match(text)), bool(_TYPE.match(text)) or text == _STRATEGY
        if text == column or not (is_flag or is_type):
            continue
        values = as_levels(obs[name]).astype(object).astype(str).str.lower().to_numpy()
        if is_flag and set(values) - _TRUE - {"false", "0", "no", "f"}:
            continue
        for level, own in pd.Series(values).groupby(codes, observed=True):
            known = found.get(str(level), Evidence())
            found[str(level)] = _by_flag(known, own) if is_flag else _by_type(known, own.mode().iloc[0])
    for level in map(str, levels.dropna().unique()) if guides else ():
        found[level] = _by_guides(found.get(level, Evidence()), level, guides)
    return found


def _by_flag(known: Evidence, values: pd.Series) -> Evidence:
    return replace(known, is_flagged=True) if values.isin(_TRUE).all() else known


def _by_type(known: Evidence, word: str) -> Evidence:
    """Read a strategy of CELLxGENE ("CRISPR interference screen", "control", "no perturbations") or a type."""
    if word == "control":
        return replace(known, is_control=True)
    if word in ("no perturbations", "no perturbation", "na"):
        return replace(known, unperturbed=word != "na")
    mode = next((mode for mode, words in _MODE_WORDS.items() if re.search(words, word)), None)
    kind: Literal["genes", "drug"] | None = (
        "genes" if mode or "crispr" in word else "drug" if _DRUG_WORDS.search(word) else None
    )
    return replace(known, kind=kind, mode=mode)


def _by_guides(known: Evidence, level: str, guides: Guides) -> Evidence:
    parts = [part.strip() for part in level.split("||")]
    if not any(part in guides for part in parts):
        return known
    acting = [part for part in parts if guides.get(part, {}).get("role") != "control"]
    genes = [gene for part in acting for gene in _features(guides.get(part, {})) or [part]]
    return replace(known, genes=tuple(dict.fromkeys(genes)), is_control=known.is_control or not acting)


def _features(guide: Mapping[str, Any]) -> list[str]:
    for key in ("target_features", "derived_features"):
        if isinstance(value := guide.get(key), dict):
            return [str(symbol or gene) for gene, symbol in value.items()]
    return []


def listed_guides(cells: CellFile) -> Guides:
    """Return the guides that a file of CELLxGENE (schema 7) lists in uns, by their ids; empty for other files."""
    place = "uns/genetic_perturbations"
    if cells.stored is None or not cells.stored.check_group(place):
        return {}
    from anndata.io import read_elem

    try:
        found = read_elem(cells.stored.node(place))
    except Exception:  # noqa: BLE001 anndata wraps whatever h5py says; the levels are then read by their names
        return {}
    listed = found.items() if isinstance(found, dict) else ()
    return {str(name): guide for name, guide in listed if isinstance(guide, dict)}


def _usual_mode(full: Recipe, recipe: Recipe) -> Mode:
    """Return what is done to most genes, where the file says it of most levels."""
    if recipe.mode != "knock_out":
        return recipe.mode
    modes = [one.mode for one in full.levels if one.kind == "genes"]
    names, counts = np.unique([mode or "" for mode in modes], return_counts=True)
    usual = str(names[counts.argmax()]) if len(names) else ""
    return next((mode for mode in _MODE_WORDS if mode == usual), recipe.mode)
