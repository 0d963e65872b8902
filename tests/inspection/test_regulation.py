"""Paths through a model of gene tokens: closed forms on tiny graphs, and what cutting and shuffling must not change."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as File
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from genediff.core.errors import InputError
from genediff.core.stats import adaptive_discovery_rates, false_discovery_rates
from genediff.inspection.regulation.attention_flow import Flow, flow_of
from genediff.inspection.regulation.attention_paths import Path, path_flow, paths_from, paths_to
from genediff.inspection.regulation.circuit import circuit_of, tokens_are_genes
from genediff.inspection.regulation.compare_groups import compare, detectable, slopes_differ
from genediff.inspection.regulation.edge_probe import Probe
from genediff.inspection.regulation.held_out_test import gain_test, improvements, joint_p, within_groups
from genediff.inspection.regulation.interventions import edge_tests, interventions
from genediff.inspection.regulation.knockout_effects import Effects, effects_of, upstream
from genediff.inspection.regulation.path_table import NAMESPACE, to_graphml, to_tsv
from genediff.inspection.regulation.query import find_paths
from genediff.inspection.regulation.regulators import reaches, regulators_of
from genediff.inspection.regulation.significance import POWER, SUPPORTED, empirical_p, in_words, power, verdicts
from genediff.knowledge import Knowledge, Network, make_network
from genediff.models import denoiser
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.tokenizers.statistics import Statistics

N = 30
ROOT = File(__file__).resolve().parents[2]
GENES = tuple(f"G{i}" for i in range(N))


def edges(n_regulators: int = 8, *, seed: int = 0) -> pd.DataFrame:
    """Edges without loops: a regulator acts on genes of higher number only."""
    draw = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n_regulators) for j in range(i + 1, N) if draw.random() < 0.35]
    frame = pd.DataFrame([(GENES[i], GENES[j]) for i, j in pairs], columns=["source", "target"])
    return frame.assign(weight=1.0, sign=draw.choice([-1, 0, 1], len(frame)), confidence="A")


def made(frame: pd.DataFrame | None = None, *, strategy: str = "grn", depth: int = 2) -> GenerativeModel:
    """A small model whose every weight was moved a little, so that nothing is hidden behind a zero."""
    frame = edges() if frame is None else frame
    network = Network("tiny", frame)
    gene = strategy == "grn"
    config = ModelConfig.model_validate(
        {
            "tokenizer": strategy, "space": "gene" if gene else "latent", "predict": "data" if gene else "velocity",
            "width": 16, "depth": depth, "heads": 2, "network": "tiny" if gene else None,
            "tokenizer_options": {"n_channels": 2} if gene else {"n_tokens": 4, "n_channels": 2, "hidden": 16},
        }
    )  # fmt: skip
    spec = ModelSpec(
        id="m", title="tiny", created="", dataset_id="d", dataset_name="d", run=RunConfig(dataset_id="d", model=config),
        genes=GENES, levels={}, combinations=(), has_counts=True, target_sum=100.0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GenerativeModel(spec, Statistics.empty(N), knowledge=Knowledge(network=network))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return model.eval()


def cells(n: int = 24, *, seed: int = 0) -> Probe:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randn(n, N + 1, generator=generator)
    state = clean + 0.3 * torch.randn(n, N + 1, generator=generator)
    return Probe(clean, state, torch.full((n,), 0.6), torch.zeros(n, 0, dtype=torch.long), N, np.zeros(n, dtype=int))


def toy_flow(*, seed: int = 0, n: int = 6, n_passes: int = 4) -> tuple[Flow, list[np.ndarray]]:
    """A flow on a graph without loops, and the matrix (target, source) of each pass."""
    draw = np.random.default_rng(seed)
    ends = np.array([(i, j) for i, j in itertools.combinations(range(n), 2) if draw.random() < 0.7]).T
    matrices = []
    for _ in range(n_passes):
        matrix = np.diag(draw.random(n) + 0.2)
        matrix[ends[1], ends[0]] = draw.random(ends.shape[1])
        matrices.append(matrix / matrix.sum(1, keepdims=True))
    own = np.stack([m.diagonal() for m in matrices])
    carried = np.stack([m[ends[1], ends[0]] for m in matrices])
    return Flow(ends, tuple(f"pass {i}" for i in range(n_passes)), own, carried), matrices


def test_rollout_is_the_product_of_the_passes() -> None:
    flow, matrices = toy_flow()
    product = np.linalg.multi_dot(matrices[::-1])
    np.testing.assert_allclose(flow.rollout(np.arange(6)), product, atol=1e-12)
    np.testing.assert_allclose(flow.rollout(np.arange(6)).sum(1), 1, atol=1e-12)


def test_the_flows_of_all_paths_add_up_to_the_rollout() -> None:
    """On a graph without loops every walk is a path; each pass makes at most one step."""
    flow, _ = toy_flow()
    rolled = flow.rollout(np.array([5]))[0]
    found = paths_to(flow, 5, steps=4, most=10_000)
    for source in range(5):
        mine = [path for path in found if path.genes[0] == source]
        assert sum(path.flow for path in mine) == pytest.approx(rolled[source])
        asked = paths_to(flow, 5, source=source, steps=4, most=10_000)
        assert {path.edges for path in asked} == {path.edges for path in mine}
    assert [path.flow for path in found] == sorted((path.flow for path in found), reverse=True)


def test_a_path_says_in_which_passes_it_steps() -> None:
    """Against the sum over all choices of passes, written out."""
    flow, matrices = toy_flow()
    path = next(p for p in paths_to(flow, 5, steps=2, most=100) if p.n_steps == 2)
    a, b, c = path.genes
    total, when = 0.0, np.zeros((2, 4))
    for first, second in itertools.combinations(range(4), 2):
        value = 1.0
        for number, m in enumerate(matrices):
            at = a if number < first else b if number < second else c
            value *= m[b, a] if number == first else m[c, b] if number == second else m[at, at]
        # before the first step the token rests on a, between on b, after on c
        total += value
        when[0, first] += value
        when[1, second] += value
    assert path.flow == pytest.approx(total)
    np.testing.assert_allclose(path.when, when / total)


def test_paths_from_a_gene_are_those_that_lead_from_it() -> None:
    flow, _ = toy_flow(seed=1)
    out = {path.edges: path.flow for path in paths_from(flow, 0, steps=3, most=1000)}
    into = {
        path.edges: path.flow for target in range(1, 6) for path in paths_to(flow, target, source=0, steps=3, most=1000)
    }
    assert out == pytest.approx(into)


@pytest.mark.parametrize("measure", ["variation", "attention"])
def test_shares_of_a_model_add_up(measure) -> None:
    model = made()
    circuit = circuit_of(model)
    flow = flow_of(circuit, cells(), measure=measure)
    assert flow.passes == ("encoder", "layer 1", "layer 2", "decoder")
    for own, carried in zip(flow.own, flow.carried, strict=True):
        total = own + np.bincount(circuit.wiring.edges[1], carried, minlength=N)
        np.testing.assert_allclose(total, 1)
    assert (flow.carried > 0).all()


def test_attention_flow_is_the_mean_attention_and_half_of_the_residual() -> None:
    model, given = made(), cells()
    flow = flow_of(circuit_of(model), given, measure="attention")
    layers = model.denoiser.attention_weights(given.state, given.t, given.codes)
    graph = model.denoiser.backbone.graph
    weights = {(int(a), int(b)): float(w) for a, b, w in zip(*graph.edges, layers[1].mean((0, 1)), strict=True)}
    for number, (a, b) in enumerate(circuit_of(model).wiring.edges.T):
        assert flow.carried[2, number] == pytest.approx(0.5 * weights[int(a), int(b)], rel=1e-4)


def test_a_part_with_all_that_is_upstream_predicts_as_the_whole() -> None:
    model, given = made(), cells()
    circuit = circuit_of(model)
    whole = model.denoiser(given.state, given.t, given.codes).detach().numpy()
    np.testing.assert_allclose(circuit.predict(given), whole[:, :N], atol=1e-5)
    held = upstream(circuit.wiring, [20], 10)
    place = np.full(N, -1)
    place[held] = np.arange(len(held))
    kept = np.flatnonzero((place[circuit.wiring.edges] >= 0).all(0))
    part = circuit.wired(circuit.wiring.take(kept, place[circuit.wiring.edges[:, kept]]), held)
    np.testing.assert_allclose(part.predict(given)[:, place[20]], whole[:, 20], atol=1e-5)


def test_cutting_a_direct_path_is_taking_its_edge_away() -> None:
    model, given = made(), cells()
    circuit = circuit_of(model)
    edge = int(np.flatnonzero(circuit.wiring.edges[1] == 20)[0])
    path = Path((int(circuit.wiring.edges[0, edge]), 20), (edge,), 0.1, np.ones((1, 4)) / 4)
    effects = effects_of(circuit, given, [path])
    without = circuit.rewired(circuit.wiring.without(np.array([edge]))).predict(given)
    np.testing.assert_allclose(effects.change[:, 0], circuit.predict(given)[:, 20] - without[:, 20], atol=1e-5)
    assert effects.size[0] > 1e-3


def test_cutting_what_does_not_lead_to_a_gene_changes_nothing_there() -> None:
    """An edge into another gene, one that sends nothing on, is no edge of any path to this one."""
    model, given = made(), cells()
    circuit = circuit_of(model)
    edge = int(np.flatnonzero(circuit.wiring.edges[1] == 21)[0])
    without = circuit.rewired(circuit.wiring.without(np.array([edge]))).predict(given)
    whole = circuit.predict(given)
    np.testing.assert_allclose(without[:, 20], whole[:, 20], atol=1e-6)
    assert abs(without[:, 21] - whole[:, 21]).max() > 1e-4


def test_a_cut_path_leaves_the_others_through_the_same_genes() -> None:
    """a -> b -> c and a -> c: cutting the way over b takes away what a tells c through b, and nothing else."""
    frame = pd.DataFrame({"source": ["G0", "G1", "G0"], "target": ["G1", "G2", "G2"], "weight": 1.0, "sign": 1})
    model, given = made(frame), cells()
    circuit = circuit_of(model)
    names = [(GENES[a], GENES[b]) for a, b in circuit.wiring.edges.T]
    ab, bc = names.index(("G0", "G1")), names.index(("G1", "G2"))
    over = effects_of(circuit, given, [Path((0, 1, 2), (ab, bc), 0.1, np.zeros((2, 4)))])
    # G1 serves no one but G2, so cutting a -> b alone is the same cut.
    without = circuit.rewired(circuit.wiring.without(np.array([ab]))).predict(given)
    np.testing.assert_allclose(over.change[:, 0], circuit.predict(given)[:, 2] - without[:, 2], atol=1e-5)


def test_shuffled_networks_keep_degrees_and_lose_pairs() -> None:
    network = make_network("tiny", edges())
    shuffled = network.shuffled(seed=3)
    for end in ("source", "target"):
        pd.testing.assert_series_equal(
            network.edges[end].value_counts().sort_index(), shuffled.edges[end].value_counts().sort_index()
        )
    before = set(zip(network.edges["source"], network.edges["target"], strict=True))
    after = set(zip(shuffled.edges["source"], shuffled.edges["target"], strict=True))
    assert len(before & after) < 0.7 * len(before)


def test_empirical_p_counts_paths_of_the_same_length() -> None:
    null, lengths = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([1, 1, 1, 1, 2])
    p = empirical_p(np.array([3.0, 3.0]), np.array([1, 2]), null, lengths)
    assert p == pytest.approx([3 / 5, 2 / 2])


def test_a_path_is_supported_by_the_cells_and_not_by_attention() -> None:
    assert verdicts(np.array([0.01, 0.2, 0.01, 0.2]), np.array([0.04, 0.04, 1.0, np.nan])) == [
        SUPPORTED,
        "attention only",
        SUPPORTED,
        "not significant",
    ]


def test_a_null_result_is_said_with_its_power() -> None:
    table = pd.DataFrame({"path": ["a → b"], "verdict": ["not significant"], "p": [0.4]})
    said = in_words(table, "b", end="target", n_cells=128, space="gene")
    assert "None of 1 paths into **b** is supported at every edge in 128 cells" in said
    assert f"finds about {power(128, 'edge', space='gene'):.0%} of planted edges" in said
    for space, tested in POWER.items():
        for what in tested:
            few, many, most = (power(n, what, space=space) for n in (64, 400, 2000))
            assert few < many <= most <= 1
        assert min(power(800, what, space=space) for what in tested) >= 0.6


def test_the_power_that_is_said_was_measured() -> None:
    results = ROOT / "benchmarks" / "results" / "regulation_power"
    for space, tested in POWER.items():
        for what, group, kind in (("edge", "edges", "planted"), ("regulator", "regulators", "acting")):
            for n, share in tested[what]:
                found = json.loads((results / f"{space}-planted-{n}.json").read_text())
                assert share == round(found[group][kind]["found"], 2)


@pytest.mark.parametrize("joint", [False, True])
def test_the_test_of_values_keeps_its_level(joint: bool) -> None:
    """4,000 regulators that say nothing of their genes within two types: at most 5% reach p < 0.05.

    Predictions from their own and from another cell's value share a large error that goes along with the gene: a
    prediction without the regulator in place of another cell's would find most of them.
    """
    draw, n = np.random.default_rng(0), 80
    groups = np.repeat([0, 1], n // 2)
    p = []
    for _ in range(4000):
        shape = (n, 5 if joint else 1)
        truth = groups[:, None] + draw.normal(size=shape) + draw.normal(size=(n, 1))
        shared, value = truth + draw.normal(size=shape), draw.standard_gamma(1, n) + groups
        values = [value, *(value[within_groups(groups, draw)] for _ in range(Probe.exchanges))]
        own, *other = (shared * (1 + 0.3 * v[:, None]) for v in values)
        sides = truth, np.stack([own] * Probe.exchanges), np.stack(other)
        p.append(joint_p(improvements(*sides)) if joint else gain_test(*sides).p[0])
    for level in (0.01, 0.05):
        assert np.mean(np.array(p) < level) - level < 2.5 * np.sqrt(level * (1 - level) / 4000), level


def test_a_value_that_says_something_of_its_gene_is_found() -> None:
    draw, n = np.random.default_rng(0), 200
    groups, value = np.zeros(n, dtype=int), draw.normal(size=n)
    truth = (value + draw.normal(size=n))[:, None]
    others = np.stack([0.5 * value[within_groups(groups, draw), None] for _ in range(Probe.exchanges)])
    assert gain_test(truth, np.stack([0.5 * value[:, None]] * Probe.exchanges), others).p[0] < 1e-4


def test_noise_that_was_added_to_the_cells_does_not_bury_a_weak_edge() -> None:
    """42% of planted edges were found: noise of each copy was multiplied before it was averaged away."""
    draw, n = np.random.default_rng(1), 200
    groups, p, single = np.zeros(n, dtype=int), [], []
    for _ in range(1000):
        value = draw.normal(size=n)
        truth = (0.2 * value + draw.normal(size=n))[:, None]
        own, other = [], []
        for noise in draw.normal(size=(Probe.exchanges // 2, 2, n)):
            for sign in (1, -1):  # a gene reads its own value with noise, and its regulator's
                read = 0.7 * (truth[:, 0] + sign * noise[0]) + 0.2 * noise[0] ** 2
                seen = value + sign * noise[1]
                own.append((read + 0.06 * seen)[:, None])
                other.append((read + 0.06 * seen[within_groups(groups, draw)])[:, None])
        p.append(gain_test(truth, np.stack(own), np.stack(other)).p[0])
        products = [(a - b) * (2 * truth - a - b) for a, b in zip(own, other, strict=True)]
        single.append(stats.ttest_1samp(np.mean(products, axis=0)[:, 0], 0, alternative="greater").pvalue)
    assert np.mean(np.array(p) < 0.05) > np.mean(np.array(single) < 0.05) + 0.1


def test_adaptive_rates_keep_to_their_level_and_find_more_where_much_is_real() -> None:
    draw, false, found, plain = np.random.default_rng(2), [], [], []
    for _ in range(1000):
        z = draw.normal(size=100) + np.where(np.arange(100) < 70, 2.0, 0.0)
        p = stats.norm.sf(z)
        called = adaptive_discovery_rates(p) < 0.05
        false.append(called[70:].sum() / max(called.sum(), 1))
        found.append(called[:70].mean())
        plain.append((false_discovery_rates(p)[:70] < 0.05).mean())
    assert np.mean(false) < 0.05 + 2 * np.std(false) / np.sqrt(1000)
    assert np.mean(found) > np.mean(plain) + 0.1
    null = [(adaptive_discovery_rates(draw.uniform(size=100)) < 0.05).any() for _ in range(1000)]
    assert np.mean(null) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (15, 40), (30, 30), (128, 128)])
def test_equal_slopes_rarely_differ_and_others_do(n: int, m: int) -> None:
    """By the bootstrap 8 to 12% of equal slopes differed at p < 0.05: few cells express a regulator."""
    draw = np.random.default_rng(n)

    def group(cells: int, slope: float) -> Effects:
        source = (draw.random((cells, 2000)) < 0.3) * draw.gamma(2, 1, (cells, 2000))
        noise = (0.05 + 0.05 * source) * draw.normal(size=(cells, 2000))
        return Effects(slope * source + noise, source, source)

    def p(slope: float) -> np.ndarray:
        one, other = group(n, 0.1), group(m, slope)
        return slopes_differ((one.slope, one.slope_error, n), (other.slope, other.slope_error, m))

    assert (p(0.1) < 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)
    if n >= 30:
        assert (p(0.35) < 0.05).mean() >= 0.6


def test_paths_are_compared_between_two_groups() -> None:
    model, given = made(), cells(60)
    table = compare(model, given.take(np.arange(30)), given.take(np.arange(30, 60)), "G20")
    assert len(table) and table["p"].between(0, 1).all() and (table["q"] >= table["p"]).all()
    assert (table["slope_first"] - table["slope_second"]).abs().is_monotonic_decreasing and detectable(table) > 0


def test_values_are_replaced_within_groups_and_heads_are_silenced() -> None:
    model, given = made(), cells(60)
    found = interventions(model, given, given.clean[:, :N].numpy(), np.zeros(60, dtype=int), n_shuffled=2)
    assert len(found.regulators) == 8 and len(found.edges) == len(edges())
    assert list(found.controls["what"])[0] == "this model" and found.controls["specific"].between(0, 8).all()
    parts = found.ablations.set_index("part")
    assert list(parts.index[:4]) == ["all edges", "encoder edges", "decoder edges", "layer 1, head 1"]
    circuit = circuit_of(model)
    alone = circuit.rewired(circuit.wiring.take(np.zeros(0, dtype=int))).predict(given)
    regulated = np.unique(circuit.wiring.edges[1])
    clean = given.clean[:, regulated].double().numpy()
    with_edges, without = (((one[:, regulated] - clean) ** 2).mean() for one in (circuit.predict(given), alone))
    assert parts.loc["all edges", "rise"] == pytest.approx(without / with_edges - 1, rel=1e-4)
    assert (found.ablations["rise"] != 0).all()
    one = pd.DataFrame({"source": ["G0"], "target": ["G20"], "weight": 1.0, "sign": 1})
    alone = interventions(made(one), given, given.clean[:, :N].numpy(), given.groups, n_shuffled=0)
    assert alone.regulators["on_targets"][0] > 0 == alone.regulators["on_others"][0]  # no way leads elsewhere


def test_help_is_the_share_of_the_error_that_a_path_takes_away() -> None:
    truth, draw = np.linspace(-1, 1, 50)[:, None], np.random.default_rng(0)
    perfect = Effects(truth, truth, truth)  # without the path nothing is known, with it everything
    misleading = Effects(draw.normal(size=(50, 1)), truth, np.zeros((50, 1)) + 0.1)
    assert perfect.help[0] == pytest.approx(1)
    assert misleading.help[0] < 0


def test_an_answer_holds_what_was_asked_and_travels() -> None:
    model, given = made(), cells()
    answer = find_paths(model, given, "G20", n_shuffled=5, steps=2)
    assert set(answer.paths["target"]) == {"G20"}
    assert (answer.paths["flow"].diff().dropna() <= 0).all()
    direct = set(model.knowledge.network.edges.query("target == 'G20'")["source"])
    assert set(answer.paths.query("steps == 1")["source"]) == direct
    assert answer.paths["flow_p"].min() >= 1 / (5 * 65 + 1)
    tested = edge_tests(model, given).set_index(["source", "target"])
    for row in answer.paths.itertuples():  # as certain as its least certain edge
        assert row.q == tested.loc[list(itertools.pairwise(row.genes)), "q"].max()
    passes = answer.edges[["encoder", "layer 1", "layer 2", "decoder"]]
    np.testing.assert_allclose(passes.sum(axis=1), 1)
    assert (answer.edges["confidence"] == "A").all()  # what the network says besides travels along
    root = ElementTree.fromstring(to_graphml(answer))
    assert len(root.findall(f".//{{{NAMESPACE}}}edge")) == len(answer.edges)
    assert to_tsv(answer.paths).decode().splitlines()[1].split("\t")[0] == answer.paths["path"][0]
    one = find_paths(model, given, "G20", regulator=min(direct), n_shuffled=0)
    assert set(one.paths["source"]) == {min(direct)}


def test_silencing_finds_the_loudest_regulator() -> None:
    """One regulator's learned weights into a gene are made large: it comes first, with its sign."""
    model, given = made(), cells()
    circuit = circuit_of(model)
    source = int(circuit.wiring.edges[0, np.flatnonzero(circuit.wiring.edges[1] == 20)[0]])
    graph = model.tokenizer.said.graph
    here = (graph.edges[0] == source) & (graph.edges[1] == 20)
    with torch.no_grad():
        model.tokenizer.heard.weight[here] = -4.0
        model.tokenizer.said.weight[here] = -4.0
    table = regulators_of(model, given, "G20")
    assert table["regulator"][0] == GENES[source]
    assert table["slope"][0] < 0
    assert len(table) == 8
    everyone = reaches(model, given, n_shuffled=3)
    assert everyone["reach"].max() > 0 and everyone["reach_z"].notna().all()


def test_what_cannot_be_asked_is_said() -> None:
    model, given = made(), cells()
    with pytest.raises(InputError, match="none of the 30 genes"):
        find_paths(model, given, "X", n_shuffled=0)
    with pytest.raises(InputError, match="no edge of 'tiny' leads to G0"):
        find_paths(model, given, "G0", n_shuffled=0)
    latent = made(strategy="latent")
    assert not tokens_are_genes(latent)
    with pytest.raises(InputError, match="not genes on a network"):
        find_paths(latent, given, "G20", n_shuffled=0)


def test_flow_of_one_path_is_that_of_the_search() -> None:
    flow, _ = toy_flow(seed=2)
    for path in paths_to(flow, 4, steps=3, most=20):
        assert path_flow(flow, path.genes, path.edges) == pytest.approx(path.flow)


def test_two_pages_that_measure_one_model_at_a_time_do_not_hear_each_other() -> None:
    """Hooks lay on the model itself: each of two pages took in the other's cells, or ended in an error."""
    circuit, given = circuit_of(made()), cells(60)
    alone = flow_of(circuit, given)
    with ThreadPoolExecutor(4) as pool:
        for flow in pool.map(lambda _: flow_of(circuit, given), range(24)):
            np.testing.assert_array_equal(flow.carried, alone.carried)
    assert not any(block._forward_hooks for block in circuit.denoiser.backbone.stack.blocks)


@pytest.mark.parametrize("measure", ["attention", "variation"])
def test_flow_is_the_same_where_memory_allows_a_part_of_the_cells_at_a_time(measure, monkeypatch) -> None:
    """Two cell types of 2,000 genes ended in an error: each part's layers were taken for further layers."""
    circuit, given = circuit_of(made()), cells(60)
    whole = flow_of(circuit, given, measure=measure)
    monkeypatch.setattr(denoiser, "MOST_TOKENS", 7 * circuit.n_places)
    parts = flow_of(circuit, given, measure=measure)
    np.testing.assert_allclose(parts.carried, whole.carried, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(parts.own, whole.own, rtol=1e-5, atol=1e-7)
