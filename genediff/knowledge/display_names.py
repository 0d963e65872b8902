"""Names of genes across species: human symbols are ABC1, mouse symbols Abc1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def case_hint(genes: Sequence[str], named: Collection[str], present: int) -> str:
    """Say in a sentence when few names match as written but many would in capitals, as between mouse and human.

    Parameters
    ----------
    genes
        Names of a data set.
    named
        Names in a collection or network.
    present
        How many of ``genes`` are in ``named`` as they are written.
    """
    capitals = {name.upper() for name in named}
    alike = sum(gene.upper() in capitals for gene in genes)
    if alike < 5 or present * 2 >= alike:
        return ""
    mouse = sum(gene != gene.upper() for gene in genes) > len(genes) / 2
    what = "these look like mouse symbols" if mouse else "the collection is written as mouse symbols are"
    return (
        f"{alike:,} names match when their case is ignored ({what}): "
        "use a collection of the same species, since names are compared as written."
    )
