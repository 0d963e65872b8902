"""The model of perturbations: it starts at its baseline, earns its steps, and knows genes by more than their names."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from genediff.core.errors import InputError
from genediff.data.importing.perturbation_names import Perturbation
from genediff.knowledge.network import make_network
from genediff.perturbation import ALL_CELLS, BASELINES, BaselinePredictor, Predictor, Task
from genediff.perturbation.model.effect_matrices import Effects, effects_of, kind_of
from genediff.perturbation.model.fit_response import fit_response, judge
from genediff.perturbation.model.measured_shifts import measured
from genediff.perturbation.model.model_kinds import KINDS
from genediff.perturbation.model.network_diffusion import Spread
from genediff.perturbation.model.perturbation_identity import Identity
from genediff.perturbation.model.regression import CARRY_FLOOR, Recipe, Regression, carried
from genediff.perturbation.model.response_model import ResponseModel
from genediff.perturbation.model.response_store import Saved, load_response, save_response
from genediff.perturbation.model.shrinkage import RECIPES, LeftOut, Shrinkage, decide, lower_bound

# ------------------------------------------------------------------------------------------------------- the gate


def closed(model: ResponseModel) -> ResponseModel:
    gates = {kind: gate.model_copy(update={"weight": 0.0}) for kind, gate in model.gates.items()}
    return ResponseModel(model.task, model.identity, gates, members=model.member_tasks)


def test_at_weight_0_predictions_are_the_baselines_exactly(model, pairs_task):
    shut = closed(model)
    rows = pairs_task.control_rows("test")
    asked = [
        *(g.perturbation for g in pairs_task.part("test")),
        Perturbation.of_genes("GENE1"),
        pairs_task.part("train")[0].perturbation,
    ]
    for one in asked:
        name = shut.gates[shut.kind(one, ALL_CELLS)].baseline
        baseline = BASELINES[name](pairs_task)
        np.testing.assert_array_equal(shut.delta(one, ALL_CELLS), baseline.delta(one, ALL_CELLS))
        own = shut.predict(one, rows, context=ALL_CELLS, n_cells=40, seed=2)
        theirs = BaselinePredictor(baseline).predict(one, rows, context=ALL_CELLS, n_cells=40, seed=2)
        np.testing.assert_array_equal(own.counts, theirs.counts)
    np.testing.assert_array_equal(shut.deltas(asked, ALL_CELLS), [shut.delta(one, ALL_CELLS) for one in asked])


def test_the_baseline_is_left_for_a_sure_gain_and_kept_for_chance():
    draw = np.random.default_rng(0)
    measured = [draw.normal(size=50) for _ in range(20)]
    noisy = [one + draw.normal(size=50) for one in measured]
    better = [one + 0.3 * draw.normal(size=50) for one in measured]
    as_bad = [one + draw.normal(size=50) for one in measured]
    control = [np.full(50, 10.0)] * 20
    every = np.eye(50)

    labels = [(f"P{number}", "") for number in range(20)]

    def left(recipe: list[np.ndarray], n: int = 20) -> LeftOut:
        return LeftOut(labels[:n], measured[:n], control[:n], {"additive": noisy[:n]}, {0: recipe[:n]})

    opened = decide("double_2", left(better), "additive", every)
    assert opened.weight == 1.0 and opened.harm < 0.1 and opened.gap < opened.gap_baseline
    bad = [one + 2 * draw.normal(size=50) for one in as_bad]
    assert decide("double_2", left(bad), "additive", every).weight == 0.0
    few = decide("double_2", left(better, 2), "additive", every)
    assert few == Shrinkage(baseline="additive", n=2, why=few.why)
    # Four are enough to choose the baseline by, though not to leave it: of Kang's five types no more can be left out.
    four = left(better, 4)
    four.baselines["nearest"] = [one + 0.5 * draw.normal(size=50) for one in measured[:4]]
    chosen = decide("context", four, "additive", every)
    assert (chosen.baseline, chosen.weight, chosen.n) == ("nearest", 0.0, 4) and chosen.r == chosen.r_baseline
    # Where cells are compared on one axis and come no nearer on it, errors and correlations are not enough.
    aside = [np.concatenate([start[:1], one[1:]]) for one, start in zip(better, noisy, strict=True)]
    assert decide("double_2", left(aside), "additive", every).weight > 0
    assert decide("double_2", left(aside), "additive", every[:1]).weight == 0.0
    assert lower_bound([1.0]) == -np.inf


def test_on_held_out_pairs_it_beats_the_additive_baseline_over_three_seeds(screen):
    gains, correlations = [], []
    for seed in range(3):
        task = Task.of(screen.dataset, scheme="doubles", n_seen=2, seed=seed)
        model = fit_response(task, network=screen.network, members=2, seed=seed)
        additive = BASELINES["additive"](task)
        for group in task.part("test"):
            truth = task.delta(group)
            own, start = model.delta(group.perturbation, ALL_CELLS), additive.delta(group.perturbation, ALL_CELLS)
            gains.append(np.log(((start - truth) ** 2).mean() / ((own - truth) ** 2).mean()))
            correlations.append(np.corrcoef(own, truth)[0, 1] - np.corrcoef(start, truth)[0, 1])
    assert lower_bound(gains) > 0
    assert lower_bound(correlations) > 0


def test_unseen_single_genes_are_never_worse_than_the_linear_baseline_on_average(screen):
    task = Task.of(screen.dataset, scheme="unseen_single")
    plain = fit_response(task, members=2)
    with_network = fit_response(task, network=screen.network, members=2)
    shuffled = fit_response(task, network=screen.network.shuffled(seed=1), members=2)
    linear = BASELINES["linear"](task)
    truth = {g.perturbation: task.delta(g) for g in task.part("test")}

    def error(predict) -> float:
        return float(np.mean([((predict(p, ALL_CELLS) - delta) ** 2).mean() for p, delta in truth.items()]))

    assert error(plain.delta) <= error(linear.delta)
    # The planted network tells where the effect of a gene goes that nobody perturbed; a shuffled one does not.
    assert error(with_network.delta) < 0.7 * error(shuffled.delta)


def test_interactions_are_found_on_planted_pairs_and_not_on_additive_ones(screen):
    """Every pair is left out and predicted by the others; the controls are pairs, and genes, that no gate joins."""
    genes, gates = screen.dataset.genes, screen.truth.gates
    effects = effects_of(measured(Task.of(screen.dataset, scheme="cells")))
    identity = Identity(genes, np.zeros((len(genes), 1)))
    every = np.unique(pd.Index(genes).get_indexer(gates["target"]))
    ends = [tuple(sorted(pair)) for pair in zip(gates["first"], gates["second"], strict=True)]
    errors: dict[str, list[float]] = {"planted": [], "planted, sum": [], "other": [], "other, sum": []}
    alike = []
    for items in (one for one in effects.items if len(one) > 1):
        planted = items in screen.planted
        at = pd.Index(genes).get_indexer(gates["target"][[one == items for one in ends]]) if planted else every
        rest = effects.subset([n for n in range(len(effects)) if effects.items[n] != items])
        found = Regression(rest, identity, Recipe(alike=0, pair=3.0, noise=0.3)).predict([items], [ALL_CELLS])[0]
        truth = effects.change[effects.find(items, ALL_CELLS)]
        total = sum(effects.change[effects.find((gene,), ALL_CELLS)] for gene in items)
        name = "planted" if planted else "other"
        errors[name].append(float(((found - truth)[at] ** 2).mean()))
        errors[f"{name}, sum"].append(float(((total - truth)[at] ** 2).mean()))
        if planted:
            alike.append(np.corrcoef((found - total)[at], (truth - total)[at])[0, 1])
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert mean["planted"] < 0.85 * mean["planted, sum"], "targets of pairs that act together are better than the sum"
    assert np.mean(alike) > 0.25, "and they are off the sum in the direction that is true"
    assert mean["other"] < 1.05 * mean["other, sum"], "pairs that do not act together stay as good as the sum"


# ------------------------------------------------------------------------------------------------------ who genes are


def test_the_order_of_genes_does_not_matter(model, pairs_task):
    genes = pairs_task.part("test")[0].perturbation.targets + ("GENE7",)
    deltas = [
        model.delta(replace(Perturbation.of_genes(*genes), targets=order), ALL_CELLS) for order in permutations(genes)
    ]
    assert np.ptp(deltas, axis=0).max() < 1e-9


def test_genes_nobody_perturbed_are_predicted_and_unknown_ones_refused(model, pairs_task):
    unseen = pairs_task.perturbation("GENE3")
    assert model.kind(unseen, ALL_CELLS) == "single"
    assert np.isfinite(model.delta(unseen, ALL_CELLS)).all()
    said = model.confidence(unseen, ALL_CELLS)
    assert said.never_seen == ("GENE3",)
    assert said.uncertainty > model.confidence(pairs_task.part("train")[0].perturbation, ALL_CELLS).uncertainty
    with pytest.raises(InputError, match="NOTAGENE was never perturbed in training, is not among the 160 genes"):
        model.delta(Perturbation.of_genes("NOTAGENE"), ALL_CELLS)
    with pytest.raises(InputError, match="no context"):
        model.delta(unseen, "nowhere")


def test_kinds_of_questions(model):
    effects = model.effects
    single = next(items for items in effects.items if len(items) == 1)[0]
    assert kind_of(effects, (single,), ALL_CELLS) == "seen"
    assert kind_of(effects, (single,), "elsewhere") == "context"
    assert kind_of(effects, ("GENE1",), ALL_CELLS) == "single"
    assert kind_of(effects, ("GENE1", single), ALL_CELLS) == "double_1"
    assert kind_of(effects, ("GENE1", "GENE2"), ALL_CELLS) == "double_0"
    assert set(model.gates) == set(KINDS)


# ---------------------------------------------------------------------------------------------------------- network


def chain() -> Spread:
    edges = pd.DataFrame(
        {"source": ["A", "B", "C", "A"], "target": ["B", "C", "D", "E"], "weight": 1.0, "sign": [1, 1, -1, 1]}
    )
    return Spread(make_network("chain", edges), ["A", "B", "C", "D", "E", "F"])


def test_a_knock_out_runs_along_edges_and_past_no_gene_that_is_itself_set():
    spread = chain()
    alone = spread.hops(["A"])
    np.testing.assert_array_equal(alone[0], [0, -1, 0, 0, -1, 0])
    np.testing.assert_array_equal(alone[1], [0, 0, -1, 0, 0, 0])
    np.testing.assert_array_equal(alone[2], [0, 0, 0, 1, 0, 0])
    both, lower = spread.hops(["A", "B"]), spread.hops(["B"])
    # B has the value its own knock-out gives it, so nothing of A reaches C and D through it.
    np.testing.assert_array_equal(both[:, 2:4], lower[:, 2:4])
    assert (both[:, 1] == 0).all()
    assert spread.route(["A"], "D") == [["A", "B", "C", "D"]]
    assert spread.route(["A", "B"], "D") == [["B", "C", "D"]]


def test_blocked_edges_carry_nothing(screen):
    """On the planted network: all that a knock-out moves is downstream, and with its edges cut nothing is."""
    spread = Spread(screen.network, screen.dataset.genes)
    for gene in screen.truth.regulators[:8]:
        moved = {screen.dataset.genes[place] for place in np.flatnonzero(spread.hops([gene]).any(0))}
        assert moved
        assert moved <= screen.truth.descendants(gene) | {gene}
        assert not spread.hops([gene], blocked=[gene]).any()
    shuffled = Spread(screen.network.shuffled(seed=0), screen.dataset.genes)
    outside = [
        {screen.dataset.genes[place] for place in np.flatnonzero(shuffled.hops([gene]).any(0))}
        - screen.truth.descendants(gene)
        for gene in screen.truth.regulators[:8]
    ]
    assert sum(map(len, outside)) > 8, "the check above can fail: a shuffled network reaches other genes"


# ---------------------------------------------------------------------------------------------------------- cells


def test_it_is_a_predictor_whose_cells_have_the_predicted_mean(model, pairs_task):
    assert isinstance(model, Predictor)
    group = pairs_task.part("test")[0]
    rows = pairs_task.control_rows("test")
    found = model.predict(group.perturbation, rows, context=ALL_CELLS, seed=4)
    again = model.predict(group.perturbation, rows, context=ALL_CELLS, seed=4)
    other = model.predict(group.perturbation, rows, context=ALL_CELLS, seed=5)
    np.testing.assert_array_equal(found.counts, again.counts)
    assert (found.counts != other.counts).any()
    moved = found.x.mean(0) - pairs_task.mean(rows)
    goal = np.maximum(found.delta, -pairs_task.mean(rows))
    assert np.corrcoef(moved, goal)[0, 1] > 0.97
    assert found.low is not None
    assert (found.low <= found.delta).all()
    assert (found.delta <= found.high).all()


def test_intervals_hold_for_most_genes_of_held_out_pairs(model, pairs_task):
    inside = []
    for group in pairs_task.part("test"):
        low, high = model.interval(group.perturbation, group.context)
        truth = pairs_task.delta(group)
        inside.append(((low <= truth) & (truth <= high)).mean())
    assert 0.8 < np.mean(inside) < 0.999


def test_what_a_prediction_rests_on(model, pairs_task):
    group = pairs_task.part("test")[0]
    said = model.confidence(group.perturbation, group.context)
    assert said.kind == "double_2"
    assert said.tested["n"] == len(pairs_task.part("test"))
    assert 0 < said.spread < 1
    assert 0 < said.uncertainty < 1
    assert all(-1 <= alike <= 1 for _, alike in said.nearest)
    assert said.sentences
    assert judge(model, "test")["double_2"] == said.tested


# --------------------------------------------------------------------------------------------------------- storage


def test_a_saved_model_predicts_the_same(model, screen, tmp_path):
    from genediff.models.response_config import ResponseConfig

    saved = Saved(ResponseConfig(dataset_id=screen.dataset.info.id), screen.network)
    info = save_response(model, tmp_path / "m", saved, model_id="m")
    back = load_response(tmp_path / "m", screen.dataset)
    group = model.task.part("test")[0]
    asked = [
        group.perturbation,
        Perturbation.of_genes("GENE2"),
        Perturbation.of_genes("GENE2", group.perturbation.targets[0]),
    ]
    for one in asked:
        np.testing.assert_allclose(back.delta(one, ALL_CELLS), model.delta(one, ALL_CELLS), rtol=1e-4, atol=1e-5)
        assert abs(back.confidence(one, ALL_CELLS).spread - model.confidence(one, ALL_CELLS).spread) < 1e-3
    shut = closed(back)
    start = BASELINES[shut.gates["double_2"].baseline](model.task)
    np.testing.assert_array_equal(shut.delta(asked[0], ALL_CELLS), start.delta(asked[0], ALL_CELLS))
    assert info.tested["double_2"]["n"] == len(model.task.part("test"))
    other = replace(screen.dataset.info, content_hash="another")
    with pytest.raises(InputError, match="trained on other cells"):
        load_response(tmp_path / "m", type(screen.dataset)(other))


def test_recipes_differ():
    assert len(set(RECIPES)) == len(RECIPES)


def test_a_change_is_carried_to_another_type_by_what_there_is_to_lose():
    """Planted: a third of each gene's expression is lost everywhere, and some genes rise by as much everywhere."""
    draw = np.random.default_rng(0)
    levels = {name: draw.gamma(1.0, 1.0, 200) for name in ("a", "b", "far")}
    levels["far"] += 3
    rises = draw.random(200) < 0.2

    def change(name: str) -> np.ndarray:
        return np.where(rises, 0.7, -(levels[name] + CARRY_FLOOR) / 3)

    effects = Effects(tuple(map(str, range(200))), (("drug",),) * 2, ("b", "far"), np.ones(2),
                      np.stack([change("b"), change("far") + rises]), levels)  # fmt: skip
    found = carried(effects, [0, 1], "a", reach=float(((levels["a"] - levels["b"]) ** 2).sum()))
    np.testing.assert_allclose(found[~rises], change("a")[~rises])
    assert np.all(np.abs(found[rises] - 0.7) < 0.2), "the type that is far off hardly counts"
    assert np.abs(change("b") - change("a")).max() > 0.5, "the same amount would be wrong"
