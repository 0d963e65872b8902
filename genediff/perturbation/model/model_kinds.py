"""How far a question is from what was measured; each kind has a baseline, a weight and a record of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from genediff.perturbation import Perturbation

Kind = Literal["seen", "context", "single", "double_2", "double_1", "double_0"]

Items = tuple[str, ...]
"""What is done to a cell, sorted: gene names, or one condition such as a drug."""

KINDS: dict[Kind, str] = {
    "seen": "perturbations that were measured in these cells",
    "context": "perturbations that were measured in other cells only",
    "single": "genes that were never perturbed",
    "double_2": "combinations of genes that were each measured alone",
    "double_1": "combinations with one gene that was never perturbed",
    "double_0": "combinations with several genes that were never perturbed",
}


def items_of(perturbation: Perturbation, usual: str = "") -> Items:
    """Return what a perturbation acts on, sorted; genes that are acted on in another way than usual say so."""
    if perturbation.kind != "gene" or perturbation.mode == (usual or perturbation.mode):
        return tuple(sorted(perturbation.parts))
    return tuple(sorted(f"{part} ({perturbation.mode.replace('_', '-')})" for part in perturbation.parts))


def gene_of(name: str) -> str:
    """Return the gene that a name of ``items_of`` is about."""
    return name.split(" (")[0]
