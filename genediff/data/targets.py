"""What the levels of a perturbation column mean: which are controls, and which genes the others act on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from genediff.knowledge.gene_names import sure_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Kind = Literal["control", "gene", "condition"]
Mode = Literal["knock_out", "knock_down", "activation", "treatment"]

CONTROL_LIKE = re.compile(
    r"^(control|ctrl|ctl|non[-_ ]?targeting|nt|negative|neg|neg[-_ ]?(ctrl|control)|unperturbed|untreated|unstimulated|"
    r"mock|vehicle|dmso|pbs|wt|wild[-_ ]?type|safe[-_ ]?(targeting|harbou?r)|scrambled?|intergenic|aavs1|none)"
    r"([-_ ]?(ctrl|control|guide|grna|sgrna))?$",
    re.IGNORECASE,
)
_GUIDE_BEFORE = re.compile(r"^(sg(rna)?|grna|guide)[-_]?(?=[A-Za-z])", re.IGNORECASE)
_GUIDE_AFTER = (
    re.compile(r"[-_. ]?(sg|g|guide|grna|sgrna)[-_.]?\d+$", re.IGNORECASE),  # STAT1g2, STAT1_sg2
    re.compile(r"[-_.]\d+$"),  # STAT1_1
    re.compile(r"[-_][ACGT]{15,}.*$"),  # STAT1_GGATTCC...
)
_NUMBER_AFTER = re.compile(r"[-_. ]?\d+$")
_MODES: dict[Mode, str] = {
    "knock_out": r"ko|knock[-_ ]?out|crispr[-_ ]?ko",
    "knock_down": r"kd|knock[-_ ]?down|crispri|si|sh",
    "activation": r"oe|over[-_ ]?expression|activation|crispra",
}
_MODE_SAID = {
    mode: re.compile(rf"^(?P<rest>.+?)[-_ ]*(?:\((?:{words})\)|[-_ ](?:{words}))$", re.IGNORECASE)
    for mode, words in _MODES.items()
}
_TREATMENT = re.compile(r"treat|drug|compound|stim|cytokine|dose|ligand|exposure", re.IGNORECASE)
_JOINED = re.compile(r"\s*[+|;&,]\s*")
_MOSTLY = 0.5


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
    """

    label: str
    targets: tuple[str, ...] = ()
    kind: Kind = "gene"
    mode: Mode = "knock_out"
    conditions: tuple[str, ...] = ()

    @classmethod
    def of_genes(cls, *genes: str, mode: Mode = "knock_out", usual: Mode | None = None) -> Perturbation:
        """Return the perturbation of some genes; its label names the mode where it is not the ``usual`` one."""
        targets = tuple(sorted(set(genes)))
        said = "" if mode == (usual or mode) else f" ({mode.replace('_', '-')})"
        return cls("+".join(targets) + said, targets, "gene", mode)

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
        The perturbation of each level. Several levels may mean the same one.
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


def reads_as_control(level: str) -> bool:
    """Say whether a level reads like untreated cells: control, NT, non-targeting_00012, a guide such as NTg4, A+A."""
    return _Reader((), (), None).is_control(level)


def kind_of_column(name: str) -> Kind | None:
    """Return "condition" where a column's name speaks of treatments; None where its levels have to say."""
    return "condition" if _TREATMENT.search(name) else None


def read_perturbations(
    levels: Iterable[str],
    *,
    control: str | None,
    genes: Sequence[str],
    ids: Sequence[str] = (),
    kind: Kind | None = None,
    mode: Mode = "knock_out",
) -> PerturbationLevels:
    """Read the levels of a perturbation column.

    Understood are ``A``, ``A+B``, ``A_B``, ``A+ctrl``, guides (``STAT1g2``, ``sgSTAT1_1``), Ensembl ids, former
    symbols, what is done in words (``A KO``, ``A (activation)``), and the usual names of controls.

    Parameters
    ----------
    levels
        Levels, in any order; repeated ones count once.
    control
        The level that means that nothing was done; others that read like one are controls too.
    genes, ids
        Names of the data set's genes, and their Ensembl ids where it has them.
    kind
        "gene" or "condition"; None: genes where most levels are some.
    mode
        What is done to genes where a level does not say it itself.
    """
    reader = _Reader(genes, ids, control)
    levels = list(dict.fromkeys(str(level) for level in levels))
    acting = [level for level in levels if not reader.is_control(level)]
    read = {level: reader.targets(level) for level in acting}
    if kind is None:
        known = sum(all(reader.gene(name) for name in names) for _, names in read.values())
        kind = "gene" if acting and known > _MOSTLY * len(acting) else "condition"
    of: dict[str, Perturbation] = {
        level: Perturbation(control or "control", (), "control") for level in levels if reader.is_control(level)
    }
    for level, (said, names) in read.items():
        if kind == "gene":
            targets = [reader.gene(name) or name for name in names]
            of[level] = Perturbation.of_genes(*targets, mode=said or mode, usual=mode)
        else:
            parts = [part.strip() for part in level.split("+")]  # "CD14+ cells" is one name, "IL6+TNF" may be two
            if any(part not in read and not reader.is_control(part) for part in parts):
                parts = [level.strip()]
            parts = sorted({part for part in parts if not reader.is_control(part)})
            of[level] = Perturbation("+".join(parts), (), "condition", "treatment", tuple(parts))
    targets = sorted({gene for p in of.values() for gene in p.targets})
    present = set(genes)
    missing = tuple(gene for gene in targets if gene not in present and sure_names(gene))
    unknown = tuple(gene for gene in targets if gene not in present and not sure_names(gene))
    return PerturbationLevels(of, missing, unknown, tuple(_notes(of, targets, missing, unknown)))


class _Reader:
    def __init__(self, genes: Sequence[str], ids: Sequence[str], control: str | None) -> None:
        self._control = control
        self._present = set(genes)
        self._by_id = {name.split(".")[0].upper(): gene for gene, name in zip(genes, ids, strict=False)}
        self._by_capitals: dict[str, list[str]] = {}
        for gene in genes:
            self._by_capitals.setdefault(gene.upper(), []).append(gene)
        self._found: dict[str, str | None] = {}

    def is_control(self, level: str) -> bool:
        level = level.strip()
        if level == self._control:
            return True
        parts = _JOINED.split(level)
        if len(parts) > 1 or (len(parts := level.split("_")) > 1 and not CONTROL_LIKE.match(level)):
            if all(self.is_control(part) for part in parts):
                return True
        return level not in self._present and any(
            CONTROL_LIKE.match(form) for form in (*_forms(level), _NUMBER_AFTER.sub("", level))
        )

    def targets(self, level: str) -> tuple[Mode | None, list[str]]:
        """Return what is done, where the level says it, and the names that it joins."""
        level = level.strip()
        said: Mode | None = None
        if self.gene(level) is None:
            for mode, pattern in _MODE_SAID.items():
                if match := pattern.match(level):
                    said, level = mode, match["rest"].strip()
                    break
        parts = _JOINED.split(level)
        names = [name for part in parts for name in self._apart(part)]
        return said, [name for name in names if not self.is_control(name)] or [level]

    def gene(self, name: str) -> str | None:
        """Return the gene that a name means, as the data set writes it where it has it."""
        if name not in self._found:
            self._found[name] = next((gene for form in _forms(name) if (gene := self._look(form))), None)
        return self._found[name]

    def _look(self, form: str) -> str | None:
        if form in self._present:
            return form
        own = self._by_id.get(form.split(".")[0].upper())
        same = self._by_capitals.get(form.upper(), [])
        if own or len(same) == 1:
            return own or same[0]
        names = sure_names(form)
        here = next((name for name in names if name in self._present), None)
        if here or not names:
            return here
        return names[0] if form.upper().startswith("ENS") else form  # the user's word for a gene that is not here

    def _apart(self, part: str) -> list[str]:
        """Cut A_B where A_B itself is no gene and each piece is one, or a control."""
        pieces = part.split("_")
        if len(pieces) < 2 or self.gene(part):
            return [part]
        if all(self.gene(piece) or self.is_control(piece) for piece in pieces):
            return pieces
        return [part]


def _forms(name: str) -> list[str]:
    """Return a name, and what is left of it without the marks of a guide, the likeliest first."""
    forms = [name]
    for start in (name, _GUIDE_BEFORE.sub("", name)):
        forms.append(start)
        forms += [short for pattern in _GUIDE_AFTER if (short := pattern.sub("", start)) and short != start]
    return list(dict.fromkeys(forms))


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
        by_label.setdefault(p.label, []).append(level)
    merged = [label for label, levels in by_label.items() if len(levels) > 1]
    if merged:
        notes.append(f"{len(merged)} perturbations have several levels (guides, or another order): {_some(merged)}.")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
