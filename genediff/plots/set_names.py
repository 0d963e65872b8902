"""Names of gene sets as people read them."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLLECTIONS = re.compile(r"^(HALLMARK|REACTOME|GOBP|KEGG|WP|BIOCARTA|PID)_")
_GO_ID = re.compile(r"\s*\(GO:\d+\)$")
# Words that stay in capitals: those with a digit (IL6, P53), and these.
_CAPITALS = frozenset(
    "AKT ATP DNA ECM EGFR ERBB ERK FAS GPCR HIF HIV JAK KRAS MAPK MHC MTOR MYC NADPH NFKB NOTCH RAF RAS RHO RNA ROS "
    "STAT TCR TGF TLR TNFA TNF TP53 UV VEGF WNT II III IV".split()
)
_WHOLE = {"UP": "up", "DN": "down", "VIA": "via", "OF": "of", "AND": "and", "BY": "by", "THE": "the", "IN": "in"}


def short_name(name: str, *, width: int = 34) -> str:
    """Return a set's name without its collection, in words, short enough for an axis."""
    words = _GO_ID.sub("", _COLLECTIONS.sub("", name))
    if words.isupper() and "_" in name:
        words = " ".join(_word(word) for word in words.split("_"))
        words = words[:1].upper() + words[1:]
    return textwrap.shorten(words, width, placeholder="…") if len(words) > width else words


def short_names(names: Sequence[str], *, width: int = 34) -> list[str]:
    """Return short names; those that would be the same stay as they are."""
    short = [short_name(name, width=width) for name in names]
    return [one if short.count(one) == 1 else name for one, name in zip(short, names, strict=True)]


def _word(word: str) -> str:
    if any(letter.isdigit() for letter in word) or word in _CAPITALS:
        return word
    return _WHOLE.get(word, word.lower())
