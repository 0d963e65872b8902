"""The model of responses: the best simple baseline, and beyond it what left-out perturbations say can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from genediff.core.errors import InputError
from genediff.perturbation import BASELINES, Prediction, Shift
from genediff.perturbation.mean_shift import move_cells
from genediff.perturbation.model.effect_matrices import effects_of, kind_of
from genediff.perturbation.model.model_kinds import Kind, gene_of, items_of
from genediff.perturbation.model.regression import Recipe, Regression
from genediff.perturbation.target_loss import TargetLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.perturbation import Perturbation
    from genediff.perturbation.model.effect_matrices import Effects
    from genediff.perturbation.model.measured_shifts import MeasuredTask
    from genediff.perturbation.model.model_kinds import Items
    from genediff.perturbation.model.perturbation_identity import Identity
    from genediff.perturbation.model.shrinkage import Shrinkage

NEAREST = 3


@dataclass(frozen=True)
class Confidence:
    """What a prediction rests on, for a panel beside it.

    Attributes
    ----------
    kind
        How far the question is from what was measured; ``KINDS`` has it in words.
    gate
        Baseline, weight of the model, and how this kind did on perturbations that were left out of the fit.
    baseline_title
        The baseline that the prediction starts from.
    spread
        Standard deviation of the predicted changes over models fitted to resampled cells, relative to the size of
        the change (both root mean squares over genes); 0.1 means that a tenth of it is chance.
    uncertainty
        Share of the effect's variance that training leaves open: 0 where it was measured well, 1 where nothing is.
    nearest
        Measured perturbations that are most alike, each with its similarity (-1 to 1).
    never_seen
        Genes of the question that were never perturbed alone.
    reasons
        Why genes that were never perturbed are predicted as they are: by source of prior knowledge, what they share
        with perturbed ones; empty where prior knowledge has no part in the prediction.
    outside
        Genes of the question that act on nothing in the network; empty without one.
    tested
        How this kind did on the test part: numbers by name (n, r, r_baseline, error, error_baseline, harm), or empty.
    """

    kind: Kind
    gate: Shrinkage
    baseline_title: str
    spread: float
    uncertainty: float
    nearest: tuple[tuple[str, float], ...]
    never_seen: tuple[str, ...]
    reasons: tuple[str, ...]
    outside: tuple[str, ...]
    tested: dict[str, float]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The same in words."""
        found = []
        if self.never_seen:
            found.append(f"{', '.join(self.never_seen)}: never perturbed alone in training.")
        if self.outside:
            found.append(f"{', '.join(self.outside)}: without targets in the network.")
        if self.gate.weight == 0:
            found.append(f"The prediction is that of the baseline {self.baseline_title}. {self.gate.why}")
        else:
            way = f"{self.gate.weight:.0%} of the way from the baseline {self.baseline_title} to the model"
            flattered = " They also chose how far to go, so these figures flatter it." * bool(self.gate.why)
            found.append(f"The prediction lies {way}. {self.gate.why}{flattered}")
            size = "small" if self.spread < 0.2 else "considerable" if self.spread < 0.6 else "as large as the change"
            found.append(f"Spread over models fitted to resampled cells: {self.spread:.0%} of the change ({size}).")
        found += self.reasons
        if self.nearest:
            near = ", ".join(f"{name} ({similarity:.2f})" for name, similarity in self.nearest)
            found.append(f"Measured changes most like the predicted one: {near}.")
        return tuple(found)


class ResponseModel:
    """Predicts what perturbations do to cells of a data set.

    Parameters
    ----------
    task
        What was measured; the training part is what the model knows.
    identity
        Who genes are, and the network if there is one.
    gates
        What was decided for each kind of question.
    members
        The task's training part with resampled cells, for the spread.
    width
        Factor of the intervals by kind, so that they held for nine in ten genes of left-out perturbations.
    scale
        Of the errors of each gene, (gene,).
    tested
        Results on the test part, by kind.
    title
        What people call it.
    flow
        Draws cells in the place of moved control cells where the validation part says that it does better; None:
        control cells are moved.
    """

    name = "genediff"

    def __init__(
        self,
        task: MeasuredTask,
        identity: Identity,
        gates: dict[Kind, Shrinkage],
        *,
        members: Sequence[MeasuredTask] = (),
        width: dict[Kind, float] | None = None,
        scale: np.ndarray | None = None,
        tested: dict[str, dict[str, float]] | None = None,
        title: str = "GeneDiff",
        flow: Any = None,
    ) -> None:
        self.task, self.identity, self.gates = task, identity, gates
        self.member_tasks = tuple(members)
        self.width, self.tested, self.title, self.flow = width or {}, tested or {}, title, flow
        self.scale = np.ones(len(task.genes)) if scale is None else scale

    # -- what is known ---------------------------------------------------------------------------------------------

    @cached_property
    def effects(self) -> Effects:
        """What the training part measured."""
        return effects_of(self.task)

    @cached_property
    def _fits(self) -> tuple[_Fit, ...]:
        return tuple(_Fit(task, self.identity) for task in (self.task, *self.member_tasks))

    def items(self, perturbation: Perturbation) -> Items:
        """Return what a perturbation acts on; refuse one that nothing can be said about.

        Raises
        ------
        InputError
            For a gene that was never perturbed and is none of the genes, or a condition that was never measured.
        """
        items = items_of(perturbation, self.task.config.mode)
        for name in items:
            if name in self._acted_on:
                continue
            if perturbation.kind != "gene":
                known = ", ".join(sorted(self._acted_on))
                raise InputError(
                    f"{name} was not measured in training; a condition is known by its cells alone: {known}."
                )
            if name not in self._in_data:
                self.identity.need(gene_of(name))
        return items

    @cached_property
    def _in_data(self) -> frozenset[str]:
        usual = self.task.config.mode
        return frozenset(name for one in self.task.perturbations for name in items_of(one, usual))

    def _weight(self, items: Items, gate: Shrinkage) -> float:
        """Return how far to leave the baseline: not at all for a gene of which nothing is known but its name."""
        known = all(name in self._acted_on or self.identity.knows(name) for name in items)
        return gate.weight if known else 0.0

    @cached_property
    def _acted_on(self) -> frozenset[str]:
        return frozenset(self.effects.names)

    def kind(self, perturbation: Perturbation, context: str) -> Kind:
        """Say how far a question is from what was measured."""
        return kind_of(self.effects, self.items(perturbation), context)

    # -- prediction ------------------------------------------------------------------------------------------------

    def baseline(self, perturbation: Perturbation, context: str) -> Shift:
        """Return the baseline that predictions of this kind start from."""
        gate = self.gates[self.kind(perturbation, context)]
        return self._fits[0].shift(gate.baseline)

    def delta(self, perturbation: Perturbation, context: str) -> np.ndarray:
        """Return the predicted mean change of each gene against control, (gene,)."""
        return self._delta(self._fits[0], perturbation, context)

    def member_deltas(self, perturbation: Perturbation, context: str) -> np.ndarray:
        """Return what each model fitted to resampled cells predicts, (member, gene)."""
        return np.stack([self._delta(fit, perturbation, context) for fit in self._fits[1:] or self._fits])

    def _delta(self, fit: _Fit, perturbation: Perturbation, context: str) -> np.ndarray:
        self.task.control_mean("train", context)  # refuses an unknown context
        items = self.items(perturbation)
        gate = self.gates[kind_of(self.effects, items, context)]
        start = fit.shift(gate.baseline).delta(perturbation, context)
        weight = self._weight(items, gate)
        if weight == 0 or perturbation.is_control:
            return start
        step = weight * (fit.regression(gate.recipe).predict([items], [context])[0] - start)
        return fit.target_loss.apply(start + step, perturbation, context)

    def interval(self, perturbation: Perturbation, context: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the 90% interval of each gene's change, (gene,) each; None where too few were left out to know it.

        Conformal over left-out perturbations: of a further one, nine in ten genes lie within, on average.
        """
        width = self.width.get(self.kind(perturbation, context))
        if width is None:
            return None
        delta = self.delta(perturbation, context)
        return delta - width * self.scale, delta + width * self.scale

    def predict(
        self, perturbation: Perturbation, rows: np.ndarray, *, context: str, n_cells: int | None = None, seed: int = 0
    ) -> Prediction:
        """Predict what the perturbation makes of some control cells; see ``Predictor``."""
        source = (
            rows if n_cells is None else np.random.default_rng([seed, 3]).choice(rows, n_cells, n_cells > len(rows))
        )
        source = np.asarray(source)
        delta = self.delta(perturbation, context)
        if self.flow is not None and self.flow.helps:
            x, counts = self.flow.cells(source, delta, perturbation, seed=seed)
        else:
            x, counts = move_cells(self.task.dataset, source, delta, seed=seed)
        low, high = self.interval(perturbation, context) or (None, None)
        notes = self.confidence(perturbation, context).sentences
        return Prediction(perturbation, context, x, counts, source, delta, low, high, notes)

    # -- how far to trust it ---------------------------------------------------------------------------------------

    def confidence(self, perturbation: Perturbation, context: str) -> Confidence:
        """Say what a prediction rests on."""
        items, kind = self.items(perturbation), self.kind(perturbation, context)
        gate, delta = self.gates[kind], self.delta(perturbation, context)
        members = self.member_deltas(perturbation, context)
        size = float(np.sqrt((delta**2).mean()))
        apart = float(np.sqrt(members.var(axis=0, ddof=1).mean())) if len(members) > 1 else 0.0
        regression = self._fits[0].regression(gate.recipe)
        spread = self.identity.spread
        genes = [gene_of(name) for name in items] if perturbation.kind == "gene" else []
        return Confidence(
            kind=kind,
            gate=gate,
            baseline_title=BASELINES[gate.baseline].title,
            spread=apart / size if size > 0 else 0.0,
            uncertainty=float(regression.uncertainty([items], [context])[0]),
            nearest=tuple(self._nearest(delta, items, context)),
            never_seen=tuple(name for name in items if not self.effects.has_single(name)),
            reasons=tuple(self._reasons(items, gate)),
            outside=tuple(gene for gene in genes if spread is not None and not spread.knows(gene)),
            tested=self.tested.get(kind, {}),
        )

    def _reasons(self, items: Items, gate: Shrinkage) -> list[str]:
        priors = self.identity.priors
        if not priors or not gate.recipe.prior or self._weight(items, gate) == 0:
            return []
        seen = sorted({gene_of(name) for name in self.effects.names})
        return [
            reason
            for name in items
            if not self.effects.has_single(name)
            for reason in priors.reasons(gene_of(name), [one for one in seen if one != gene_of(name)])
        ]

    def _nearest(self, delta: np.ndarray, items: Items, context: str) -> list[tuple[str, float]]:
        """Return measured perturbations whose change is most like the predicted one, itself left out."""
        train = self.task.part("train")
        others = [n for n in range(len(train)) if (self.effects.items[n], self.effects.contexts[n]) != (items, context)]
        if not others:
            return []
        rows = self.effects.change[others]
        size = np.linalg.norm(rows, axis=1) * np.linalg.norm(delta)
        alike = np.divide(rows @ delta, size, out=np.zeros(len(rows)), where=size > 0)
        order = np.argsort(-alike)[:NEAREST]
        return [(train[others[place]].name, float(alike[place])) for place in order]

    def route(self, perturbation: Perturbation, gene: str) -> list[list[str]]:
        """Return the paths through the network from the targets to a gene, the shortest first; none without one."""
        if self.identity.spread is None or perturbation.kind != "gene":
            return []
        return self.identity.spread.route([gene_of(name) for name in self.items(perturbation)], gene)

    def deltas(self, perturbations: Sequence[Perturbation], context: str) -> np.ndarray:
        """Return the predicted changes of many perturbations, (perturbation, gene), to rank them by."""
        asked = [self.items(one) for one in perturbations]
        gates = [self.gates[kind_of(self.effects, items, context)] for items in asked]
        out = np.stack(
            [
                self._fits[0].shift(gate.baseline).delta(one, context)
                for one, gate in zip(perturbations, gates, strict=True)
            ]
        )
        weights = [self._weight(items, gate) for items, gate in zip(asked, gates, strict=True)]
        for recipe in dict.fromkeys(gate.recipe for gate, weight in zip(gates, weights, strict=True) if weight):
            places = [n for n, gate in enumerate(gates) if weights[n] and gate.recipe == recipe]
            found = self._fits[0].regression(recipe).predict([asked[n] for n in places], [context] * len(places))
            for place, row in zip(places, found, strict=True):
                out[place] += weights[place] * (row - out[place])
                out[place] = self._fits[0].target_loss.apply(out[place], perturbations[place], context)
        return out

    def possible(self) -> tuple[str, ...]:
        """Return every gene that can be asked for: those that were perturbed, then those something is known of."""
        if any(p.kind != "gene" for p in self.task.perturbations):
            return tuple(sorted(self._acted_on))
        seen = sorted({gene_of(name) for name in self._acted_on})
        more = set(self.task.genes)
        if self.identity.spread is not None:
            more |= {name for name in self.identity.spread.names if self.identity.spread.knows(name)}
        return (*seen, *sorted(more - set(seen)))


class _Fit:
    """Baselines and regressions on one training part, made as they are asked for."""

    def __init__(self, task: MeasuredTask, identity: Identity) -> None:
        self.task, self.identity = task, identity
        self._shifts: dict[str, Shift] = {}
        self._regressions: dict[Recipe, Regression] = {}

    @cached_property
    def effects(self) -> Effects:
        return effects_of(self.task)

    @cached_property
    def target_loss(self) -> TargetLoss:
        return TargetLoss(self.task)

    def shift(self, name: str) -> Shift:
        if name not in self._shifts:
            self._shifts[name] = BASELINES[name](self.task)
        return self._shifts[name]

    def regression(self, recipe: Recipe) -> Regression:
        if recipe not in self._regressions:
            self._regressions[recipe] = Regression(self.effects, self.identity, recipe)
        return self._regressions[recipe]
