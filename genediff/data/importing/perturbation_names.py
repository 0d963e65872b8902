"""Perturbations: what is done to a cell, as the levels of a column say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from genediff.data.importing.read_levels import read_levels
from genediff.data.importing.recipe import Mode, Recipe, Treatment
from genediff.knowledge.gene_names import sure_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genediff.data.importing.recipe import LevelReading

Kind = Literal["control", "gene", "condition"]


@dataclass(frozen=True)
class Perturbation:
    """What is done to a cell.

    Attributes
    ----------
    label
        Its name; the same for "A+B" and "B+A", and for all guides of one gene.
    targets
        The genes that are acted on, sorted; names as in the data set where it has them. Empty for conditions.
    kind
        "control", "gene" (``targets`` say which) or "condition" (a drug, a cytokine: only its name is known).
    mode
        What happens to the targets.
    conditions
        The single conditions that a condition joins ("IL6+TNF" where IL6 and TNF are levels too), itself if it is one.
    treatments
        Of a condition: its substances, with doses as numbers where they are known.
    """

    label: str
    targets: tuple[str, ...] = ()
    kind: Kind = "gene"
    mode: Mode = "knock_out"
    conditions: tuple[str, ...] = ()
    treatments: tuple[Treatment, ...] = ()

    @classmethod
    def of_genes(cls, *genes: str, mode: Mode = "knock_out", usual: Mode | None = None) -> Perturbation:
        """Return the perturbation of some genes; its label names the mode where it is not the ``usual`` one."""
        targets = tuple(sorted(set(genes)))
        suffix = "" if mode == (usual or mode) else f" ({mode.replace('_', '-')})"
        return cls("+".join(targets) + suffix, targets, "gene", mode)

    @classmethod
    def of_treatments(cls, *treatments: Treatment) -> Perturbation:
        """Return the condition in which some substances are given."""
        conditions = tuple(sorted({str(one) for one in treatments}))
        return cls("+".join(conditions), (), "condition", "treatment", conditions, treatments)

    @property
    def is_control(self) -> bool:
        """Nothing is done."""
        return self.kind == "control"

    @property
    def parts(self) -> tuple[str, ...]:
        """What it is made of: its targets, or the conditions that it joins."""
        return self.targets or self.conditions


@dataclass(frozen=True, eq=False)
class PerturbationLevels:
    """The levels of a column, read.

    Attributes
    ----------
    of
        The perturbation of each level. Several levels may mean the same one. Levels that are left out, and controls of
        another kind than the one that perturbations are compared with, are not among them.
    missing
        Targets that are genes but none of the data set's, so that their own change cannot be seen.
    unknown
        Targets that are no known gene.
    notes
        Sentences on what was found.
    """

    of: dict[str, Perturbation]
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unique: tuple[Perturbation, ...] = field(init=False)

    def __post_init__(self) -> None:
        kept = {p.label: p for p in self.of.values() if not p.is_control}
        object.__setattr__(self, "unique", tuple(kept[label] for label in sorted(kept)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target, sorted."""
        return tuple(sorted({gene for p in self.unique for gene in p.targets}))


def read_perturbations(
    levels: Iterable[str],
    *,
    control: str | None,
    genes: Sequence[str],
    ids: Sequence[str] = (),
    kind: Literal["genes", "drug"] | None = None,
    mode: Mode | None = None,
    recipe: Recipe | None = None,
) -> PerturbationLevels:
    """Read the levels of a perturbation column.

    Understood are ``A``, ``A+B``, ``A_B``, ``A+ctrl``, guides (``STAT1g2``, ``sgSTAT1_1``), Ensembl ids, former
    symbols, what is done in words (``A KO``, ``A (activation)``), drugs with doses, and the usual names of controls.

    Parameters
    ----------
    levels
        Levels, in any order; repeated ones count once.
    control
        The level that means that nothing was done; others that read like the same kind of control are controls too.
    genes, ids
        Names of the data set's genes, and their Ensembl ids where it has them.
    kind
        What levels are where neither they nor the recipe say it; None: genes where most levels are some.
    mode
        What is done to genes where neither the level nor the recipe says it.
    recipe
        How levels are read; what it does not list is read by the general rules.
    """
    recipe = recipe or Recipe(("",), mode=mode or "knock_out")
    recipe = replace(recipe, kind=recipe.kind or kind, control=control or recipe.control)
    return perturbations(read_levels(levels, recipe, genes=genes, ids=ids), genes, usual=mode)


def perturbations(recipe: Recipe, genes: Sequence[str], *, usual: Mode | None = None) -> PerturbationLevels:
    """Return the perturbations of a recipe that lists every level; ``usual`` is the mode that labels do not name."""
    named = next((one for one in recipe.levels if one.level == recipe.control), None)
    same = named.control if named is not None and named.kind == "control" else ""
    of: dict[str, Perturbation] = {}
    others: list[LevelReading] = []
    for one in recipe.levels:
        if one.level == recipe.control or (one.kind == "control" and one.control == same):
            of[one.level] = Perturbation(recipe.control or "control", (), "control")
        elif one.kind == "control":
            others.append(one)
        elif one.kind == "genes":
            mode = one.mode or recipe.mode
            of[one.level] = Perturbation.of_genes(*one.genes, mode=mode, usual=usual or recipe.mode)
        elif one.kind == "drug":
            of[one.level] = Perturbation.of_treatments(*one.treatments)
    targets = sorted({gene for p in of.values() for gene in p.targets})
    present = set(genes)
    missing = tuple(gene for gene in targets if gene not in present and sure_names(gene))
    unknown = tuple(gene for gene in targets if gene not in present and not sure_names(gene))
    notes = [*_notes(of, targets, missing, unknown), *_control_notes(recipe, others)]
    return PerturbationLevels(of, missing, unknown, tuple(notes))


def _notes(
    of: dict[str, Perturbation], targets: list[str], missing: Sequence[str], unknown: Sequence[str]
) -> list[str]:
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} of {len(targets)} target genes are not among the genes, so their own change cannot be "
            f"seen: {_some(missing)}."
        )
    if unknown:
        notes.append(f"{len(unknown)} of {len(targets)} targets are no gene that is known here: {_some(unknown)}.")
    by_label: dict[str, list[str]] = {}
    for level, p in of.items():
        if not p.is_control:
            by_label.setdefault(p.label, []).append(level)
    merged = [label for label, levels in by_label.items() if len(levels) > 1]
    if merged:
        notes.append(f"{len(merged)} perturbations have several levels (guides, or another order): {_some(merged)}.")
    return notes


def _control_notes(recipe: Recipe, others: Sequence[LevelReading]) -> list[str]:
    if not others:
        return []
    names = [one.level for one in others]
    one = len(names) == 1
    return [
        f"{'Another kind' if one else 'Other kinds'} of control {'is' if one else 'are'} kept apart from "
        f"{recipe.control}: {_some(names)}."
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
