"""Draw a world at random: who regulates whom, which pathways there are, what makes the cell types."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from genediff.core.errors import InputError
from genediff.data.simulation.truth import Truth

EDGE_COLUMNS = ("source", "target", "weight", "sign")


@dataclass(frozen=True)
class TruthConfig:
    """How large the world is and how strongly things act in it.

    ``n_regulators`` of the genes regulate others: half of them masters, which nothing regulates, and half in layers
    below. A share ``regulated`` of the other genes has one to ``most_regulators`` regulators. Pathways take a share
    ``overlap`` of their genes from those of other pathways. Weights are log fold changes of a knock-out, and a share
    ``repressing`` of the edges turns its target down.

    Regulators that act together come in ``n_gated_pairs`` groups of ``gated_group``: with 2, lone pairs; with more,
    every pair of a group acts together on the group's ``targets_per_pair`` targets, as the parts of a complex do, so
    that a pair nobody measured can be learned from the others.
    """

    n_genes: int = 300
    n_regulators: int = 24
    n_types: int = 4
    n_pathways: int = 8
    pathway_size: int = 15
    overlap: float = 0.2
    regulated: float = 0.6
    most_regulators: int = 3
    weight: tuple[float, float] = (0.8, 1.6)
    repressing: float = 0.3
    n_gated_pairs: int = 2
    gated_group: int = 2
    targets_per_pair: int = 6
    gate_weight: float = 1.2
    pathway_spread: float = 0.6

    def __post_init__(self) -> None:
        if self.n_regulators < 4 or self.n_types < 1 or self.pathway_size < 1:
            raise InputError("a simulation needs at least 4 regulators, 1 cell type and 1 gene per pathway")
        if self.gated_group < 2:
            raise InputError("regulators act together in groups of at least 2")
        if self.n_genes < self.n_regulators + max(self.pathway_size, self.n_gated_pairs * self.targets_per_pair, 4):
            raise InputError(
                f"{self.n_genes} genes are too few for {self.n_regulators} regulators, pathways of {self.pathway_size} "
                "genes and the targets of pairs; ask for more genes or fewer regulators"
            )


def draw_truth(config: TruthConfig | None = None, *, edges: pd.DataFrame | None = None, seed: int = 0) -> Truth:
    """Draw a world.

    Parameters
    ----------
    config
        Its size; None: the usual one.
    edges
        A network to use in place of a random one: columns source, target, weight, sign. Its names come first among
        the genes. It may have feedback as long as cells come to rest in it.
    seed
        The same seed gives the same world.
    """
    config = config or TruthConfig()
    draw = np.random.default_rng(seed)
    names = _names(config, edges)
    regulators = tuple(dict.fromkeys(edges["source"])) if edges is not None else names[: config.n_regulators]
    others = tuple(name for name in names if name not in set(regulators))
    drawn = _network(regulators, others, config, draw) if edges is None else edges[list(EDGE_COLUMNS)].copy()
    fed = set(drawn["target"])
    masters = [name for name in regulators if name not in fed] or list(regulators)
    pathways = [f"PATHWAY_{number + 1}" for number in range(config.n_pathways)]
    types = [f"type_{number + 1}" for number in range(config.n_types)]
    base = np.exp(draw.normal(0, 1, len(names)))
    base[np.isin(names, regulators)] = np.exp(draw.normal(0.5, 0.3, len(regulators)))  # seen often enough to be known
    truth = Truth(
        genes=names,
        base=base / base.sum(),
        edges=drawn,
        gates=_gates([], [], []),
        types=_types(types, masters, draw),
        loadings=_loadings(pathways, names, others, config, draw),
        pathway_means=pd.DataFrame(
            draw.normal(0, config.pathway_spread, (config.n_types, config.n_pathways)), index=types, columns=pathways
        ),
    )
    return _with_gates(truth, others, config, draw)


def _names(config: TruthConfig, edges: pd.DataFrame | None) -> tuple[str, ...]:
    if edges is None:
        regulators = [f"REG{number + 1}" for number in range(config.n_regulators)]
        return (*regulators, *(f"GENE{number + 1}" for number in range(config.n_genes - config.n_regulators)))
    named = tuple(dict.fromkeys([*edges["source"], *edges["target"]]))
    return (*named, *(f"GENE{number + 1}" for number in range(max(0, config.n_genes - len(named)))))


def _network(
    regulators: tuple[str, ...], others: tuple[str, ...], config: TruthConfig, draw: np.random.Generator
) -> pd.DataFrame:
    """Draw edges that point from earlier to later genes, so that there is no feedback."""
    n_masters = len(regulators) // 2
    fed = [(target, regulators[: n_masters + place]) for place, target in enumerate(regulators[n_masters:])]
    chosen = draw.choice(others, round(config.regulated * len(others)), replace=False)
    fed += [(str(target), regulators) for target in sorted(chosen)]
    pairs = []
    for target, sources in fed:
        n = int(draw.integers(1, config.most_regulators + 1))
        pairs += [(source, target) for source in draw.choice(sources, min(n, len(sources)), replace=False)]
    return _edges(pairs, config, draw)


def _edges(pairs: list[tuple[str, str]], config: TruthConfig, draw: np.random.Generator) -> pd.DataFrame:
    sources, targets = ([str(pair[end]) for pair in pairs] for end in (0, 1))
    weight = draw.uniform(*config.weight, len(pairs))
    sign = np.where(draw.random(len(pairs)) < config.repressing, -1, 1)
    return pd.DataFrame(dict(zip(EDGE_COLUMNS, (sources, targets, weight, sign), strict=True)))


def _types(types: list[str], masters: list[str], draw: np.random.Generator) -> pd.DataFrame:
    """Give every type masters of its own that it turns up; the other types turn them down."""
    owner = np.arange(len(masters)) % len(types)
    draw.shuffle(owner)
    up = owner[None] == np.arange(len(types))[:, None]  # (type, master)
    return pd.DataFrame(np.where(up, 1.2, -0.6), index=types, columns=masters)


def _loadings(
    pathways: list[str], names: tuple[str, ...], others: tuple[str, ...], config: TruthConfig, draw: np.random.Generator
) -> pd.DataFrame:
    place = pd.Index(names)
    loadings = np.zeros((len(pathways), len(names)))
    taken: list[str] = []
    for row in range(len(pathways)):
        n_shared = min(round(config.overlap * config.pathway_size), len(taken))
        members = [str(gene) for gene in draw.choice(taken, n_shared, replace=False)] if n_shared else []
        # Genes of no other pathway while there are any, else any that are not in yet.
        rest = sorted(set(others) - set(taken)) or []
        if len(rest) < config.pathway_size - len(members):
            rest = sorted(set(others) - set(members))
        members += [str(gene) for gene in draw.choice(rest, config.pathway_size - len(members), replace=False)]
        loadings[row, place.get_indexer(members)] = draw.uniform(0.5, 1.0, len(members))
        taken += [gene for gene in members if gene not in taken]
    return pd.DataFrame(loadings, index=pathways, columns=list(names))


def _with_gates(truth: Truth, others: tuple[str, ...], config: TruthConfig, draw: np.random.Generator) -> Truth:
    """Plant pairs of regulators that are more (or less) together than each alone on targets of their own."""
    regulators = list(truth.regulators)
    draw.shuffle(regulators)
    # Regulators that types move are taken last: their answers are far from 0, and a gate then always acts.
    regulators.sort(key=lambda name: name in set(truth.types.columns))
    groups: list[tuple[str, ...]] = []
    for group in combinations(regulators, config.gated_group):
        if len(groups) == config.n_gated_pairs:
            break
        used = {name for taken in groups for name in taken}
        if not set(group) & used and all(truth.independent(a, b) for a, b in combinations(group, 2)):
            groups.append(group)
    if not groups:
        return truth
    targets = draw.choice(others, (len(groups), config.targets_per_pair), replace=False)
    placed = [(group, str(target)) for group, row in zip(groups, targets, strict=True) for target in row]
    named = [(first, second, target) for group, target in placed for first, second in combinations(group, 2)]
    n_rows = len(named) // len(groups)
    sign = np.repeat(np.where(np.arange(len(groups)) % 2, -1.0, 1.0), n_rows)  # synergy, buffering, …
    added = _edges([(end, target) for group, target in placed for end in group], config, draw)
    edges = pd.concat([truth.edges, added], ignore_index=True).drop_duplicates(["source", "target"], ignore_index=True)
    return Truth(
        genes=truth.genes,
        base=truth.base,
        edges=edges,
        gates=_gates([(f, s) for f, s, _ in named], [t for _, _, t in named], sign * config.gate_weight),
        types=truth.types,
        loadings=truth.loadings,
        pathway_means=truth.pathway_means,
        hill=truth.hill,
    )


def _gates(pairs: list[tuple[str, str]], targets: list[str], weight: object) -> pd.DataFrame:
    first, second = ([pair[end] for pair in pairs] for end in (0, 1))
    return pd.DataFrame({"first": first, "second": second, "target": targets, "weight": np.asarray(weight, float)})
