"""How the levels of a perturbation column are read: a table to correct before the import, kept as a recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pandas as pd
import streamlit as st

from genediff.core.errors import InputError
from genediff.data.importing.doctor import file_genes, read_file_levels
from genediff.data.importing.recipe import LevelKind, Recipe, shipped_recipes
from genediff.knowledge.gene_names import find_gene, sure_names
from genediff.ui.kit import downloads, explain

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Diagnosis
    from genediff.data.importing.perturbation_columns import PerturbationReading
    from genediff.data.importing.recipe import LevelReading

_NONE = "none"
_OWN = "Read by the general rules"
_KIND, _NAMES, _DOSE, _UNIT = "means", "genes, drug or kind of control", "dose", "unit"
_HEIGHT = 420


def choose_recipe(found: Diagnosis) -> Recipe | None:
    """Offer the recipes of published screens that fit the file, and a recipe from a file; None where none is taken."""
    columns = [column.name for column in found.columns]
    fitting = {recipe.title: recipe for recipe in shipped_recipes().values() if recipe.fits(columns)}
    if not fitting and found.perturbation is None:
        return None
    with st.expander("Use a recipe: a published screen, or a file from a colleague", icon=":material/receipt_long:"):
        st.caption(
            "A recipe says which columns name perturbations and what their levels mean. Without one, levels are read "
            "by general rules; either way they are shown below, to be corrected."
        )
        left, right = st.columns(2)
        with left:
            names = [_OWN, *fitting]
            taken = st.selectbox(
                "Published screen",
                names,
                help="Those whose columns the file has." if fitting else "None fits the file.",
            )
        with right:
            sent = st.file_uploader("Recipe (.json)", type=["json"], key="recipe_file")
        try:
            recipe = fitting.get(taken) if sent is None else Recipe.from_json(sent.getvalue(), sent.name)
            if recipe is not None and not recipe.fits(columns):
                lacking = ", ".join(sorted(set(recipe.columns) - set(columns)))
                raise InputError(f"The recipe reads the column {lacking}, which the file does not have.")
        except InputError as error:
            explain.show_input_error(error)
            return None
        if recipe is not None and recipe.source:
            st.caption(f"{explain.plain(recipe.title)}. {explain.plain(recipe.source)}")
    return recipe


def show(found: Diagnosis, path: Path, recipe: Recipe | None, levels: list[str]) -> dict[str, object]:
    """Draw the choice of columns and control and the table of levels; return the fields of the import.

    Raises
    ------
    InputError
        When the file cannot be read by these columns.
    """
    start = recipe or found.recipe
    column, dose = _columns(found, start, levels)
    if column is None:
        return {"perturbation": None, "control": None}
    columns = (column,) if dose is None else (column, dose)
    own = recipe if recipe is not None and recipe.columns == columns else Recipe(columns)
    reading = _reading(path, own)
    control, keep = _control(reading)
    if control is not None and control != reading.recipe.control:
        own = replace(own, control=control)
        reading = _reading(path, own)
    corrections = _table(found, path, own, reading)
    own = replace(own, levels=(*corrections, *own.levels), control=control)
    _save(found, own, len(corrections))
    plain = not corrections and own.columns == (column,) and recipe is None
    return {"perturbation": column, "control": control, "keep_targets": keep, "recipe": None if plain else own}


def _columns(found: Diagnosis, start: Recipe | None, levels: list[str]) -> tuple[str | None, str | None]:
    proposed = None if start is None else start.columns[0]
    options = list(dict.fromkeys([_NONE, *levels, *([proposed] if proposed else [])]))
    left, right = st.columns(2)
    with left:
        column = st.selectbox(
            "Perturbation",
            options,
            index=options.index(proposed) if proposed else 0,
            format_func=lambda name: f"{name} · proposed" if name == proposed else name,
            help="The column with knock-outs, guides, drugs or other treatments, if there is one.",
            key=f"perturbation-{proposed}",
        )
    if column == _NONE:
        return None, None
    others = [_NONE, *(one.name for one in found.columns if one.kind in ("levels", "numbers") and one.name != column)]
    given = start.columns[1] if start is not None and column == proposed and len(start.columns) > 1 else _NONE
    with right:
        dose = st.selectbox(
            "Dose",
            others,
            index=others.index(given) if given in others else 0,
            help="A column with doses, where the names of drugs do not say them. Drug and dose together are then one "
            "perturbation, and a dose of 0 is a control.",
            key=f"dose-{column}-{given}",
        )
    return column, None if dose == _NONE else dose


def _control(reading: PerturbationReading) -> tuple[str | None, bool]:
    sizes = dict(zip((one.level for one in reading.recipe.levels), reading.sizes, strict=True))
    controls = [one.level for one in reading.recipe.levels if one.kind == "control"]
    names = [*sorted(controls, key=lambda level: -sizes[level]), *(level for level in sizes if level not in controls)]
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        control = st.selectbox(
            "Control (untreated) level",
            names,
            index=names.index(reading.recipe.control) if reading.recipe.control in names else 0,
            format_func=lambda level: f"{level} · {sizes[level]:,} cells",
            help="What perturbed cells are compared with. Levels that mean the same kind of control are pooled with "
            "it; other kinds (DMSO beside non-targeting guides) are kept apart.",
            key=f"control-{reading.recipe.column}",
        )
    with right:
        keep = st.checkbox(
            "Always include perturbed (target) genes",
            True,
            help="Among the genes for models, whatever their variability, where the file has them. A model can tell "
            "what a gene does only if it knows the gene.",
        )
    return control, keep


def _table(found: Diagnosis, path: Path, own: Recipe, reading: PerturbationReading) -> tuple[LevelReading, ...]:
    """Draw the table, and return the levels that the reader corrected."""
    key = f"levels-{path.name}-{own.column}-{own.title}-{len(reading.sizes)}"
    genes = _genes(path)
    order = sorted(range(len(reading.sizes)), key=lambda row: _to_check(reading.recipe.levels[row], genes))
    levels = [reading.recipe.levels[row] for row in order]
    sizes = [reading.sizes[row] for row in order]
    edited: dict[int, dict[str, object]] = st.session_state.get(key, {}).get("edited_rows", {})
    corrected = {row: _corrected(levels[row], cells, genes) for row, cells in edited.items()}
    shown = [corrected.get(row, one) for row, one in enumerate(levels)]
    _summary(shown, sizes, reading.recipe.control)
    single = [one.treatments[0] if len(one.treatments) == 1 else None for one in levels]
    table = pd.DataFrame(
        {
            "level": [one.level for one in shown],
            "cells": sizes,
            _KIND: [one.kind for one in levels],
            _NAMES: [_name(one) for one in levels],
            _DOSE: pd.array([one.dose if one else None for one in single], dtype="Float64"),
            _UNIT: [one.unit if one else "" for one in single],
            "measured": [_measured(one, genes) for one in shown],
            "note": [one.note for one in shown],
        }
    )
    has_drugs = any(one.kind == "drug" for one in shown)
    kinds = list(get_args(LevelKind))
    st.data_editor(
        table,
        key=key,
        hide_index=True,
        num_rows="fixed",
        height=min(_HEIGHT, 38 + 35 * max(1, len(table))),
        column_order=None if has_drugs else [name for name in table if name not in (_DOSE, _UNIT)],
        disabled=["level", "cells", "measured", "note"],
        column_config={
            "level": st.column_config.TextColumn("Level in the file", pinned=True),
            "cells": st.column_config.NumberColumn("Cells", format="localized"),
            _KIND: st.column_config.SelectboxColumn("Means", options=kinds, required=True),
            _NAMES: st.column_config.TextColumn(
                "Genes, drug or kind of control",
                help="Several joined by +, such as STAT1 + JAK2. Double-click to edit.",
            ),
            _DOSE: st.column_config.NumberColumn("Dose", min_value=0.0),
            _UNIT: st.column_config.TextColumn("Unit"),
            "measured": st.column_config.TextColumn("Target in the data"),
            "note": st.column_config.TextColumn("Note"),
        },
    )
    st.caption(
        "Click a heading to sort, double-click a cell to correct it. Levels that mean the same genes are one "
        "perturbation; cells of levels that are left out are not imported."
    )
    return tuple(corrected.values())


def _to_check(one: LevelReading, genes: tuple[str, ...]) -> int:
    """Order levels so that what is worth a look comes first: controls, what is left out, names that are no gene."""
    if one.kind in ("control", "left out"):
        return ("control", "left out").index(one.kind)
    return 2 if one.kind == "drug" or _measured(one, genes).startswith("no known") else 3


def _name(one: LevelReading) -> str:
    """Return what a level acts on; the dose of a single drug has a column of its own."""
    return one.treatments[0].name if one.kind == "drug" and len(one.treatments) == 1 else one.acts_on


def _corrected(one: LevelReading, cells: dict[str, object], genes: tuple[str, ...]) -> LevelReading:
    single = one.treatments[0] if len(one.treatments) == 1 else None
    kind: LevelKind = cells.get(_KIND, one.kind)  # type: ignore[assignment]
    text = str(cells[_NAMES] or "") if _NAMES in cells else _name(one) if kind == one.kind else ""
    dose = cells.get(_DOSE, single.dose if single else None)
    unit = str(cells.get(_UNIT, single.unit if single else "") or "")
    new = one.corrected(kind, text, None if dose is None else float(str(dose)), unit)
    return replace(new, genes=tuple(sorted({(find_gene(name, genes) or (name,))[0] for name in new.genes})))


def _measured(one: LevelReading, genes: tuple[str, ...]) -> str:
    if one.kind != "genes":
        return ""
    present = set(genes)
    lacking = [name for name in one.genes if name not in present]
    unknown = [name for name in lacking if not sure_names(name)]
    if unknown:
        return f"no known gene: {', '.join(unknown)}"
    return f"not measured: {', '.join(lacking)}" if lacking else "yes"


def _summary(shown: list[LevelReading], sizes: list[int], control: str | None) -> None:
    own = next((one.control for one in shown if one.level == control), "")
    kinds = ["kept apart" if one.kind == "control" and one.control != own else one.kind for one in shown]
    counts, cells = pd.Series(kinds).value_counts(), pd.Series(sizes).groupby(kinds).sum()
    words = {
        "control": "control",
        "kept apart": "other kinds of control, kept apart",
        "genes": f"acting on {len({gene for one in shown for gene in one.genes}):,} genes",
        "drug": "drugs or other treatments",
        "left out": "left out",
    }
    parts = [f"**{counts[kind]:,}** {said} ({cells[kind]:,} cells)" for kind, said in words.items() if kind in counts]
    st.markdown(f"**How the levels are read:** {' · '.join(parts)}")


def _save(found: Diagnosis, recipe: Recipe, n_corrections: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if n_corrections:
            one = n_corrections == 1
            st.markdown(f"{n_corrections:,} {'level' if one else 'levels'} corrected.", width="content")
        titled = recipe if recipe.title else replace(recipe, title=found.file)
        downloads.download(
            "Save as a recipe", lambda: titled.to_json().encode(), "recipe.json", key="recipe", narrow=True
        )


def _reading(path: Path, recipe: Recipe) -> PerturbationReading:
    facts = path.stat()
    return _read(path, facts.st_mtime_ns, facts.st_size, recipe.to_json())


@st.cache_data(max_entries=16, show_spinner="Reading the perturbations …")
def _read(path: Path, changed: int, size: int, recipe: str) -> PerturbationReading:
    return read_file_levels(path, Recipe.from_json(recipe))


def _genes(path: Path) -> tuple[str, ...]:
    facts = path.stat()
    return _read_genes(path, facts.st_mtime_ns, facts.st_size)


@st.cache_resource(max_entries=8, show_spinner=False)
def _read_genes(path: Path, changed: int, size: int) -> tuple[str, ...]:
    return file_genes(path)
