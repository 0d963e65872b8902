"""What simulated cells are made from: a network that acts, pathways, cell types, and what a perturbation does to them.

Levels are log fold changes from each gene's base share. A regulator at level l answers with tanh(hill l / 2), which is
a Hill function of its abundance, scaled to [-1, 1]: 0 at the base share, -1 when it is knocked out. A target's level is
the sum of sign x weight x answer over its regulators, so a weight is the log fold change that a knock-out makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTROL = "control"
_SETTLED = 1e-9
_MOST_SWEEPS = 2000


@dataclass(frozen=True)
class Perturbation:
    """Genes that are acted on, all in the same way.

    A knock-out leaves nothing of a gene, a knock-down a tenth, and activation makes eight times as much.
    """

    genes: tuple[str, ...]
    kind: Literal["knock-out", "knock-down", "activation"] = "knock-out"

    @property
    def label(self) -> str:
        """How cells with it are marked: "A", "A+B", and the kind behind it unless it is a knock-out."""
        names = "+".join(self.genes)
        return names if self.kind == "knock-out" else f"{names} ({self.kind})"

    @property
    def shift(self) -> float:
        """What is added to the genes' levels."""
        return {"knock-out": -np.inf, "knock-down": np.log(0.1), "activation": np.log(8.0)}[self.kind]


@dataclass(frozen=True, eq=False)
class Truth:
    """A world that cells are drawn from.

    Parameters
    ----------
    genes
        Names, regulators first.
    base
        Share of each gene in all counts of a cell in which nothing is moved, (gene,), adding up to 1.
    edges
        Columns source, target, weight (above 0), sign (-1 or 1).
    gates
        Columns first, second, target, weight: targets that answer to two regulators together, by weight x the product
        of their answers. They make two perturbations more or less than the sum of each.
    types
        Level that each cell type gives to its master regulators, (type, regulator).
    loadings
        Level that each pathway gives to its genes at activity 1, (pathway, gene); 0 for genes outside.
    pathway_means
        Mean activity of each pathway in each cell type, (type, pathway).
    hill
        How steeply regulators act.

    Raises
    ------
    InputError
        When an edge speaks of a gene that is not there.
    """

    genes: tuple[str, ...]
    base: np.ndarray
    edges: pd.DataFrame
    gates: pd.DataFrame
    types: pd.DataFrame
    loadings: pd.DataFrame
    pathway_means: pd.DataFrame
    hill: float = 2.0

    def __post_init__(self) -> None:
        named = [*self.edges["source"], *self.edges["target"], *self.types.columns]
        if unknown := sorted(set(named) - set(self.genes)):
            raise InputError(f"the network names {unknown[0]!r}, which is none of the {len(self.genes):,} genes")

    @property
    def regulators(self) -> tuple[str, ...]:
        """Genes with a target, in gene order."""
        sources = set(self.edges["source"])
        return tuple(gene for gene in self.genes if gene in sources)

    @property
    def gene_sets(self) -> dict[str, tuple[str, ...]]:
        """The genes of each pathway."""
        return {name: tuple(self.loadings.columns[row.to_numpy() > 0]) for name, row in self.loadings.iterrows()}

    def descendants(self, gene: str) -> set[str]:
        """Return every gene that a change of this one reaches, itself left out (unless a loop leads back)."""
        children = self.edges.groupby("source")["target"].agg(set).to_dict()
        found: set[str] = set()
        todo = [gene]
        while todo:
            new = children.get(todo.pop(), set()) - found
            found |= new
            todo += new
        return found

    def independent(self, first: str, second: str) -> bool:
        """Say whether two regulators act on no regulator in common, so that their effects add up but for gates."""
        return not self._moved(first) & self._moved(second)

    def additive(self, first: str, second: str) -> bool:
        """Say whether the levels that two regulators move are the sum of what each moves: no gate joins them either."""
        one, other = self._moved(first), self._moved(second)
        ends = zip(self.gates["first"], self.gates["second"], strict=True)
        joined = any((a in one and b in other) or (b in one and a in other) for a, b in ends)
        return not one & other and not joined

    def levels(self, own: np.ndarray, perturbations: Sequence[Perturbation | None]) -> np.ndarray:
        """Return the levels at which all genes of some cells come to rest.

        Parameters
        ----------
        own
            Levels that genes have without their regulators, (cell, gene).
        perturbations
            One per cell.

        Returns
        -------
        np.ndarray
            Log fold changes from the base shares, (cell, gene); minus infinity for what is knocked out.

        Raises
        ------
        InputError
            When feedback in the network keeps the cells from coming to rest.
        """
        own = own + self._shifts(perturbations)
        effects = self._effects()
        acting = np.array([gene in set(self.regulators) for gene in self.genes])
        among = effects[:, acting]  # (regulator, regulator)
        answers = np.tanh(self.hill / 2 * own[:, acting])  # (cell, regulator)
        for sweep in range(_MOST_SWEEPS):
            new = np.tanh(self.hill / 2 * (own[:, acting] + answers @ among))
            change = np.abs(new - answers).max(initial=0.0)
            # Without feedback everything is exact after as many sweeps as there are regulators; loops are damped.
            answers = new if sweep <= len(self.regulators) else 0.5 * (new + answers)
            if change < _SETTLED:
                break
        else:
            raise InputError(
                "the network has feedback that never comes to rest; weaken its edges or take out a loop among "
                f"{', '.join(self._in_loops()[:5])}"
            )
        return own + answers @ effects + self._gated(answers)

    def expected(self, cell_type: str, perturbation: Perturbation | None = None) -> np.ndarray:
        """Return the shares (gene,) of a cell of this type without any noise; they need not add up to 1."""
        means = self.pathway_means.loc[cell_type].to_numpy()
        own = self.type_levels.loc[cell_type].to_numpy() + means @ self.loadings.to_numpy()
        return self.base * np.exp(self.levels(own[None], [perturbation])[0])

    @property
    def type_levels(self) -> pd.DataFrame:
        """Levels that types give to all genes, (type, gene)."""
        return self.types.reindex(columns=list(self.genes), fill_value=0.0)

    def _moved(self, regulator: str) -> set[str]:
        """Return the regulators whose level a change of this one moves, itself with them."""
        return (self.descendants(regulator) & set(self.regulators)) | {regulator}

    def _shifts(self, perturbations: Sequence[Perturbation | None]) -> np.ndarray:
        index = pd.Index(self.genes)
        shifts = np.zeros((len(perturbations), len(self.genes)))
        for row, perturbation in enumerate(perturbations):
            if perturbation is None:
                continue
            places = index.get_indexer(list(perturbation.genes))
            if (places < 0).any():
                raise InputError(
                    f"{perturbation.label!r} perturbs a gene that is none of the {len(self.genes):,} genes"
                )
            shifts[row, places] = perturbation.shift
        return shifts

    def _effects(self) -> sp.csr_matrix:
        """Return sign x weight, (regulator, gene)."""
        rows = pd.Index(self.regulators).get_indexer(self.edges["source"])
        columns = pd.Index(self.genes).get_indexer(self.edges["target"])
        weights = self.edges["sign"].to_numpy() * self.edges["weight"].to_numpy()
        return sp.csr_matrix((weights, (rows, columns)), shape=(len(self.regulators), len(self.genes)))

    def _gated(self, answers: np.ndarray) -> np.ndarray:
        place = pd.Index(self.regulators)
        first, second = (place.get_indexer(self.gates[end]) for end in ("first", "second"))
        columns = pd.Index(self.genes).get_indexer(self.gates["target"])
        together = answers[:, first] * answers[:, second] * self.gates["weight"].to_numpy()  # (cell, gate)
        rows = np.arange(len(columns))
        return together @ sp.csr_matrix((np.ones(len(columns)), (rows, columns)), shape=(len(columns), len(self.genes)))

    def _in_loops(self) -> list[str]:
        return [gene for gene in self.regulators if gene in self.descendants(gene)]


def to_uns(truth: Truth) -> dict[str, object]:
    """Return a truth as what an AnnData's ``uns`` can hold."""
    return {
        "genes": np.array(truth.genes, dtype=object),
        "base": truth.base,
        "edges": truth.edges,
        "gates": truth.gates,
        "types": truth.types,
        "loadings": truth.loadings,
        "pathway_means": truth.pathway_means,
        "hill": truth.hill,
    }


def from_uns(stored: Mapping[str, object]) -> Truth:
    """Rebuild a truth from ``uns``."""
    frames = {key: stored[key] for key in ("edges", "gates", "types", "loadings", "pathway_means")}
    genes = tuple(map(str, stored["genes"]))  # type: ignore[call-overload]
    return Truth(genes=genes, base=np.asarray(stored["base"]), hill=float(stored["hill"]), **frames)  # type: ignore[arg-type]
