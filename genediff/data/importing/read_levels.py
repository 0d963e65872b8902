"""The general rules by which the levels of a perturbation column are read where no recipe says what they mean."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from genediff.data.importing.control_words import WHEN, control_kind, is_unassigned, is_vehicle
from genediff.data.importing.recipe import JOINT, LevelReading, Mode, Recipe, Treatment, split_names
from genediff.knowledge.gene_names import find_gene, other_names, sure_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_GUIDE_BEFORE = re.compile(
    r"^(?:[pm]_)?(?:s?grna|sg|guide|g(?=[-_])|(?-i:g(?=[A-Z]))|[pm](?=_))[-_]?(?=[A-Za-z0-9])", re.IGNORECASE
)
_SILENCER_BEFORE = re.compile(r"^(?:si|sh|shrna|sirna|ko|kd|oe|crispr[ia]|delta|Δ)[-_ ]*(?=[A-Za-z])", re.IGNORECASE)
_MADE = (  # what only constructs have: plasmids, protospacers, numbered guides
    re.compile(r"_[+-]_\d+(?:\.\d+)*(?:-[\w.]+)?$"),  # STAT1_+_191878891.23-P1P2
    re.compile(r"_p[A-Z]{1,4}\d+(?:-\d+)?$"),  # SPI1_pDS255, neg_ctrl_pMJ144-1
    re.compile(r"[-_][ACGT]{15,}.*$"),  # STAT1_GGATTCC...
    re.compile(r"[-_. ]?(?:sg|g|guide|grna|sgrna)[-_.# ]?\d+$", re.IGNORECASE),  # STAT1g2, STAT1_sg2
    re.compile(r"[-_ ](?:sg|guide|s?grna)$", re.IGNORECASE),
    re.compile(r"[-_](?:P1P2|P1|P2|TSS\d*|ENST\d+[.\d]*)$"),  # STAT1_P1P2
    re.compile(r"[-_ ]only$", re.IGNORECASE),  # PERK_only
)
_NUMBER_AFTER = (WHEN, re.compile(r"[-_.#: ]+[ia]?\d+$"), re.compile(r"[-_]\d+(?:_top_two)?$"))  # STAT1_1, STAT1 #2
_REPLOGLE = re.compile(r"^\d+_(?P<gene>.+)_(?:P1P2|P1|P2|non-targeting|ENST[^_]+)_(?:ENSG\d+(?:\.\d+)?|non-targeting)$")
_MODES: dict[Mode, str] = {
    "knock_out": r"[dt]?ko|(?:(?:double|triple)[-_ ])?knock[-_ ]?out|crispr[-_ ]?ko|null|del|-/-|(?<=\()-/-(?=\))",
    "knock_down": r"kd|knock[-_ ]?down|crispri|s[ih](?:rna)?",
    "activation": r"oe|over[-_ ]?expression|activation|crispra",
}
_MODE_AFTER = {
    mode: re.compile(rf"^(?P<rest>.+?)(?:[-_ ]*\((?:{words})\)|[-_ ]+(?:{words})|(?:-/-)(?!.))(?:[-_ #]?\d+)?$", re.I)
    if mode == "knock_out"
    else re.compile(rf"^(?P<rest>.+?)(?:[-_ ]*\((?:{words})\)|[-_ ]+(?:{words}))(?:[-_ #]?\d+)?$", re.I)
    for mode, words in _MODES.items()
}
_CONSTRUCT = re.compile(r"^[A-Z]*\d{2,}$|^top$|^two$", re.IGNORECASE)
_WEAK_JOINT = re.compile(r"__|[_/:~ -]")
_TREATMENT_COLUMN = re.compile(
    r"treat|drug|compound|stim|cytokine|dose|conc|ligand|exposure|product|agent|perturbagen|sm_name|molecule|chemical|"
    r"inhibitor|pert_iname",
    re.IGNORECASE,
)
_GUIDE_COLUMN = re.compile(
    r"guide|s?g[-_]?rna|sgid|crispr|knock[-_ ]?(out|down)|^gene(_|$)|target_?gene|gene_?target|feature_call|"
    r"protospacer|genetic",
    re.IGNORECASE,
)
_DOSE_COLUMN = re.compile(r"dose|dosage|conc(entration)?($|[^a-z])", re.IGNORECASE)
_BARE_DOSE = re.compile(r"^(?P<name>.*?[A-Za-z)\]].*?)[-_@ ](?P<dose>\d+(?:\.\d+)?(?:e[-+]?\d+)?)$", re.IGNORECASE)
_ZERO = re.compile(r"^(?P<name>.+)[-_@ ]0(\.0+)?$")
_SUBSTANCE = re.compile(r"[()\[\]]|[a-z] |\d [A-Za-z]")
_MOSTLY = 0.5
_PREFERRED = {
    "genes": ("control guide", "control", "untreated", "no guide"),
    "drug": ("DMSO", "vehicle", "PBS", "control", "untreated", "medium", "water", "ethanol", "isotype"),
}


@dataclass(frozen=True)
class Evidence:
    """What other columns of a file, or its lists of guides, say of a level.

    A flag ("control": True) counts only where no level's name says control: some files flag drugs with a known effect.
    """

    is_control: bool = False
    is_flagged: bool = False
    unperturbed: bool = False
    genes: tuple[str, ...] = ()
    mode: Mode | None = None
    kind: Literal["genes", "drug"] | None = None


def kind_of_column(name: str) -> Literal["genes", "drug"] | None:
    """Return "genes" where a column's name speaks of guides, "drug" of treatments; None where levels have to say."""
    if _GUIDE_COLUMN.search(name):
        return "genes"
    return "drug" if _TREATMENT_COLUMN.search(name) else None


def read_levels(
    levels: Iterable[str],
    recipe: Recipe,
    *,
    genes: Sequence[str],
    ids: Sequence[str] = (),
    sizes: Mapping[str, int] | None = None,
    evidence: Mapping[str, Evidence] | None = None,
) -> Recipe:
    """Read every level: as the recipe says, else by the general rules.

    Parameters
    ----------
    levels
        Levels of the recipe's column (values of several columns joined), in any order; repeated ones count once.
    recipe
        Columns, and whatever else is known.
    genes, ids
        Names of the data set's genes, and their Ensembl ids where it has them.
    sizes
        Cells of each level; of several controls of one kind the largest names the control.
    evidence
        What the file says of levels elsewhere.

    Returns
    -------
    Recipe
        The same with every level listed, and with a control where one was found.
    """
    names = list(dict.fromkeys(str(level) for level in levels))
    rules = _Rules(names, genes, ids, recipe, evidence or {})
    read = tuple(rules.read(level) for level in names)
    return replace(recipe, levels=read, kind=rules.kind, control=_control(read, recipe, rules.kind, sizes or {}))


def _control(
    read: tuple[LevelReading, ...], recipe: Recipe, kind: Literal["genes", "drug"], sizes: Mapping[str, int]
) -> str | None:
    """Return the level that others are compared with: of the kind that suits the perturbations, the largest."""
    own = {one.level: one for one in read if one.kind == "control"}
    if recipe.control is not None:
        return recipe.control
    order = _PREFERRED[kind]

    def rank(level: str) -> tuple[int, int, int, str]:
        what = own[level].control
        return order.index(what) if what in order else len(order), -sizes.get(level, 0), len(level), level

    return min(own, key=rank, default=None)


class _Rules:
    def __init__(
        self,
        levels: Sequence[str],
        genes: Sequence[str],
        ids: Sequence[str],
        recipe: Recipe,
        evidence: Mapping[str, Evidence],
    ) -> None:
        self._recipe, self._evidence = recipe, evidence
        self._genes, self._ids, self._present = genes, ids, set(genes)
        self._by_id = {_unversioned(name): gene for gene, name in zip(genes, ids, strict=False)}
        self._by_capitals: dict[str, list[str]] = {}
        for gene in genes:
            self._by_capitals.setdefault(gene.upper(), []).append(gene)
        self._in_capitals = sum(gene == gene.upper() for gene in genes) > _MOSTLY * len(genes)
        self._found: dict[str, str | None] = {}
        self._levels = frozenset(level.strip() for level in levels)
        self._has_dose = len(recipe.columns) > 1
        names = [self._name(level) for level in levels]
        # A word such as CTRL or REST is the gene of that name only where another level is the control.
        self._other_control = recipe.control is not None or any(
            control_kind(name) is not None and not self._is_gene_word(name) for name in names
        )
        self._bare_doses = bool(_DOSE_COLUMN.search(recipe.columns[0])) or any(
            (zero := _ZERO.match(name)) is not None and control_kind(zero["name"]) is not None for name in names
        )
        self.kind = recipe.kind or kind_of_column(recipe.columns[0]) or self._usual_kind(levels)
        self._singles = self._single_names(names) if self.kind == "drug" else Counter()

    # ------------------------------------------------------------------------------------------------------- a level

    def read(self, level: str) -> LevelReading:
        if (said := self._recipe.of(level)) is not None:
            return self._named_as_here(said)
        name, dose = self._parts(level)
        known = self._evidence.get(level, Evidence())
        flagged = known.is_flagged and not self._other_control
        if level == self._recipe.control or known.unperturbed or known.is_control or flagged:
            kind = "unperturbed" if known.unperturbed else self.read_control(name) or "control"
            return LevelReading(level, "control", control=kind)
        known_mode = known.mode if self._recipe.mode == "knock_out" else None
        if names := [name for name in known.genes if self.read_control(name) is None]:
            return self._acting(level, names, known_mode)
        if is_unassigned(name, self._levels):
            return LevelReading(level, "left out", note="no single perturbation is known")
        if (listed := _listed(name)) is not None:
            return self._treated(level, listed, dose)
        if (control := self.read_control(name)) is not None:
            return LevelReading(level, "control", control=control)
        if (known.kind or self.kind) == "drug":
            return self._treated(level, self._treatments(name), dose)
        mode, names, sure = self._targets(name)
        if not sure and not all(self.gene(one) for one in names) and _SUBSTANCE.search(name):
            return self._treated(level, self._treatments(name), dose)
        return self._acting(level, names, mode or known_mode)

    def read_control(self, text: str) -> str | None:
        """Return the kind of control that a text is; None where it is none or names anything beside controls."""
        text = text.strip()
        if (whole := self._control_word(text)) is not None:
            return whole
        for pieces in (self._pieces(text), text.split("_"), [piece for piece in _WEAK_JOINT.split(text) if piece]):
            kinds = {piece: self._control_word(piece) for piece in pieces}
            named = [kind for kind in kinds.values() if kind]
            if named and all(kind or self._is_number(piece) for piece, kind in kinds.items()):
                return min(named, key=lambda kind: kind != "control guide")
        return None

    def _is_number(self, text: str) -> bool:
        """Say whether a text only numbers a construct (the TFORF3549 of TFORF3549-GFP)."""
        return bool(_CONSTRUCT.match(text)) and self.gene(text) is None

    def _control_word(self, text: str) -> str | None:
        if text in self._present:
            return None
        for form in _forms(text):
            kind = control_kind(form)
            if kind is None:
                continue
            if self._is_gene_word(form) and (self._other_control or control_kind(form.rstrip("0123456789")) != kind):
                return None
            # WT1 is a gene although WT and a number would be a control; AAVS1 is a place, and no transcript.
            numbered = form[-1:].isdigit() and self._is_gene_word(form) and form.upper() != "AAVS1"
            return None if numbered else kind
        return None

    def _is_gene_word(self, text: str) -> bool:
        """Say whether a word for controls is a gene's symbol here: Ctrl is one of mouse, and none among human genes."""
        return self._is_symbol(text) and (text.isupper() or not self._in_capitals)

    def _is_symbol(self, text: str) -> bool:
        """Say whether a text is a gene's symbol of today, letter by letter, and not the safe harbour's."""
        return len(text) > 1 and text != "AAVS1" and (found := other_names(text)) is not None and found.symbol == text

    def _acting(self, level: str, names: Iterable[str], mode: Mode | None) -> LevelReading:
        names = list(names)
        genes = {name: self.gene(name) or name for name in names}
        other = [f"{name} is {gene}" for name, gene in genes.items() if gene.upper() not in name.upper()]
        note = ", ".join(other)
        return LevelReading(level, "genes", tuple(sorted(set(genes.values()))), mode, note=note)

    def _treated(self, level: str, given: Sequence[Treatment], dose: float | None) -> LevelReading:
        """Return the reading of some treatments; a dose of 0, or controls alone, are a control."""
        acting = [one for one in given if self.read_control(one.name) is None]
        if not acting:
            return LevelReading(level, "control", control=self.read_control(given[0].name) or "control")
        if dose is not None and len(acting) == 1 and acting[0].dose is None:
            acting = [Treatment(acting[0].name, dose, self._recipe.unit)]
        if all(one.dose == 0 for one in acting):
            kinds = (self.read_control(self._name(name)) or "" for name in sorted(self._levels))
            return LevelReading(level, "control", control=next(filter(is_vehicle, kinds), "vehicle"), note="dose 0")
        return LevelReading(level, "drug", treatments=tuple(sorted(set(acting), key=str)))

    def _named_as_here(self, said: LevelReading) -> LevelReading:
        return replace(said, genes=tuple(sorted({self.gene(name) or name for name in said.genes})))

    # ------------------------------------------------------------------------------------------------------- parts

    def _name(self, level: str) -> str:
        return self._parts(level)[0]

    def _parts(self, level: str) -> tuple[str, float | None]:
        """Return the name in a level, and the dose where a second column holds one."""
        if not self._has_dose or JOINT not in level:
            return " ".join(level.split()), None
        name, _, dose = level.rpartition(JOINT)
        try:
            return " ".join(name.split()), float(dose)
        except ValueError:
            return " ".join(level.split()), None

    def _pieces(self, text: str) -> list[str]:
        """Split a text where perturbations are joined, and take away a guide's marks that hold a joint."""
        found = []
        for part in split_names(re.sub(r"\s+and\s+", ";", text), "|;&,"):
            for pattern in _MADE[:1]:
                part = pattern.sub("", part.strip())
            if match := _REPLOGLE.match(part):
                part = match["gene"]
            pieces = split_names(part, "+")
            found += pieces if len(pieces) > 1 else part.split("__")
        return [piece.strip() for piece in found if piece.strip()]

    def _targets(self, text: str) -> tuple[Mode | None, list[str], bool]:
        """Return what is done, where the level says it; the names that it joins; whether the form alone says genes."""
        said: Mode | None = None
        names: list[str] = []
        pieces = self._pieces(text)
        twice = len(pieces) > 1 and len(set(pieces)) == 1 and "_" in pieces[0]  # A_B__A_B: two guides on a plasmid
        for piece in dict.fromkeys(pieces):
            if self.gene(piece) is None:
                for mode, pattern in _MODE_AFTER.items():
                    if (match := pattern.match(piece)) and all(map(self.gene, self._apart(match["rest"].strip()))):
                        said, piece = mode, match["rest"].strip()
                        break
            names += self._apart(piece, firmly=twice)
        acting = [name for name in dict.fromkeys(names) if self._control_word(name) is None]
        return said, acting or [text], twice

    def _apart(self, piece: str, *, firmly: bool = False) -> list[str]:
        """Cut A_B where A_B itself is no gene and each piece is one, or a control; take the one gene out of a name."""
        if self.gene(piece):
            return [piece]
        made = _unmade(piece)
        for form in dict.fromkeys((made, piece)):
            for joint in ("_", "/", ":", "~", " ", "-"):
                parts = [part for part in form.split(joint) if part]
                if len(parts) < 2:
                    continue
                named = [self._piece(part, alias=made != piece) for part in parts]
                if all(named) or (firmly and joint == "_" and len(parts) == 2):
                    return [name or part for name, part in zip(named, parts, strict=True)]
        if made != piece and (alias := self._alias(made)):
            return [alias]
        tokens = [token for token in re.split(r"[-_.:/ ]", piece) if len(token) > 1 and self._is_known(token)]
        return tokens if len(tokens) == 1 else [piece]

    def _piece(self, part: str, *, alias: bool) -> str | None:
        if self._is_known(part) or self._control_word(part) is not None:
            return part
        if len(part) == 1:  # STAT1_A is one of its guides
            return None
        if (gene := self.gene(part)) is not None and part.upper() == part:
            return gene
        return self._alias(part) if alias else None

    def _is_known(self, text: str) -> bool:
        return text in self._present or self._is_symbol(text)

    def _is_sure(self, name: str) -> bool:
        """Say whether a name is a gene's for certain: a symbol of today, one of the data set, an Ensembl id.

        Former symbols do not count: TNFA and IFNB beside LPS are cytokines.
        """
        return any(
            self._is_known(form)
            or form.upper() in self._by_capitals
            or (form.upper().startswith("ENS") and self.gene(form) is not None)
            for form in _forms(name)
        )

    def _alias(self, text: str) -> str | None:
        """Return the gene that an alias means (PERK is EIF2AK3); only asked of constructs, whose names are genes'."""
        found = find_gene(text, self._genes, ids=self._ids) if len(text) > 2 else ()
        return found[0] if len(found) == 1 else None

    # ------------------------------------------------------------------------------------------------------- genes

    def gene(self, name: str) -> str | None:
        """Return the gene that a name means, as the data set writes it where it has it."""
        if name not in self._found:
            self._found[name] = next((gene for form in _forms(name) if (gene := self._look(form))), None)
        return self._found[name]

    def _look(self, form: str) -> str | None:
        if form in self._present:
            return form
        own = self._by_id.get(_unversioned(form))
        same = self._by_capitals.get(form.upper(), [])
        if own or len(same) == 1:
            return own or same[0]
        names = sure_names(form)
        here = next((name for name in names if name in self._present), None)
        if here or not names:
            return here
        return names[0] if form.upper().startswith("ENS") else form  # the user's word for a gene that is not here

    def _usual_kind(self, levels: Sequence[str]) -> Literal["genes", "drug"]:
        told = Counter(one.kind for one in self._evidence.values() if one.kind)
        if told:
            return told.most_common(1)[0][0]
        if any(one.genes for one in self._evidence.values()):
            return "genes"
        names = {level: self._name(level) for level in levels}
        controls = {level: kind for level, name in names.items() if (kind := self.read_control(name)) is not None}
        acting = [name for level, name in names.items()
                  if level not in controls and not is_unassigned(name, self._levels)]  # fmt: skip
        if not acting or any(_listed(name) is not None for name in acting):
            return "drug"
        if controls and all(is_vehicle(kind) for kind in controls.values()):
            return "drug"  # IL4 and TNF beside PBS are given, not knocked out
        known = sum(all(self._is_sure(one) for one in self._targets(name)[1]) for name in acting)
        return "genes" if known > _MOSTLY * len(acting) else "drug"

    # ------------------------------------------------------------------------------------------------------- drugs

    def _treatment(self, text: str) -> Treatment:
        found = Treatment.parse(text)
        if found.dose is None and self._bare_doses and (match := _BARE_DOSE.match(found.name)):
            return Treatment(match["name"].strip(" _-@"), float(match["dose"]), self._recipe.unit)
        return found

    def _treatments(self, text: str) -> list[Treatment]:
        """Split "IL6+TNF" where its parts are levels too, or all have doses; "CD14+ cells" is one name."""
        parts = [part.strip() for part in split_names(text, "+;|&") if part.strip()]
        given = [self._treatment(part) for part in parts]
        if len(parts) > 1 and not all(
            self._singles[part] or one.dose is not None or self.read_control(part) is not None
            for part, one in zip(parts, given, strict=True)
        ):
            return [self._treatment(text)]
        return given

    def _single_names(self, names: Sequence[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        for name in names:
            parts = [part.strip() for part in split_names(name, "+;|&") if part.strip()]
            acting = [part for part in parts if self.read_control(part) is None]
            if len(acting) == 1:
                found[acting[0]] += 1
        return found


def _unversioned(name: str) -> str:
    """Return an id in capitals, an Ensembl id without its version; the point of RP5-892K4.1 belongs to the name."""
    return name.split(".")[0].upper() if name.upper().startswith("ENS") else name.upper()


def _listed(text: str) -> list[Treatment] | None:
    """Read Tahoe's "[('Trametinib', 0.05, 'uM')]", a list of tuples or lists in a text; None where it is none."""
    if not text.startswith(("[(", "[[", "(('", "('")) or len(text) > 10_000:
        return None
    try:
        value = ast.literal_eval(text)
        items = value if isinstance(value, list) or isinstance(value[0], tuple) else [value]
        return [Treatment(str(name), None if dose is None else float(dose), str(unit)) for name, dose, unit in items]
    except (ValueError, SyntaxError, TypeError, IndexError, MemoryError, RecursionError):
        return None


def _unmade(text: str) -> str:
    """Take all marks of a construct from a name; the name itself where it has none."""
    short = _GUIDE_BEFORE.sub("", text)
    for pattern in _MADE:
        short = pattern.sub("", short)
    return short or text


def _forms(name: str) -> list[str]:
    """Return a name, and what is left of it without the marks of a guide, the likeliest first."""
    forms = [name]
    starts = dict.fromkeys((name, _GUIDE_BEFORE.sub("", name)))
    for start in starts:
        forms.append(start)
        short = start
        for pattern in (*_MADE, *_NUMBER_AFTER):
            short = pattern.sub("", short)
            if short:
                forms.append(short)
            if short != start and (alone := pattern.sub("", start)):
                forms.append(alone)
    forms += [rest for form in starts for one in (form, *forms) if (rest := _SILENCER_BEFORE.sub("", one)) != one]
    return list(dict.fromkeys(form for form in forms if form))
