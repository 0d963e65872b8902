"""Networks: which gene acts on which."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.knowledge.display_names import case_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = ("source", "target", "weight", "sign")
_SWAP_ROUNDS = 20


@dataclass(frozen=True)
class NetworkCoverage:
    """What a network says about the genes of a data set or model.

    Attributes
    ----------
    title
        Of the network.
    n_genes, n_present
        Genes asked about; those with an end of any edge of the whole network.
    n_edges, n_kept
        Edges of the network; those with both ends among the genes.
    n_regulators
        Sources of the kept edges.
    n_without
        Genes that no kept edge leads to.
    n_unmapped
        Names in the network that are none of the genes.
    hint
        A sentence when the names look like those of another species, else empty.
    """

    title: str
    n_genes: int
    n_present: int
    n_edges: int
    n_kept: int
    n_regulators: int
    n_without: int
    n_unmapped: int
    hint: str = ""

    @property
    def sentence(self) -> str:
        """The coverage in words."""
        said = (
            f"{self.title}: {self.n_present:,} of {self.n_genes:,} genes are in it; {self.n_kept:,} of "
            f"{self.n_edges:,} edges join two of them, from {self.n_regulators:,} regulators; {self.n_without:,} genes "
            f"have no regulator; {self.n_unmapped:,} names in the network are none of these genes."
        )
        return f"{said} {self.hint}".strip()


@dataclass(frozen=True, eq=False)
class Network:
    """Directed edges between genes.

    Parameters
    ----------
    title
        What people call it.
    edges
        One row per (source, target), each pair once and no gene to itself: gene symbols ``source`` and ``target``,
        ``weight`` (float, above 0), ``sign`` (-1 represses, 1 activates, 0 unknown). Further columns are kept.
    source
        Where it comes from, with its version.
    licence
        Under which it may be used.

    Raises
    ------
    InputError
        When a column is missing or an edge is of no use; ``make_network`` cleans edges first.
    """

    title: str
    edges: pd.DataFrame
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if missing := [column for column in COLUMNS if column not in self.edges.columns]:
            raise InputError(f"The edges of {self.title!r} lack {', '.join(missing)}; they need {', '.join(COLUMNS)}.")
        pairs = self.edges[["source", "target"]]
        if pairs.duplicated().any() or (pairs["source"] == pairs["target"]).any():
            raise InputError(f"{self.title!r} has repeated edges or edges from a gene to itself; use make_network.")
        weight = self.edges["weight"].to_numpy(dtype=np.float64)
        if not (np.isfinite(weight) & (weight > 0)).all() or not self.edges["sign"].isin([-1, 0, 1]).all():
            raise InputError(f"{self.title!r} needs weights above 0 and signs of -1, 0 or 1; use make_network.")

    def __repr__(self) -> str:
        return f"Network({self.title!r}, {len(self.edges)} edges)"

    @property
    def genes(self) -> tuple[str, ...]:
        """Every gene with an edge once, sorted."""
        return tuple(sorted(set(self.edges["source"]) | set(self.edges["target"])))

    def within(self, genes: Sequence[str]) -> Network:
        """Return the edges whose two ends are among the given genes."""
        known = set(genes)
        kept = self.edges["source"].isin(known) & self.edges["target"].isin(known)
        return replace(self, edges=self.edges[kept].reset_index(drop=True))

    def indices(self, genes: Sequence[str]) -> np.ndarray:
        """Return the edges as positions in ``genes``: int64 (2, edge), sources in row 0, targets in row 1.

        Raises
        ------
        InputError
            When an edge has an end that is none of the genes; restrict with ``within`` first.
        """
        index = pd.Index(genes)
        found = np.stack([index.get_indexer(self.edges[end]) for end in ("source", "target")]).astype(np.int64)
        if (found < 0).any():
            lost = self.edges[["source", "target"]].to_numpy().T[found < 0][0]
            raise InputError(
                f"{self.title!r} has edges of {lost}, which is none of the genes; use within(genes) first."
            )
        return found  # (2, edge)

    def shuffled(self, *, seed: int) -> Network:
        """Return a control: every gene keeps how many edges leave it and how many reach it, all else is chance.

        Targets of two edges are swapped again and again, except where that would repeat an edge or join a gene to
        itself (Maslov and Sneppen 2002, doi:10.1126/science.1065103). Weight and sign stay with the source's end.
        """
        codes, names = pd.factorize(pd.concat([self.edges["source"], self.edges["target"]], ignore_index=True))
        source, target = codes[: len(self.edges)].astype(np.int64), codes[len(self.edges) :].astype(np.int64)
        draw = np.random.default_rng(seed)
        for _ in range(_SWAP_ROUNDS):
            target = _swap_round(source, target, len(names), draw)
        edges = self.edges.assign(target=np.asarray(names, dtype=object)[target])
        return replace(self, title=f"{self.title} (shuffled)", edges=edges)

    def coverage(self, genes: Sequence[str]) -> NetworkCoverage:
        """Count what the network says about these genes."""
        named, known, kept = set(self.genes), set(genes), self.within(genes).edges
        present = len(named & known)
        return NetworkCoverage(
            title=self.title,
            n_genes=len(genes),
            n_present=present,
            n_edges=len(self.edges),
            n_kept=len(kept),
            n_regulators=kept["source"].nunique(),
            n_without=len(known - set(kept["target"])),
            n_unmapped=len(named - known),
            hint=case_hint(genes, named, present),
        )


def make_network(title: str, edges: pd.DataFrame, *, source: str = "", licence: str = "") -> Network:
    """Build a network from edges as they come.

    A pair that is given more than once keeps its largest weight, and a sign only where all of its signed rows agree.
    Edges of a gene to itself, without two names or without a weight are left out. Where weights lie on both sides of 0
    and no signs are given, their signs are the signs and their sizes the weights. Without weights all are 1.

    Parameters
    ----------
    title
        What people call it.
    edges
        Columns ``source`` and ``target``; ``weight`` and ``sign`` where known.
    source, licence
        As in ``Network``.

    Raises
    ------
    InputError
        When no edge is left.
    """
    frame = pd.DataFrame({end: edges[end].fillna("").astype(str).str.strip() for end in ("source", "target")})
    weight = pd.to_numeric(edges["weight"], errors="coerce") if "weight" in edges else pd.Series(1.0, edges.index)
    frame["sign"] = _signs(edges, weight)
    frame["weight"] = weight.abs()
    usable = (frame["source"] != "") & (frame["target"] != "") & (frame["source"] != frame["target"])
    usable &= np.isfinite(frame["weight"]) & (frame["weight"] > 0)
    frame = frame[usable]
    if frame.empty:
        raise InputError(f"The network {title!r} has no edge between two genes with a weight; choose another.")
    merged = frame.groupby(["source", "target"], sort=True).agg(
        weight=("weight", "max"), low=("sign", "min"), high=("sign", "max")
    )
    agreed = np.where(merged["low"] * merged["high"] < 0, 0, merged["low"] + merged["high"])
    merged["sign"] = np.sign(agreed).astype(np.int8)
    return Network(title, merged.reset_index()[list(COLUMNS)], source, licence)


def _signs(edges: pd.DataFrame, weight: pd.Series) -> np.ndarray:
    if "sign" in edges:
        given = pd.to_numeric(edges["sign"], errors="coerce").fillna(0)
    elif (weight < 0).any():
        given = weight.fillna(0)
    else:
        given = pd.Series(0, edges.index)
    return np.sign(given.to_numpy()).astype(np.int8)


def _swap_round(source: np.ndarray, target: np.ndarray, n_genes: int, draw: np.random.Generator) -> np.ndarray:
    """Propose to swap the targets of random pairs of edges, each edge in one pair, and do all that is allowed."""
    order = draw.permutation(len(source))
    half = len(source) // 2
    first, second = order[:half], order[half : 2 * half]
    one = source[first] * n_genes + target[second]
    two = source[second] * n_genes + target[first]
    proposed = np.concatenate([one, two])
    there = source * n_genes + target
    taken = pd.Series(np.concatenate([there, proposed])).duplicated(keep=False).to_numpy()[len(there) :]
    free = ~taken & (proposed // n_genes != proposed % n_genes)
    allowed = free[:half] & free[half:]
    swapped = target.copy()
    swapped[first[allowed]], swapped[second[allowed]] = target[second[allowed]], target[first[allowed]]
    return swapped
