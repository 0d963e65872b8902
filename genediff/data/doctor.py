"""The doctor: what a file of cells holds and what is wrong with it, before anything is imported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from genediff.data.columns import ObsColumn, Proposal, as_levels, clean_obs, describe, propose
from genediff.data.config import ImportConfig
from genediff.data.features import Features, read_features
from genediff.data.io import CellFile, read_cells, size_of
from genediff.data.memory import import_memory
from genediff.data.targets import PerturbationLevels, kind_of_column, read_perturbations
from genediff.data.values import Found, find_values
from genediff.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

Severity = Literal["error", "warning", "info"]
_FEW_CELLS = 200


@dataclass(frozen=True)
class Problem:
    """Something to know: an "error" stops the import, a "warning" limits it, an "info" is good to know."""

    severity: Severity
    text: str


@dataclass(frozen=True)
class Diagnosis:
    """What a file holds.

    ``counts`` is where raw counts are ("X", "layers/counts", "raw.X") or None, ``why`` how one can tell; ``values``
    what is imported ("counts", "lognorm", "normalised", "scaled"). ``density`` is the share of values that are
    not zero. ``label`` to ``exclude_levels`` (of the label) are proposals. ``targets`` are the genes of the file that
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
    split_column: str | None
    exclude_levels: tuple[str, ...]
    n_perturbations: int
    targets: tuple[str, ...]
    missing_targets: tuple[str, ...]
    unknown_targets: tuple[str, ...]
    columns: tuple[ObsColumn, ...]
    memory_needed_bytes: int
    problems: tuple[Problem, ...]

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
            split_column=self.split_column,
            exclude_levels={self.label: self.exclude_levels} if self.label and self.exclude_levels else {},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self) | {"usable": self.usable}

    def to_text(self) -> str:
        """Return the report in plain words, for a terminal."""
        return "\n".join(_lines(self))


def diagnose(path: str | Path, *, progress: Callable[[float, str], None] | None = None) -> Diagnosis:
    """Look at a file of cells without importing it.

    Parameters
    ----------
    path
        The file; see ``read_cells`` for formats.
    progress
        Told what is being done.

    Raises
    ------
    InputError
        When the file cannot be read at all. What is wrong with a readable file is among ``problems``.
    """
    with read_cells(path, progress=progress) as cells:
        found = find_values(cells)
        matrix = cells.matrices[found.where]
        features = read_features(cells.var[found.where])
        obs, changes = clean_obs(cells.obs)
        columns = describe(obs)
        proposal = propose(columns)
        n_genes = int(features.is_gene.sum())
        perturbed = _perturbations(obs, proposal, features)
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


def _perturbations(obs: pd.DataFrame, proposal: Proposal, features: Features) -> PerturbationLevels:
    """Read the levels of the proposed perturbation column."""
    if proposal.perturbation is None:
        return PerturbationLevels({})
    return read_perturbations(
        as_levels(obs[proposal.perturbation]).dropna().unique(),
        control=proposal.control,
        genes=features.names,
        ids=features.ids,
        kind=kind_of_column(proposal.perturbation),
    )


def _problems(
    cells: CellFile, found: Found, features: Features, obs: pd.DataFrame, proposal: Proposal, changes: list[str]
) -> Iterator[Problem]:
    if found.trouble is not None:
        yield Problem("error", found.trouble)
    n_genes = int(features.is_gene.sum())
    if n_genes < 2:
        yield Problem("error", f"The file holds only {n_genes} gene; cells are compared by two or more.")
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
    yield from (Problem("warning", text) for text in found.warnings)
    yield from _gene_problems(features)
    yield from _label_problems(obs, proposal)
    yield from (Problem("info", text) for text in (*cells.notes, *changes))


def _gene_problems(features: Features) -> Iterator[Problem]:
    if not features.is_gene.all():
        n = int((~features.is_gene).sum())
        yield Problem(
            "info", f"{n:,} features are not gene expression (antibody tags and the like); they are left out."
        )
    if features.n_duplicates:
        yield Problem("info", f"{features.n_duplicates:,} genes have a name that others have too; they get a number.")
    if features.id_type == "ensembl":
        yield Problem(
            "warning",
            "Genes are Ensembl ids and no column holds symbols: pathways and networks will not know these genes.",
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
