"""The doctor: what a file of cells holds and what is wrong with it, before anything is imported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from genediff.core.errors import InputError
from genediff.data.importing.column_roles import ObsColumn, Proposal, as_levels, clean_obs, describe, propose
from genediff.data.importing.config import ImportConfig
from genediff.data.importing.features import Features, read_features
from genediff.data.importing.memory_estimate import import_memory
from genediff.data.importing.perturbation_columns import (
    PerturbationReading,
    listed_guides,
    propose_perturbations,
    read_columns,
)
from genediff.data.importing.perturbation_names import PerturbationLevels
from genediff.data.importing.read_file import CellFile, read_cells
from genediff.data.importing.recipe import Recipe  # noqa: TC001  read when diagnoses come from another process
from genediff.data.importing.stored_file import size_of
from genediff.data.importing.value_kind import Found, find_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from genediff.data.importing.read_table import Rows

Severity = Literal["error", "warning", "info"]
_FEW_CELLS = 200


@dataclass(frozen=True)
class Problem:
    """Something to know: an "error" stops the import, a "warning" limits it, an "info" is good to know."""

    severity: Severity
    text: str


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What a file holds.

    ``counts`` is where raw counts are ("X", "layers/counts", "raw.X") or None, ``why`` how one can tell; ``values``
    what is imported ("counts", "lognorm", "normalised", "scaled"); ``rounding`` what it costs to round corrected counts
    with decimals, None where there are none. ``density`` is the share of values that are
    not zero. ``label`` to ``exclude_levels`` (of the label) are proposals; ``recipe`` lists every level of the
    proposed perturbation columns and ``level_cells`` the cells of each. ``targets`` are the genes of the file that
    the proposed perturbations act on, ``missing_targets`` are genes that the file lacks, ``unknown_targets`` no genes.
    ``memory_needed_bytes`` is the estimated
    peak of an import.
    """

    file: str
    format: str
    layout: str
    file_bytes: int
    n_cells: int
    n_genes: int
    density: float
    counts: str | None
    values: str
    why: str
    rounding: str | None
    checked_all: bool
    species: str
    gene_ids: str
    symbol_column: str | None
    n_duplicate_genes: int
    n_mitochondrial: int
    label: str | None
    batch: str | None
    perturbation: str | None
    control: str | None
    recipe: Recipe | None
    level_cells: tuple[int, ...]
    split_column: str | None
    exclude_levels: tuple[str, ...]
    n_perturbations: int
    targets: tuple[str, ...]
    missing_targets: tuple[str, ...]
    unknown_targets: tuple[str, ...]
    columns: tuple[ObsColumn, ...]
    memory_needed_bytes: int
    problems: tuple[Problem, ...]

    def __repr__(self) -> str:
        found = f"{self.n_cells:,} cells × {self.n_genes:,} genes, {self.species}, values: {self.values}"
        return f"Diagnosis({found}; {len(self.problems)} notes)"

    def __str__(self) -> str:
        return self.to_text()

    @property
    def usable(self) -> bool:
        """No problem is an error."""
        return not any(problem.severity == "error" for problem in self.problems)

    def propose_config(self) -> ImportConfig:
        """Return an import with everything that is proposed here."""
        return ImportConfig(
            label=self.label,
            batch=self.batch,
            perturbation=self.perturbation,
            control=self.control,
            recipe=self.recipe if self.recipe is not None and len(self.recipe.columns) > 1 else None,
            split_column=self.split_column,
            exclude_levels={self.label: self.exclude_levels} if self.label and self.exclude_levels else {},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self) | {"usable": self.usable}

    def to_text(self) -> str:
        """Return the report in plain words, for a terminal."""
        return "\n".join(_lines(self))


def examine(path: str | Path, *, rows: Rows | None = None) -> Diagnosis:
    """Look at a file of cells in this process; see ``diagnose``, which takes another.

    Parameters
    ----------
    path
        The file; see ``read_cells`` for formats.
    rows
        What the rows of a table are, where the file does not tell.

    Raises
    ------
    InputError
        When the file cannot be read at all. What is wrong with a readable file is among ``problems``.
    """
    with read_cells(path, rows=rows) as cells:
        found = find_values(cells)
        matrix = cells.matrices[found.where]
        features = read_features(cells.var[found.where])
        obs, changes = clean_obs(cells.obs)
        columns = describe(obs)
        reading = propose_perturbations(obs, features, listed_guides(cells))
        recipe = None if reading is None else reading.recipe
        proposal = (
            propose(columns)
            if recipe is None
            else propose(columns, perturbation=recipe.columns[0], control=recipe.control)
        )
        n_genes = int(features.is_gene.sum())
        perturbed = reading.levels if reading is not None else PerturbationLevels({})
        missing = set(perturbed.missing) | set(perturbed.unknown)
        return Diagnosis(
            file=cells.path.name,
            format=cells.format,
            layout={"csr": "sparse by cell", "csc": "sparse by gene"}.get(matrix.layout, matrix.layout),
            file_bytes=size_of(cells.path),
            n_cells=len(obs),
            n_genes=n_genes,
            density=found.density,
            counts=found.counts,
            values=found.kind,
            why=found.why,
            rounding=found.rounding,
            checked_all=found.checked_all,
            species=features.species,
            gene_ids=features.id_type,
            symbol_column=features.symbol_column,
            n_duplicate_genes=features.n_duplicates,
            n_mitochondrial=int(features.mito.sum()),
            label=proposal.label,
            batch=proposal.batch,
            perturbation=proposal.perturbation,
            control=proposal.control,
            recipe=recipe,
            level_cells=() if reading is None else reading.sizes,
            split_column=proposal.split_column,
            exclude_levels=proposal.exclude_levels,
            n_perturbations=len(perturbed.unique),
            targets=tuple(gene for gene in perturbed.targets if gene not in missing),
            missing_targets=perturbed.missing,
            unknown_targets=perturbed.unknown,
            columns=columns,
            memory_needed_bytes=import_memory(matrix),
            problems=(
                *_problems(cells, found, features, obs, proposal, changes),
                *(Problem("info", note) for note in perturbed.notes),
            ),
        )


def file_genes(path: str | Path) -> tuple[str, ...]:
    """Return the names of a file's genes, as an import calls them.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    with read_cells(path) as cells:
        return read_features(cells.var[find_values(cells).where]).names


def read_file_levels(path: str | Path, recipe: Recipe) -> PerturbationReading:
    """Read the perturbation columns of a file as a recipe says.

    Raises
    ------
    InputError
        When the file cannot be read, or has not the columns.
    """
    with read_cells(path) as cells:
        features = read_features(cells.var[find_values(cells).where])
        return read_columns(clean_obs(cells.obs)[0], recipe, features, listed_guides(cells))


def _problems(
    cells: CellFile, found: Found, features: Features, obs: pd.DataFrame, proposal: Proposal, changes: list[str]
) -> Iterator[Problem]:
    if found.trouble is not None:
        yield Problem("error", found.trouble)
    if (trouble := features.trouble(cells.path.name)) is not None:
        yield Problem("error", trouble)
    if len(obs) < 10:
        yield Problem("error", f"The file holds only {len(obs)} cells; at least 10 are needed.")
    elif len(obs) < _FEW_CELLS:
        yield Problem("warning", f"With {len(obs)} cells a model learns little and its test says little.")
    if found.trouble is None and found.counts is None:
        yield Problem(
            "warning",
            "There are no raw counts anywhere: the cells can be imported, drawn and compared, but no count likelihood "
            "can be trained on them, and library sizes and counts cannot be generated.",
        )
    if found.rounding is not None:
        yield Problem(
            "warning",
            f"{found.where} holds corrected counts with decimals (SoupX, CellBender). They can be rounded at import, "
            f"to be counts again: {found.rounding}.",
        )
    yield from (Problem("warning", text) for text in found.warnings)
    yield from _gene_problems(features)
    yield from _label_problems(obs, proposal)
    yield from (Problem("info", text) for text in (*cells.notes, *changes))


def _gene_problems(features: Features) -> Iterator[Problem]:
    yield from (Problem("info", text) for text in features.notes)
    if features.id_type == "ensembl":
        yield Problem(
            "warning",
            "Genes are Ensembl ids and no column holds symbols: pathways and networks will not know these genes.",
        )
    if features.species == "human and mouse":
        yield Problem(
            "warning",
            "The genes are of human and mouse (a mixture of species): cells of either are best imported apart, since "
            "pathways and networks are of one species.",
        )
    if features.species == "unknown":
        yield Problem("info", "The genes look like neither human nor mouse ones; pathways and networks may not match.")


def _label_problems(obs: pd.DataFrame, proposal: Proposal) -> Iterator[Problem]:
    if proposal.label is None:
        yield Problem(
            "info", "No obs column looks like cell types; without one, cells are generated without choosing a type."
        )
        return
    labels = as_levels(obs[proposal.label])
    sizes = labels.value_counts()
    if labels.isna().any():
        yield Problem("info", f"{int(labels.isna().sum()):,} cells have no value in {proposal.label!r}.")
    small = sizes[sizes < 3]
    if len(small):
        names = ", ".join(map(str, small.index[:5]))
        yield Problem(
            "warning",
            f"Levels of {proposal.label!r} with fewer than 3 cells cannot be tested, so their cells all go to "
            f"training: {names}{' and more' if len(small) > 5 else ''}.",
        )


def _lines(found: Diagnosis) -> Iterator[str]:
    yield f"{found.file}: {found.n_cells:,} cells x {found.n_genes:,} genes"
    size = f"{found.file_bytes / 1e6:,.1f} MB"
    yield f"File       {found.format}, {found.layout}, {size}, {found.density:.1%} of the values are not zero"
    yield f"Counts     {found.counts or 'none'}: {found.why}"
    if not found.checked_all:
        yield "           (judged by a sample; the import looks at every value)"
    ids = "symbols" if found.gene_ids == "symbol" else "Ensembl ids"
    source = f" (from the column {found.symbol_column!r})" if found.symbol_column else ""
    yield f"Genes      {found.species}, {ids}{source}, {found.n_mitochondrial} mitochondrial"
    for title, name in (("Label", found.label), ("Batch", found.batch), ("Perturbed", found.perturbation)):
        extra = f", control {found.control!r}" if title == "Perturbed" and name else ""
        yield f"{title:10} {f'{name!r} is proposed{extra}' if name else 'no column looks like one'}"
    if found.perturbation:
        acted = len(found.targets) + len(found.missing_targets) + len(found.unknown_targets)
        on = f"they act on {acted:,} genes, {len(found.targets):,} of them in the file" if acted else "no target genes"
        yield f"           {found.n_perturbations:,} different beside the control; {on}"
    yield from _level_lines(found)
    if found.exclude_levels:
        yield f"Left out   cells of the label {', '.join(map(repr, found.exclude_levels))} are proposed"
    if found.split_column:
        yield f"Split      read from {found.split_column!r}"
    yield f"Memory     about {found.memory_needed_bytes / 1e9:.1f} GB to import"
    if found.columns:
        yield "Columns of obs:"
    for column in found.columns:
        missing = f", {column.n_missing:,} missing" if column.n_missing else ""
        levels = ", ".join(f"{level} ({size:,})" for level, size in column.levels[:4])
        more = ", ..." if column.n_levels > 4 and column.levels else ""
        shown = f"; {levels}{more}" if levels else ""
        yield f"  {column.name}: {column.kind}, {column.n_levels:,} different{missing}{shown}"
    for problem in found.problems:
        yield f"{problem.severity.capitalize():8} {problem.text}"
    yield "This file can be imported." if found.usable else "This file cannot be imported as it is."


def _level_lines(found: Diagnosis, most: int = 8) -> Iterator[str]:
    """Say how the commonest levels of the perturbation are read."""
    if found.recipe is None:
        return
    for one, n in list(zip(found.recipe.levels, found.level_cells, strict=True))[:most]:
        meaning = f"{one.kind}: {one.acts_on}" if one.acts_on else one.kind
        yield f"           {one.level} ({n:,} cells): {meaning}"
    if (more := len(found.level_cells) - most) > 0:
        yield f"           and {more:,} more levels (--json lists all)"


def require_usable(diagnosis: Diagnosis) -> None:
    """Raise the first error of a diagnosis.

    Raises
    ------
    InputError
        When the file cannot be imported.
    """
    for problem in diagnosis.problems:
        if problem.severity == "error":
            raise InputError(problem.text)
