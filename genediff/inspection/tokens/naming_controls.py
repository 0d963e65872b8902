"""Enriched gene sets of tokens beside controls: random mixtures, shuffled sets, random genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.stats import fisher_exact, hypergeom

from genediff.core.stats import false_discovery_rates
from genediff.inspection.tokens.output_effects import ends
from genediff.inspection.tokens.token_naming import LEAST_OVERLAP, SIGNIFICANT

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.inspection.tokens.output_effects import OutputEffects
    from genediff.knowledge import GeneSets

N_CONTROLS = 200
N_SHUFFLED = 3


@dataclass(frozen=True)
class Control:
    """How many of some gene lists get a name from a collection: ``named`` of ``n_lists``."""

    name: str
    words: str
    named: int
    n_lists: int

    @property
    def share(self) -> float:
        """Share of the lists that get a name, 0 to 1."""
        return self.named / max(self.n_lists, 1)

    def more_often_than(self, other: Control) -> bool:
        """Whether its lists get a name more often than those of another row (Fisher's exact test, 5%)."""
        counts = np.array([[row.named, row.n_lists - row.named] for row in (self, other)])
        return bool(fisher_exact(counts, alternative="greater").pvalue < SIGNIFICANT)


def name_controls(
    found: OutputEffects,
    collection: GeneSets,
    *,
    seed: int = 0,
    smallest: int = 5,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Control, ...]:
    """Count how many token ends get a name, and how many lists that should or could not.

    Four rows: the ends of the tokens; ends of random mixtures of tokens (where mixtures get names as often, the tokens
    are no privileged axes: a latent space may be turned without any loss); tokens against sets shuffled three times
    (sizes and the number of sets per gene stay); random genes. Mixtures add up the tokens' changes, so they are exact
    for a linear decoder and a first approximation for others.

    A list is named by the rule of `token_naming.proposed`: false discovery rate below 0.05 over all lists of its row
    and all sets, three shared genes or more.
    """
    rng = np.random.default_rng(seed)
    size = found.n_listed
    own = found.listed().reshape(-1, len(found.genes))  # (list, gene)
    weights = rng.normal(size=(N_CONTROLS // 2, len(found.tokens)))
    mixed = ends((weights @ found.change).astype(np.float32), size).reshape(-1, len(found.genes))
    chance = np.argsort(rng.random((N_CONTROLS, len(found.genes))), axis=1)[:, :size]
    random = np.zeros((N_CONTROLS, len(found.genes)), dtype=bool)
    np.put_along_axis(random, chance, True, axis=1)
    kept = collection.within(found.genes, smallest=smallest)
    real = _members(kept, found.genes)
    rows = [
        Control("tokens", "Tokens of this model", _named(own, real), len(own)),
        Control("mixtures", "Random mixtures of its tokens", _named(mixed, real), len(mixed)),
    ]
    by_chance = 0
    for number in range(N_SHUFFLED):
        by_chance += _named(own, _members(kept.shuffled(found.genes, seed=seed + number), found.genes))
        progress((number + 1) / (N_SHUFFLED + 1))
    rows.append(Control("shuffled", "Tokens against shuffled sets", by_chance, N_SHUFFLED * len(own)))
    rows.append(Control("random", "Random genes", _named(random, real), len(random)))
    return tuple(rows)


def enrichment_p(lists: np.ndarray, members: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return shared genes and one-sided hypergeometric p-values of all lists with all sets, (list, set) each.

    Parameters
    ----------
    lists
        Bool, (list, gene).
    members
        0 or 1, (set, gene).
    """
    overlap = np.asarray((members @ lists.T.astype(np.float32)).T).round().astype(np.int64)  # (list, set)
    sizes = np.asarray(members.sum(1)).ravel().astype(np.int64)
    p = hypergeom.sf(overlap - 1, lists.shape[1], sizes[None], lists.sum(1)[:, None])
    return overlap, np.asarray(p)


def _named(lists: np.ndarray, members: sparse.csr_matrix) -> int:
    if not len(lists) or not members.shape[0]:
        return 0
    overlap, p = enrichment_p(lists, members)
    rates = false_discovery_rates(p.ravel()).reshape(p.shape)
    return int(((rates < SIGNIFICANT) & (overlap >= LEAST_OVERLAP)).any(1).sum())


def _members(collection: GeneSets, genes: tuple[str, ...]) -> sparse.csr_matrix:
    rows = collection.members(genes)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    columns = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return sparse.csr_matrix((np.ones(len(columns), dtype=np.float32), columns, starts), shape=(len(rows), len(genes)))
