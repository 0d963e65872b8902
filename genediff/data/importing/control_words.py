"""The words by which files call untreated cells, control guides, and cells whose perturbation is not known."""

from __future__ import annotations

import re
from typing import Literal

from genediff.data.importing.recipe import UNIT

ControlKind = Literal["control guide", "control", "untreated", "no guide"] | str
"""What a control is; vehicles by their own names (DMSO, PBS), since cells in DMSO are no control of cells in PBS."""

_WORDS: dict[str, str] = {
    "control guide": (
        r"non?[-_ ]?target(ing|ed|s)?|ntc?|nc|neg(ative)?|neg(ative)?[-_ ]?(ctrl|control|con|c)|scr|scrambled?|"
        r"safe|safe[-_ ]?(targeting|harbou?r|cut(ting)?)|(deep[-_ ]?)?inter(genic)?|intergenic[-_ ]?(site|region)|"
        r"(no|one)([-_ ](non[-_ ]?gene|inter[-_ ]?genic))?[-_ ]?site|aavs1|h?rosa[-_ ]?26|gal4|gal4-4|"
        r"[fr]?luc(iferase)?|[es]?gfp|[emt]?bfp2?|rfp|[ey]*yfp|m?cherry|tdtomato|lac[-_ ]?z|random(ly)?|"
        r"empty[-_ ]?(vector|guide|plasmid)?|ev|ctrl\d+|(control|ctrl)[-_ ]?(guides?|s?grnas?)"
    ),
    "DMSO": r"dmso([-_ ]?tf)?|di-?methyl[-_ ]?sul(f|ph)oxide",
    "PBS": r"d?pbs",
    "water": r"h2o|water|dd?h2o",
    "ethanol": r"etoh|ethanol",
    "medium": r"medi(a|um)([-_ ]?(only|alone))?|rpmi|dmem",
    "vehicle": r"vehicles?|veh|saline|nacl|solvent|carrier|bsa|placebo",
    "isotype": r"isotype|igg\d?[ab]?",
    "no guide": (
        r"no[-_ ]?(guides?|s?g[-_ ]?rnas?|barcode|cas9)([-_ ]?(detected|found|assigned))?|unguided|"
        r"(un|non[-_ ]?)(transduced|transfected|edited|infected)|no[-_ ]?(transduction|transfection)"
    ),
    "untreated": (
        r"un[-_ ]?(treated|stim(ulated)?|perturbed|exposed|induced|modified|manipulated|challenged)|"
        r"(no|non|not)[-_ ]?(treat(ment|ed)?|stim(ulation|ulated|ulus)?|perturbations?|perturbed|drugs?|cytokines?)|"
        r"mock([-_ ]?(infect(ed|ion)|treated|control))?|sham|rest(ing)?|baseline|parental|naive|"
        r"wt|wild[-_ ]?type|none"
    ),
    "control": r"controls?|ctrls?|ctls?|cntrl|con",
}
_AFTER = r"([-_ ]?(ctrl|control|guides?|grna|sgrna|s[hi]rna|only|region|vector|cells?|treated|treatment))?"
_CONTROL = {
    kind: re.compile(rf"^(human|mouse|h|m)?[-_ ]?(?:{words}){_AFTER}$", re.IGNORECASE) for kind, words in _WORDS.items()
}
_NUMBERED = re.compile(r"(?:(?:[-_ .#]+(?:[A-Za-z]|\d+))+|\d+)$")
"""Numbers and single letters behind a word: NegCtrl0, non-targeting_00012, MouseNTC_100_A_67005."""
_OCCASION = (
    r"\d+(?:\.\d+)?[-_ ]?(?:h|hrs?|hours?|d|days?|min|wks?|weeks?)|"
    r"(?:d|day|t|wk|week|rep|repl|replicate|r|batch|donor|plate|well|lane|sample)[-_ ]?\d+"
)
WHEN = re.compile(rf"[-_ ,]+(?:{_OCCASION})$", re.IGNORECASE)
"""Times and replicates behind a name: DMSO_24h, STAT1_rep2."""
_WHEN_FIRST = re.compile(rf"^(?:{_OCCASION})[-_ ,]+(?=[A-Za-z])", re.IGNORECASE)
_PERCENT_FIRST = re.compile(r"^\d+(?:\.\d+)?\s*%[-_ ]*(?=[A-Za-z])")
_BRACKETED = re.compile(r"^(?P<outer>[^()\[\]]+?)[-_ ]*[(\[](?P<inner>[^()\[\]]+)[)\]]$")
_NOTHING = re.compile(rf"^0+(?:\.0+)?[-_ ]*(?:{UNIT})$", re.IGNORECASE)
_CLONE = re.compile(r"^\d{2}\(mod\)$|\(mod\)$|^\d+x[-_ ]", re.IGNORECASE)
"""Adamson's negative guides are called 62(mod), 63(mod) and Gal4-4(mod), and 3x_neg_ctrl where three are joined."""
_ADAMSON = re.compile(r"^6[23]\(mod\)$")
_VEHICLES = ("DMSO", "PBS", "water", "ethanol", "medium", "vehicle", "isotype")

_UNASSIGNED = re.compile(
    r"^(un[-_ ]?(assigned|known|determined|defined|mapped|matched|detected|called|classified)|"
    r"not[-_ ]?(assigned|determined|detected|called|available|applicable)|"
    r"multi(plets?|ple)?([-_ ]?(guides?|s?grnas?|perturbations?))?|doublets?|"
    r"ambig(uous)?|collisions?|no[-_ ]?(call|feature[-_ ]?call|features?|assignment|data)|blanks?|"
    r"(low|bad|poor)[-_ ]?(quality|confidence|coverage|umi)|debris|filtered([-_ ]?out)?|removed?|excluded?|"
    r"qc[-_ ]?fail(ed)?|failed|other|na|n/a|nan|[*?.-]|)$",
    re.IGNORECASE,
)
_MULTIPLET = re.compile(r"^(multiplets?|doublets?|singlets?)$", re.IGNORECASE)


def control_kind(text: str) -> str | None:
    """Return what kind of control a word is: "control guide", "DMSO", "untreated" ...; None where it is none.

    The word stands alone, but for a number (NegCtrl0), "guide", "control" or the like behind it. Marks of guides
    around it are taken off before.
    """
    if _ADAMSON.match(text):
        return "control guide"
    if _NOTHING.match(text):
        return "untreated"
    if match := _BRACKETED.match(text):  # Vehicle (DMSO)
        kinds = [control_kind(match["inner"]), control_kind(match["outer"])]
        if None not in kinds:
            return min(kinds, key=lambda kind: kind not in _VEHICLES[:-2])
    plain = _CLONE.sub("", text).strip(" -_") or text
    unmarked = _PERCENT_FIRST.sub("", _WHEN_FIRST.sub("", WHEN.sub("", WHEN.sub("", plain))))
    for form in (plain, _NUMBERED.sub("", plain), unmarked, _NUMBERED.sub("", unmarked)):
        for kind, pattern in _CONTROL.items():
            if pattern.match(form):
                return kind
    return None


def is_vehicle(kind: str) -> bool:
    """Say whether a kind of control is what drugs and cytokines are dissolved in."""
    return kind in _VEHICLES


def is_unassigned(text: str, levels: frozenset[str] = frozenset()) -> bool:
    """Say whether a level stands for cells whose perturbation is not known, or for several cells in one droplet.

    "Negative" beside "Doublet" or "Multiplet" is a droplet without a tag, and no control.
    """
    text = text.strip()
    if text.lower() == "negative":
        return any(_MULTIPLET.match(level) for level in levels)
    return bool(_UNASSIGNED.match(text)) or bool(re.search(r"[A-Za-z0-9] NP$", text))
