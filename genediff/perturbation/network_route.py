"""The way from what is perturbed through a network to the genes that change, and whether it is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_STEPS = 3


@dataclass(frozen=True, eq=False)
class Route:
    """Shortest ways from perturbed genes to the genes that change most.

    Attributes
    ----------
    edges
        Columns source, target, sign: those of the shortest ways, nothing else.
    distance
        Steps from the nearest perturbed gene of every gene on them.
    reached
        Which of the genes that change most lie downstream, the strongest change first.
    missed
        Which do not, though they are in the network or not.
    by_chance
        Share of all genes (perturbed ones left out) that lie downstream within as many steps.
    agreeing
        Of the reached genes with known signs along one shortest way: how many change in the direction that the signs
        say, and how many have such a way.
    """

    edges: pd.DataFrame
    distance: Mapping[str, int]
    reached: tuple[str, ...]
    missed: tuple[str, ...]
    by_chance: float
    agreeing: tuple[int, int]


def route(
    network: pd.DataFrame, targets: Sequence[str], change: Mapping[str, float], *, top: int = 12, lowers: bool = True,
    steps: int = MOST_STEPS,
) -> Route | None:  # fmt: skip
    """Find the ways along a network.

    Parameters
    ----------
    network
        Columns source, target, sign.
    targets
        Perturbed genes.
    change
        Change of every gene of the data set.
    top
        How many of the genes that change most are looked for.
    lowers
        Whether the perturbation lowers its genes (a knock-out) or raises them (activation).
    steps
        The longest way.

    Returns
    -------
    Route | None
        None when no perturbed gene is a source of the network.
    """
    edges = network[network["source"].isin(change) & network["target"].isin(change)]
    children = {
        source: list(zip(part["target"], part["sign"], strict=True)) for source, part in edges.groupby("source")
    }
    distance = _distances(children, targets, steps)
    if len(distance) == len(set(targets)):
        return None
    others = [one for one in change if one not in targets]
    strongest = sorted(others, key=lambda one: -abs(change[one]))[:top]
    reached = tuple(one for one in strongest if one in distance)
    used = _ways_back(edges, distance, reached)
    kept = {gene: distance[gene] for gene in [*targets, *used["source"], *used["target"]] if gene in distance}
    share = sum(one in distance for one in others) / max(len(others), 1)
    signs = _signs(used, targets, -1 if lowers else 1)
    told = [one for one in reached if signs.get(one)]
    agree = sum(np.sign(change[one]) == signs[one] for one in told)
    missed = tuple(one for one in strongest if one not in distance)
    return Route(used, kept, reached, missed, share, (int(agree), len(told)))


def _distances(children: Mapping[str, list[tuple[str, int]]], targets: Sequence[str], steps: int) -> dict[str, int]:
    distance = dict.fromkeys(targets, 0)
    front = list(targets)
    for step in range(1, steps + 1):
        front = list(
            dict.fromkeys(child for gene in front for child, _ in children.get(gene, ()) if child not in distance)
        )
        distance |= dict.fromkeys(front, step)
    return distance


def _ways_back(edges: pd.DataFrame, distance: Mapping[str, int], reached: Sequence[str]) -> pd.DataFrame:
    """Return the edges of all shortest ways that end at the genes reached."""
    on_way = edges[edges["source"].isin(distance) & edges["target"].isin(distance)]
    nearer = on_way["source"].map(distance).to_numpy() + 1 == on_way["target"].map(distance).to_numpy()
    on_way = on_way[nearer]
    wanted, parts = set(reached), []
    for step in range(max(distance.values(), default=0), 0, -1):
        part = on_way[on_way["target"].isin(wanted) & (on_way["target"].map(distance) == step)]
        parts.append(part)
        wanted |= set(part["source"])
    found = pd.concat(parts) if parts else on_way.iloc[:0]
    return found[["source", "target", "sign"]].drop_duplicates(["source", "target"]).reset_index(drop=True)


def _signs(edges: pd.DataFrame, targets: Sequence[str], start: int) -> dict[str, int]:
    """Return the direction in which each gene is pushed where all shortest ways to it agree; 0 where they do not."""
    signs = dict.fromkeys(targets, start)
    left = edges
    while len(left):
        ready = left[left["source"].isin(signs)]
        if not len(ready):
            break
        for target, part in ready.groupby("target"):
            pushes = {
                int(signs[source] * np.sign(sign)) for source, sign in zip(part["source"], part["sign"], strict=True)
            }
            signs[str(target)] = pushes.pop() if len(pushes) == 1 else 0
        left = left.drop(ready.index)
    return signs
