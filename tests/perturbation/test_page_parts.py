"""What the Perturb page computes: changes by group, ways through a network, desired effects, scores, files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from genediff.core.errors import InputError
from genediff.data import ImportConfig, import_cells
from genediff.data.simulation.planted import planted_network
from genediff.data.simulation.simulate import perturbation_plan, simulate
from genediff.data.simulation.truth_draw import TruthConfig, draw_truth
from genediff.knowledge import make_gene_sets
from genediff.perturbation import BaselinePredictor, Task, fit_baselines
from genediff.perturbation.baseline_comparison import best_of, compare_with_baselines
from genediff.perturbation.change_scores import ChangeScores, nearest, score_changes
from genediff.perturbation.desired_effect import CellObjective, GeneObjective
from genediff.perturbation.evaluate_predictions import score
from genediff.perturbation.export_predictions import means_table, to_anndata
from genediff.perturbation.expression_changes import changes, over_sets
from genediff.perturbation.group_prediction import predict_group
from genediff.perturbation.network_route import route
from genediff.plots import perturbation_plots as plots
from genediff.workspace import Workspace

CONFIG = TruthConfig(n_genes=60, n_regulators=12, n_types=2, n_pathways=3, pathway_size=8, targets_per_pair=4)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("screen")
    truth = draw_truth(CONFIG, seed=3)
    cells = simulate(truth, n_cells=1500, perturbations=perturbation_plan(truth, n_singles=8, n_doubles=6), seed=1)
    cells.write_h5ad(folder / "screen.h5ad")
    how = ImportConfig.parse({"label": "cell_type", "perturbation": "perturbation", "control": "control", "n_genes": 60,
                              "n_pcs": 8, "umap": False})  # fmt: skip
    return Task.of(import_cells(folder / "screen.h5ad", how, Workspace(folder / "home").datasets), context="cell_type")


def test_another_mix_of_types_is_no_change() -> None:
    """Each type is held against its own controls; the plain difference of means would see a change of 1.6."""
    draw = np.random.default_rng(0)
    control_groups, groups = np.repeat(["a", "b"], [180, 20]), np.repeat(["a", "b"], [20, 180])
    level = {"a": 0.0, "b": 2.0}
    control = np.array([[level[one]] for one in control_groups]) + 0.1 * draw.normal(size=(200, 1))
    cells = np.array([[level[one]] for one in groups]) + 0.1 * draw.normal(size=(200, 1))
    assert (cells.mean() - control.mean()) > 1.5
    found = changes(sp.csr_matrix(cells), control, groups=groups, control_groups=control_groups)
    assert found.low[0] < 0 < found.high[0] and abs(found.change[0]) < 0.1
    shifted = changes(cells + 0.5, control, groups=groups, control_groups=control_groups)
    np.testing.assert_allclose(shifted.change, found.change + 0.5)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    found = changes(draw.normal(0.3, 1, (40, 2000)), draw.normal(0, 2, (60, 2000)))
    assert ((found.low < 0.3) & (found.high > 0.3)).mean() == pytest.approx(0.95, abs=0.02)


def test_sets_are_means_over_their_genes() -> None:
    x = np.arange(12.0).reshape(3, 4)
    sets = make_gene_sets("two", {"A": ("g0", "g2"), "B": ("g3",)})
    np.testing.assert_allclose(
        over_sets(sp.csr_matrix(x), sets, ["g0", "g1", "g2", "g3"]), np.c_[(x[:, 0] + x[:, 2]) / 2, x[:, 3]]
    )


def test_the_route_takes_the_shortest_way_and_its_signs() -> None:
    edges = pd.DataFrame(
        [("A", "B", 1), ("B", "C", -1), ("A", "D", -1), ("D", "E", 1), ("E", "C", 1), ("X", "Y", 1)],
        columns=["source", "target", "sign"],
    )
    change = {"A": -2.0, "B": -1.0, "C": 0.9, "D": 0.8, "E": 0.1, "X": 0.0, "Y": 0.7}
    found = route(edges, ["A"], change, top=4)
    assert found is not None and found.reached == ("B", "C", "D") and found.missed == ("Y",)
    assert set(zip(found.edges["source"], found.edges["target"], strict=True)) == {("A", "B"), ("B", "C"), ("A", "D")}
    assert found.distance["C"] == 2
    assert found.agreeing == (3, 3)  # A is lowered: B falls, so C rises; D rises
    assert found.by_chance == pytest.approx(4 / 6)
    assert route(edges, ["A"], {**change, "B": 1.0}, top=4).agreeing == (2, 3)  # type: ignore[union-attr]
    assert route(edges, ["Y"], change) is None


def test_planted_effects_lie_downstream_in_the_planted_network(task: Task) -> None:
    truth = draw_truth(CONFIG, seed=3)
    cells = simulate(truth, n_cells=200, seed=0)
    one = task.perturbation("REG1")
    delta = np.mean([task.delta(g) for g in task.groups if g.perturbation.label == one.label], axis=0)
    found = route(planted_network(cells).edges, ["REG1"], dict(zip(task.genes, delta, strict=True)), top=5)
    assert found is not None
    assert len(found.reached) / 5 > found.by_chance


def test_a_gene_does_not_achieve_the_effect_by_being_knocked_out() -> None:
    change = np.array([-3.0, -0.5, 0.2])
    objective = GeneObjective(np.array([0, 1]), "lower")
    assert objective.score(change) == pytest.approx(1.75)
    assert objective.score(change, perturbed=[0]) == pytest.approx(0.5)
    assert np.isnan(GeneObjective(np.array([0]), "raise").score(change, perturbed=[0]))


def test_a_move_towards_cells_is_the_share_of_the_way() -> None:
    objective = CellObjective(np.array([2.0, 0.0]))
    assert objective.score(np.array([2.0, 0.0])) == 1
    assert objective.score(np.zeros(2)) == 0
    assert objective.score(np.array([1.0, 0.0])) == pytest.approx(0.75)
    assert objective.score(np.array([-1.0, 0.0])) < 0
    with pytest.raises(InputError, match="the same"):
        CellObjective(np.zeros(2))


def oracle_of(task: Task, baseline: type):
    """Return a predictor of all groups that knows the answer, or with ``sign`` -1 its opposite."""
    truth = {(g.perturbation.label, g.context, g.part): task.delta(g) for g in task.groups}

    class Oracle(baseline):
        name, title = "oracle", "Oracle"
        sign = 1

        def _delta(self, perturbation, context):
            return self.sign * truth[perturbation.label, context, "test"]

    return Oracle(task)


def test_an_oracle_is_better_and_its_opposite_worse_than_baselines(task: Task) -> None:
    """The verdict must be able to fall either way: for a predictor that knows the answer, and for its opposite."""
    shifts = fit_baselines(task)
    oracle = oracle_of(task, type(shifts["no_change"]))

    def judged() -> ChangeScores:
        everyone = [BaselinePredictor(oracle), *map(BaselinePredictor, shifts.values())]
        return score_changes(task, everyone, baselines=tuple(shifts))

    found = judged()
    assert found.n == len({g.perturbation.label for g in task.part("test")}) < len(found.wide)
    assert found.level == "better" and found.harm == 0
    assert found.means["oracle"] == pytest.approx(1) and found.slope("oracle") == pytest.approx(1)
    assert (found.cases["replicate"] <= found.cases["attainable"]).all() and found.cases["attainable"].max() <= 1
    oracle.sign = -1
    assert judged().level == "worse"


def test_few_held_out_perturbations_say_nothing_surely(task: Task) -> None:
    """Two pairs in two cell types are four groups and two cases: the percentile bootstrap called such gains real."""
    doubles = Task.of(task.dataset, context="cell_type", scheme="doubles", share=0.34)
    shifts = fit_baselines(doubles)
    predictors = [oracle_of(doubles, type(shifts["no_change"])), *shifts.values()]
    found = score_changes(doubles, list(map(BaselinePredictor, predictors)), baselines=tuple(shifts))
    assert found.n < 6 and found.level == "unknown" and found.harm == 0


def test_a_predictor_is_held_against_the_best_baseline_of_each_measure(task: Task) -> None:
    """The answer must be able to fall either way: for a predictor that knows the answer, and for its opposite."""
    shifts = fit_baselines(task)
    oracle = oracle_of(task, type(shifts["no_change"]))
    right = {
        one.metric: one
        for one in compare_with_baselines(score(task, [BaselinePredictor(oracle)], n_cells=60), "oracle")
    }
    assert set(right) >= {"e_distance", "weighted_mse", "discrimination_score_l1", "de_direction_match"}
    oracle.sign = -1
    wrong = {
        one.metric: one
        for one in compare_with_baselines(score(task, [BaselinePredictor(oracle)], n_cells=60), "oracle")
    }
    for metric in ("e_distance", "weighted_mse"):
        assert right[metric].level == "better" and right[metric].harm == 0 and right[metric].gain.low > 0
        assert wrong[metric].level == "worse" and wrong[metric].harm == 1 and wrong[metric].gain.high < 0
        assert right[metric].best == wrong[metric].best in shifts
    means, errors = {"a": 0.5, "b": 0.5 + 1e-9, "c": 0.1}, {"a": 1.0, "b": 2.0, "c": 0.0}
    assert best_of(means, errors) == "a" and best_of(means, {**errors, "b": 0.5}) == "b"
    assert best_of(means, errors, lower=True) == "c" and best_of({"a": np.nan, "c": 0.0}, errors) == "c"
    scores = score_changes(task, [BaselinePredictor(one) for one in shifts.values()], baselines=tuple(shifts))
    assert scores.means.index[0] == scores.best, "the table's first baseline is the one that the verdict names"


def test_the_nearest_trained_gene_is_another_one(task: Task) -> None:
    seen = sorted(task.seen_parts)
    found = nearest(task, seen[0])
    assert found is not None and found[0] in seen and found[0] != seen[0] and -1 <= found[1] <= 1
    assert nearest(task, "no gene") is None


def test_cells_of_many_scenarios_say_where_they_come_from(task: Task) -> None:
    shift = BaselinePredictor(fit_baselines(task)["additive"])
    rows = task.control_rows("test")
    contexts = task.dataset.obs["cell_type"].astype(str).to_numpy()
    done = [task.perturbation("REG1"), task.perturbation("REG1+REG2")]
    made = [(one, predict_group(shift, one, rows, contexts[rows], n_cells=40)) for one in done]
    cells = to_anndata(task, made, control=rows, provenance={"seed": 0})
    assert cells.n_obs == len(rows) + sum(len(one.x) for _, one in made)
    predicted = cells[cells.obs["predicted"]]
    by_name = dict(zip(task.dataset.obs.index, contexts, strict=True))
    assert (predicted.obs["source"].map(by_name) == predicted.obs["context"].astype(str)).all()
    assert set(predicted.obs["source"]) <= set(task.dataset.obs.index[rows])
    np.testing.assert_array_equal(cells.X.data, np.rint(cells.X.data))
    again, logged = task.dataset.normalise(cells.X).toarray(), cells.layers["log_normalised"].toarray()
    np.testing.assert_allclose(again[: len(rows)], logged[: len(rows)], atol=1e-5)  # real cells: the same numbers
    assert np.corrcoef(again[len(rows) :].ravel(), logged[len(rows) :].ravel())[0, 1] > 0.95  # moved ones: nearly
    table = means_table(task, made)
    assert list(table.index) == [one.label for one in done] and list(table.columns) == list(task.genes)
    weights = pd.Series(contexts[rows]).value_counts(normalize=True)
    wanted = sum(weights[c] * shift.shift.delta(done[1], c) for c in weights.index)
    np.testing.assert_allclose(table.loc[done[1].label], wanted)


def test_cells_lie_between_their_nearest_on_the_map(monkeypatch, task: Task) -> None:
    """Training cells land among their own neighbours: where these are one island, never far off."""
    from dataclasses import replace

    from genediff.perturbation.map_positions import between_neighbours

    dataset = task.dataset
    kind = dataset.obs["cell_type"].astype(str).to_numpy()
    islands = np.c_[np.where(kind == "type_1", 0.0, 50.0), np.random.default_rng(0).normal(size=len(kind))]
    monkeypatch.setattr(dataset, "info", replace(dataset.info, has_umap=True))
    monkeypatch.setitem(dataset.__dict__, "umap", islands.astype(np.float32))
    some = dataset.rows("test")
    placed = between_neighbours(dataset, dataset.pcs[some])
    assert (np.abs(placed[:, 0] - islands[some, 0]) < 10).mean() > 0.8
    monkeypatch.setattr(dataset, "info", replace(dataset.info, has_umap=False))
    np.testing.assert_array_equal(between_neighbours(dataset, dataset.pcs[some]), dataset.pcs[some][:, :2])


def test_a_group_without_controls_is_refused(task: Task) -> None:
    with pytest.raises(InputError, match="too few control cells"):
        predict_group(BaselinePredictor(fit_baselines(task)["no_change"]), task.perturbation("REG1"),
                      np.array([0]), np.array(["type_1"]), n_cells=10)  # fmt: skip


def test_no_arrow_crosses_empty_space_on_a_umap() -> None:
    """A line from one island to another said a direction and a distance that a UMAP does not have."""
    draw = np.random.default_rng(0)
    island, other, near = draw.normal(size=(400, 2)), draw.normal(size=(400, 2)) + [30, 0], np.array([[1.5, 0.0]])
    groups = np.array(["T"] * 100, dtype=object)
    control = plots.Cloud(plots.CONTROL, island[:100], groups)
    far = plots.Cloud(plots.PREDICTED, other[:100], groups)
    close = plots.Cloud(plots.MEASURED, np.repeat(near, 100, axis=0), groups)
    ground = np.concatenate([island, other])
    arrows = [*plots.mean_shifts(control, far), *plots.mean_shifts(control, close)]
    assert [one.kind for one in plots.supported(arrows, ground)] == [plots.MEASURED]
    drawn = plots.shift_map(ground, [control, far, close])
    assert {one.hovertext for one in drawn.layout.annotations if one.showarrow and one.hovertext} == {"T: measured"}
    still = plots.Cloud(plots.MEASURED, island[:100] + 0.1, groups)
    hardly = plots.shift_map(ground, [control, still])
    assert not [one for one in hardly.layout.annotations if one.showarrow], "a head without a direction"
    components = plots.shift_map(ground, [control, far, close], axes=plots.PC_AXES)
    assert len([one for one in components.layout.annotations if one.showarrow and one.hovertext]) == 2
