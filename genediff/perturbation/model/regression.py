"""The closed-form part of the model: who acts, on what, together with whom, and where.

Every entry (what was done, in which context) is a sum of what each gene does by itself, what genes like it do, what
runs through the network, and what two genes do together, under a Gaussian prior, so that all of it is found by solving
one linear system. Nothing depends on the order of the genes, and a gene that was never perturbed is one whose own
part is unknown while the rest is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from genediff.perturbation.model.model_kinds import gene_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.perturbation.model.effect_matrices import Effects
    from genediff.perturbation.model.model_kinds import Items
    from genediff.perturbation.model.perturbation_identity import Identity

FEATURE_RIDGE = 1e-3
LAW_RIDGE = 1e-2
FEWEST_PAIRS = 4
FLOOR = 0.05
"""Expression below which a product of two changes is no longer divided by it."""
CARRY_FLOOR = 0.3
"""Added to expression before shares of it are taken: of what is hardly there, shares are chance."""


@dataclass(frozen=True)
class Recipe:
    """How strongly each part of the prior is believed in, in units of what a gene does by itself.

    Attributes
    ----------
    alike
        What genes share with genes like them (loadings, network).
    prior
        What genes share with genes that are alike by prior knowledge.
    centred
        Whether the mean change of the training entries of a context is taken off first: then a gene of which nothing is
        known is predicted the mean, not no change.
    several
        What all perturbations of several genes have in common beyond the sum.
    context
        How much a perturbation does otherwise in another context; contexts whose controls are alike share more.
    reach
        How fast contexts stop being alike, in median distances between their controls.
    pair
        What two genes do together, shared with pairs of genes like them.
    law
        Whether what two genes do together is also looked for gene by gene, as one rule of what each does alone.
    noise
        Of an entry with the usual number of cells.
    rank
        Of the entries' changes before they are fitted; 0: as they are.
    network
        Whether changes run along the network, where there is one.
    carry
        Whether what was measured in other contexts alone is carried from there, in place of all of the above: a mean
        over contexts whose controls are alike (within this many median distances); 0: it is not.
    """

    alike: float = 1.0
    several: float = 1.0
    context: float = 1.0
    reach: float = 0.5
    pair: float = 0.0
    law: bool = False
    noise: float = 1.0
    rank: int = 0
    network: bool = True
    carry: float = 0.0
    prior: float = 0.0
    centred: bool = False


class Regression:
    """A recipe fitted to effects; ``predict`` is the mean of what is believed, ``uncertainty`` how far it may be off.

    Parameters
    ----------
    effects
        Of the training part.
    identity
        Who genes are.
    recipe
        The prior.
    """

    def __init__(self, effects: Effects, identity: Identity, recipe: Recipe) -> None:
        self.effects, self.identity, self.recipe = effects, identity, recipe
        self.usual = float(np.median(effects.weight)) if len(effects) else 1.0
        self.reach = _reach(effects.control)
        change = _low_rank(effects, recipe.rank)
        self.centre = _centres(effects, change) if recipe.centred else {}
        self.coefficients = self._fit_features(change)
        rest = change - self._from_features(effects.items, effects.contexts)
        kernel = self._kernel(effects.items, effects.contexts, effects.items, effects.contexts)
        noise = recipe.noise * self.usual / effects.weight
        self._factor = cho_factor(kernel + np.diag(noise + 1e-6), lower=True)
        self.dual = cho_solve(self._factor, rest)  # (entry, gene)
        self.together: _Together | None = None
        pairs = [i for i, items in enumerate(effects.items) if len(items) > 1]
        if (recipe.pair or recipe.law) and len(pairs) >= FEWEST_PAIRS:
            inverse = np.diag(cho_solve(self._factor, np.eye(len(effects))))
            left = (self.dual / inverse[:, None])[pairs]  # what each entry leaves when the others predict it
            self.together = _Together(self, kernel + np.diag(noise + 1e-6), rest, pairs, left)

    # -- prediction ------------------------------------------------------------------------------------------------

    def predict(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        """Return expected changes, (entry, gene)."""
        found = self.alone(items, contexts) if self.together is None else self.together.predict(items, contexts)
        if self.recipe.carry:
            for row, (one, context) in enumerate(zip(items, contexts, strict=True)):
                elsewhere = self.effects.elsewhere(one, context)
                if elsewhere and self.effects.find(one, context) is None:
                    found[row] = carried(self.effects, elsewhere, context, self.recipe.carry * self.reach)
        return found

    def alone(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        """Return what the parts of perturbations do without one another, (entry, gene)."""
        kernel = self._kernel(items, contexts, self.effects.items, self.effects.contexts)
        return self._from_features(items, contexts) + kernel @ self.dual

    def uncertainty(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        """Return the share of an effect's variance that training leaves open, 0 to 1, (entry,)."""
        across = self._kernel(items, contexts, self.effects.items, self.effects.contexts)
        own = np.array([self._kernel([i], [c], [i], [c])[0, 0] for i, c in zip(items, contexts, strict=True)])
        known = np.einsum("ij,ji->i", across, cho_solve(self._factor, across.T))
        return np.clip(1 - known / np.maximum(own, 1e-12), 0, 1)

    # -- kernels ---------------------------------------------------------------------------------------------------

    def _kernel(
        self, items: Sequence[Items], contexts: Sequence[str], others: Sequence[Items], places: Sequence[str]
    ) -> np.ndarray:
        recipe = self.recipe
        left, right = _names(items), _names(others)
        same = np.array([[float(a == b) for b in right] for a in left])
        between = same
        if recipe.alike:
            between = between + recipe.alike * self.identity.alike(left, right)
        if recipe.prior:
            between = between + recipe.prior * self.identity.prior_similarity(left, right)
        kernel = _incidence(items, left) @ between @ _incidence(others, right).T
        if recipe.several:
            many = [np.array([max(0, len(one) - 1) for one in group], dtype=float) for group in (items, others)]
            kernel = kernel + recipe.several * np.outer(*many)
        return kernel * self._context_kernel(contexts, places)

    def _context_kernel(self, contexts: Sequence[str], places: Sequence[str]) -> np.ndarray:
        known = self.effects.control
        if len(known) < 2:
            return np.ones((len(contexts), len(places)))
        left, right = sorted(set(contexts)), sorted(set(places))
        apart = np.array([[float(((known[a] - known[b]) ** 2).sum()) for b in right] for a in left])
        near = np.exp(-apart / (self.recipe.reach * self.reach))
        table = (1 + self.recipe.context * near) / (1 + self.recipe.context)
        rows = [left.index(context) for context in contexts]
        return table[np.ix_(rows, [right.index(place) for place in places])]

    # -- what is said gene by gene ---------------------------------------------------------------------------------

    def _features(self, items: Items, context: str) -> np.ndarray:
        """Return what a perturbation should do to each gene, (feature, gene): to its own, and along the network."""
        control = self.effects.control[context]
        own = np.zeros((1, len(control)))
        for name in map(gene_of, items):
            if name in self.identity.places:
                own[0, self.identity.places[name]] = -control[self.identity.places[name]]
        if self.identity.spread is None or not self.recipe.network:
            return own
        level = np.expm1(control)
        slope = level / (1 + level)  # of log1p against the logarithm: genes that are hardly there hardly move
        hops = self.identity.spread.hops([gene_of(name) for name in items]) * slope
        hops[:, own[0] != 0] = 0
        return np.concatenate([own, hops])

    def _fit_features(self, change: np.ndarray) -> np.ndarray:
        effects = self.effects
        n = len(self._features(effects.items[0], effects.contexts[0])) if len(effects) else 1
        square, product = np.zeros((n, n)), np.zeros(n)
        for items, context, row, weight in zip(effects.items, effects.contexts, change, effects.weight, strict=True):
            features = self._features(items, context)
            square += weight * features @ features.T
            product += weight * features @ (row - self.centre.get(context, 0.0))
        scale = np.sqrt(np.maximum(np.diag(square), 1e-12))
        ridge = square / np.outer(scale, scale) + FEATURE_RIDGE * np.eye(n)
        return np.linalg.solve(ridge, product / scale) / scale  # (feature,)

    def _from_features(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        rows = [
            self.coefficients @ self._features(i, c) + self.centre.get(c, 0.0)
            for i, c in zip(items, contexts, strict=True)
        ]
        return np.stack(rows) if rows else np.zeros((0, len(self.effects.genes)))

    @cached_property
    def single_effects(self) -> dict[tuple[str, str], np.ndarray]:
        """What each gene is believed to do alone, filled as it is asked for."""
        return {}

    def single(self, name: str, context: str) -> np.ndarray:
        """Return what one gene is believed to do alone, (gene,)."""
        key = (name, context)
        if key not in self.single_effects:
            self.single_effects[key] = self.alone([(name,)], [context])[0]
        return self.single_effects[key]


def carried(effects: Effects, places: Sequence[int], context: str, reach: float) -> np.ndarray:
    """Return what entries from other contexts would be in this one, on average, (gene,).

    A gene that rises rises by the same amount. One that falls loses the same share of its expression, for it cannot
    lose more than there is of it: a context that hardly has it loses hardly anything.
    """
    level = {name: np.maximum(mean, 0) + CARRY_FLOOR for name, mean in effects.control.items()}
    change = effects.change[places]  # (entry, gene)
    share = level[context] / np.stack([level[effects.contexts[place]] for place in places])
    apart = np.array(
        [((effects.control[effects.contexts[place]] - effects.control[context]) ** 2).sum() for place in places]
    )
    weight = np.exp(-(apart - apart.min()) / reach)
    return np.average(np.where(change < 0, change * share, change), axis=0, weights=weight)


class _Together:
    """The same with what genes do together: what is alike is judged by what each does alone, then all is found at once.

    Parameters
    ----------
    regression
        Fitted without it.
    covariance
        Of the entries, noise included, (entry, entry).
    rest
        What the features leave of the entries' changes, (entry, gene).
    pairs
        Places of entries with several genes.
    left
        What each of these leaves when the others predict it, (pair, gene).
    """

    def __init__(
        self, regression: Regression, covariance: np.ndarray, rest: np.ndarray, pairs: list[int], left: np.ndarray
    ) -> None:
        self.regression = regression
        effects, recipe = regression.effects, regression.recipe
        self.pairs = effects.subset(pairs)
        self.law = np.zeros(len(_LAWS))
        if recipe.law:
            self.law = self._fit_law(left)
            rest = rest.copy()
            rest[pairs] -= self._from_law(self.pairs.items, self.pairs.contexts)
        if recipe.pair:
            covariance = covariance.copy()
            own = self._kernel(self.pairs.items, self.pairs.contexts, self.pairs.items, self.pairs.contexts)
            covariance[np.ix_(pairs, pairs)] += recipe.pair * own
        self.dual = cho_solve(cho_factor(covariance, lower=True), rest)  # (entry, gene)
        self.places = pairs

    def predict(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        """Return expected changes, (entry, gene)."""
        regression = self.regression
        effects, pair = regression.effects, regression.recipe.pair
        kernel = regression._kernel(items, contexts, effects.items, effects.contexts)
        if pair:
            kernel[:, self.places] += pair * self._kernel(items, contexts, self.pairs.items, self.pairs.contexts)
        features = regression._from_features(items, contexts)
        return features + self._from_law(items, contexts) + kernel @ self.dual

    def _from_law(self, items: Sequence[Items], contexts: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(items), len(self.regression.effects.genes)))
        if not self.law.any():
            return found
        for row, (one, context) in enumerate(zip(items, contexts, strict=True)):
            for first, second in combinations(one, 2):
                found[row] += self.law @ self._laws(first, second, context)
        return found

    def _laws(self, first: str, second: str, context: str) -> np.ndarray:
        a, b = (self.regression.single(name, context) for name in (first, second))
        control = self.regression.effects.control[context]
        return np.stack([law(a, b, control) for law in _LAWS])  # (law, gene)

    def _fit_law(self, left: np.ndarray) -> np.ndarray:
        n = len(_LAWS)
        square, product = np.zeros((n, n)), np.zeros(n)
        for items, context, row, weight in zip(
            self.pairs.items, self.pairs.contexts, left, self.pairs.weight, strict=True
        ):
            laws = np.sum([self._laws(a, b, context) for a, b in combinations(items, 2)], axis=0)
            square += weight * laws @ laws.T
            product += weight * laws @ row
        scale = np.sqrt(np.maximum(np.diag(square), 1e-12))
        return np.linalg.solve(square / np.outer(scale, scale) + LAW_RIDGE * np.eye(n), product / scale) / scale

    def _kernel(
        self, items: Sequence[Items], contexts: Sequence[str], others: Sequence[Items], places: Sequence[str]
    ) -> np.ndarray:
        left, right = _names(items), _names(others)
        context = sorted(self.regression.effects.control)[0]
        between = _cosines(
            np.stack([self.regression.single(name, context) for name in left]) if left else np.zeros((0, 1)),
            np.stack([self.regression.single(name, context) for name in right]) if right else np.zeros((0, 1)),
        )
        for row, name in enumerate(left):
            if name in right:
                between[row, right.index(name)] = 1.0
        found = np.zeros((len(items), len(others)))
        for row, one in enumerate(items):
            for column, other in enumerate(others):
                found[row, column] = _pair_similarity(one, other, between, left, right)
        return found * self.regression._context_kernel(contexts, places)


def _pair_similarity(one: Items, other: Items, between: np.ndarray, left: list[str], right: list[str]) -> float:
    total = 0.0
    for a, b in combinations([left.index(name) for name in one], 2):
        for c, d in combinations([right.index(name) for name in other], 2):
            total += max(between[a, c] * between[b, d], between[a, d] * between[b, c])
    return total


_LAWS = (
    lambda a, b, control: a + b,
    lambda a, b, control: a * b / np.maximum(control, FLOOR),  # together as factors, not as summands
    lambda a, b, control: np.where(a * b > 0, np.sign(a) * np.minimum(abs(a), abs(b)), 0),
)


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1))
    cosine = np.divide(first @ second.T, lengths, out=np.zeros((len(first), len(second))), where=lengths > 0)
    return np.clip(cosine, 0, 1)


def _names(items: Sequence[Items]) -> list[str]:
    return sorted({name for one in items for name in one})


def _incidence(items: Sequence[Items], names: Sequence[str]) -> np.ndarray:
    places = {name: place for place, name in enumerate(names)}
    found = np.zeros((len(items), len(names)))
    for row, one in enumerate(items):
        for name in one:
            found[row, places[name]] = 1
    return found


def _centres(effects: Effects, change: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean change of the entries of each context, (gene,); over all where a context has none."""
    every = np.array(effects.contexts)
    return {
        context: change[every == context].mean(0) if (every == context).any() else change.mean(0)
        for context in effects.control
    }


def _reach(control: dict[str, np.ndarray]) -> float:
    apart = [float(((a - b) ** 2).sum()) for a, b in combinations(control.values(), 2)]
    return float(np.median(apart)) if apart else 1.0


def _low_rank(effects: Effects, rank: int) -> np.ndarray:
    """Keep the strongest directions of all changes together; each alone is mostly the noise of few cells."""
    if not rank or rank >= min(effects.change.shape):
        return effects.change
    scale = np.sqrt(effects.weight)[:, None]
    u, s, vt = np.linalg.svd(effects.change * scale, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vt[:rank] / scale
