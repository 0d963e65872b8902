"""Modules: groups of genes that rise and fall together in the cells, by non-negative matrix factorisation."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.knowledge.enrichment import Enriched, enriched
from genediff.knowledge.gene_sets import GeneSets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.knowledge.library import Library

_NAMING = ("hallmark", "reactome", "go_bp")
_MAX_FDR = 0.01
_SMALLEST = 5
_TOP_GENES = 3
_TELLING = 100
_MAX_CELLS = 5000
_ROUNDS = 200


@dataclass(frozen=True, eq=False)
class Modules:
    """Modules of genes, and how they were found.

    Attributes
    ----------
    gene_sets
        The modules; the most telling genes of each first, and what each is named after in ``descriptions``.
    shares
        (module, gene) share of each module in a gene's expression; over the modules they add up to 1, or are all 0.
    matches
        Per module the known set that it was named after, or None.
    n_small
        Modules of fewer than 5 genes, which were left out.
    """

    gene_sets: GeneSets
    shares: np.ndarray
    matches: tuple[Enriched | None, ...]
    n_small: int


def find_modules(
    x: Any,
    genes: Sequence[str],
    n_modules: int,
    *,
    seed: int,
    library: Library | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Modules:
    """Factorise x (cell, gene) into modules.

    x ≈ W H with W (cell, module) and H (module, gene) not below 0 (Lee and Seung 1999, doi:10.1038/44565; solved by
    scikit-learn). Genes are divided by their standard deviation first, or a few abundant genes would fill every module.
    A gene belongs to the module that carries most of it and to those that carry at least half as much, but only where
    that is at least half of the gene, or twice an even share.

    Parameters
    ----------
    x
        Log-normalised expression of training cells, sparse or dense; at most 5,000 of them are looked at.
    genes
        Names of its columns.
    n_modules
        How many modules.
    seed
        Decides the start, and which cells are looked at.
    library
        Where known sets to name modules after are: the likeliest of the first collection in which the 100 most telling
        genes are enriched (FDR 0.01). None: all are named by their top genes.
    progress
        Told (share done, what is being done).

    Raises
    ------
    InputError
        When there are too few cells or genes for as many modules, or none has 5 genes.
    """
    most = min(x.shape[0], x.shape[1]) - 1
    if not 2 <= n_modules <= most:
        raise InputError(
            f"{n_modules} modules cannot be found in {x.shape[0]:,} cells and {x.shape[1]:,} genes; "
            f"choose a number from 2 to {max(2, most)}."
        )
    tell = progress or (lambda share, message: None)
    tell(0.0, f"Finding {n_modules} modules")
    carried = _carried(_scaled(x, seed), n_modules, seed)
    shares = carried / np.maximum(carried.sum(axis=0), 1e-12)  # (module, gene)
    order = [_members(carried, shares, module) for module in range(n_modules)]
    kept = [module for module, found in enumerate(order) if len(found) >= _SMALLEST]
    if not kept:
        raise InputError(f"None of {n_modules} modules has {_SMALLEST} genes; choose fewer modules.")
    tell(0.8, "Naming modules")
    members = [tuple(genes[position] for position in order[module]) for module in kept]
    matches = tuple(_match(found[:_TELLING], genes, library) for found in members)
    return Modules(_named(members, matches), shares[kept], matches, n_modules - len(kept))


def _scaled(x: Any, seed: int) -> sp.csr_matrix:
    matrix = sp.csr_matrix(x, dtype=np.float64)
    if matrix.shape[0] > _MAX_CELLS:
        chosen = np.random.default_rng(seed).choice(matrix.shape[0], _MAX_CELLS, replace=False)
        matrix = matrix[np.sort(chosen)]
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel() - mean**2, 0.0))
    # The median is added, or genes of a few cells, divided by next to nothing, would make modules of their own.
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    return sp.csr_matrix(matrix @ sp.diags(1.0 / (spread + usual)))  # (cell, gene)


def _carried(scaled: sp.csr_matrix, n_modules: int, seed: int) -> np.ndarray:
    """Factorise, and say how much of each gene's mean every module carries: (module, gene)."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(n_modules, init="nndsvda", random_state=seed, max_iter=_ROUNDS)
    with warnings.catch_warnings():
        # Good modules are there long before the last digit stands still.
        warnings.simplefilter("ignore", ConvergenceWarning)
        activity = model.fit_transform(scaled)  # (cell, module)
    return np.asarray(model.components_ * activity.mean(axis=0)[:, None])


def _members(carried: np.ndarray, shares: np.ndarray, module: int) -> np.ndarray:
    """Return a module's genes, those first that it carries much of and others little: what it is best known by."""
    enough = np.maximum(shares.max(axis=0) / 2, min(0.5, 2 / len(shares)))
    inside = np.flatnonzero(shares[module] >= enough)
    telling = carried[module, inside] * shares[module, inside]
    return inside[np.argsort(-telling, kind="stable")]


def _match(members: Sequence[str], genes: Sequence[str], library: Library | None) -> Enriched | None:
    """Return the best match in the first collection that has one."""
    shipped = () if library is None else {item.id for item in library.list("gene_sets")}
    for wanted in _NAMING:
        if library is not None and wanted in shipped:
            found = enriched(members, genes, library.gene_sets(wanted))
            if found and found[0].fdr <= _MAX_FDR:
                return found[0]
    return None


def _named(members: Sequence[tuple[str, ...]], matches: Sequence[Enriched | None]) -> GeneSets:
    sets, descriptions = {}, {}
    for number, (genes, match) in enumerate(zip(members, matches, strict=True), start=1):
        top = ", ".join(genes[:_TOP_GENES])
        if match is None:
            name = f"Module {number}: {top}"
            said = "No known set matches it."
        else:
            name = f"Module {number}: {readable(match.name)} ({top})"
            looked = min(len(genes), _TELLING)
            said = f"{match.overlap} of its first {looked} genes are in {match.name}: "
            said += f"p = {match.p_value:.1e}, FDR {match.fdr:.1e}."
        sets[name], descriptions[name] = genes, said
    return GeneSets(f"{len(sets)} modules of these cells", sets, "NMF of the training cells", descriptions=descriptions)


def readable(name: str) -> str:
    """Turn HALLMARK_INTERFERON_ALPHA_RESPONSE into "Interferon alpha response"; other names stay."""
    if not re.fullmatch(r"[A-Z0-9_]+", name):
        return name
    words = name.removeprefix("HALLMARK_").removeprefix("REACTOME_").replace("_", " ").strip()
    return words.capitalize()
