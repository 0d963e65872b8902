"""Paths through a model of gene tokens: closed forms on tiny graphs, and what cutting and shuffling must not change."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch

from genediff.config import ModelConfig, RunConfig
from genediff.errors import InputError
from genediff.inspection.regulation.ask import ask
from genediff.inspection.regulation.circuit import circuit_of, tokens_are_genes
from genediff.inspection.regulation.effects import Effects, effects_of, upstream
from genediff.inspection.regulation.export import NAMESPACE, to_graphml, to_tsv
from genediff.inspection.regulation.flow import Flow, flow_of
from genediff.inspection.regulation.judge import SUPPORTED, adjusted, empirical_p, verdicts
from genediff.inspection.regulation.paths import Path, path_flow, paths_from, paths_to
from genediff.inspection.regulation.probe import Probe
from genediff.inspection.regulation.regulators import key_regulators, regulators_of
from genediff.knowledge import Knowledge, Network, make_network
from genediff.model import GeneDiff
from genediff.model_info import ModelSpec
from genediff.statistics import Statistics

N = 30
GENES = tuple(f"G{i}" for i in range(N))


def edges(n_regulators: int = 8, *, seed: int = 0) -> pd.DataFrame:
    """Edges without loops: a regulator acts on genes of higher number only."""
    draw = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n_regulators) for j in range(i + 1, N) if draw.random() < 0.35]
    frame = pd.DataFrame([(GENES[i], GENES[j]) for i, j in pairs], columns=["source", "target"])
    return frame.assign(weight=1.0, sign=draw.choice([-1, 0, 1], len(frame)), confidence="A")


def made(frame: pd.DataFrame | None = None, *, strategy: str = "grn", depth: int = 2) -> GeneDiff:
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
    model = GeneDiff(spec, Statistics.empty(N), knowledge=Knowledge(network=network))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return model.eval()


def cells(n: int = 24, *, seed: int = 0) -> Probe:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randn(n, N + 1, generator=generator)
    state = clean + 0.3 * torch.randn(n, N + 1, generator=generator)
    return Probe(clean, state, torch.full((n,), 0.6), torch.zeros(n, 0, dtype=torch.long), N)


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


def test_adjusted_is_the_procedure_of_benjamini_and_hochberg() -> None:
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).random(40) ** 3
    np.testing.assert_allclose(adjusted(p), false_discovery_control(p))
    flow_p, flow_q = np.array([0.01, 0.01, 0.9, 0.2]), np.array([0.04, 0.04, 1.0, 0.4])
    assert verdicts(flow_p, flow_q, np.array([0.01, 0.2, 0.01, 0.2])) == [
        SUPPORTED,
        "attention without effect",
        "effect without attention",
        "not told from chance",
    ]


def test_help_is_the_share_of_the_error_that_a_path_takes_away() -> None:
    truth, draw = np.linspace(-1, 1, 50)[:, None], np.random.default_rng(0)
    perfect = Effects(truth, truth, truth)  # without the path nothing is known, with it everything
    misleading = Effects(draw.normal(size=(50, 1)), truth, np.zeros((50, 1)) + 0.1)
    assert perfect.help[0] == pytest.approx(1)
    assert misleading.help[0] < 0


def test_an_answer_holds_what_was_asked_and_travels() -> None:
    model, given = made(), cells()
    answer = ask(model, given, "G20", n_shuffled=5, steps=2)
    assert set(answer.paths["target"]) == {"G20"}
    assert (answer.paths["flow"].diff().dropna() <= 0).all()
    direct = set(model.knowledge.network.edges.query("target == 'G20'")["source"])
    assert set(answer.paths.query("steps == 1")["source"]) == direct
    assert answer.paths[["flow_p", "help_p"]].min().min() >= 1 / (5 * 65 + 1)
    passes = answer.edges[["encoder", "layer 1", "layer 2", "decoder"]]
    np.testing.assert_allclose(passes.sum(axis=1), 1)
    assert (answer.edges["confidence"] == "A").all()  # what the network says besides travels along
    root = ElementTree.fromstring(to_graphml(answer))
    assert len(root.findall(f".//{{{NAMESPACE}}}edge")) == len(answer.edges)
    assert to_tsv(answer.paths).decode().splitlines()[1].split("\t")[0] == answer.paths["path"][0]
    one = ask(model, given, "G20", regulator=min(direct), n_shuffled=0)
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
    everyone = key_regulators(model, given, n_shuffled=3, most_silenced=2)
    assert everyone["p"].between(0.25, 1).all()
    assert everyone["effect"].notna().sum() == 2


def test_what_cannot_be_asked_is_said() -> None:
    model, given = made(), cells()
    with pytest.raises(InputError, match="none of the 30 genes"):
        ask(model, given, "X", n_shuffled=0)
    with pytest.raises(InputError, match="no edge of 'tiny' leads to G0"):
        ask(model, given, "G0", n_shuffled=0)
    latent = made(strategy="latent")
    assert not tokens_are_genes(latent)
    with pytest.raises(InputError, match="not genes on a network"):
        ask(latent, given, "G20", n_shuffled=0)


def test_flow_of_one_path_is_that_of_the_search() -> None:
    flow, _ = toy_flow(seed=2)
    for path in paths_to(flow, 4, steps=3, most=20):
        assert path_flow(flow, path.genes, path.edges) == pytest.approx(path.flow)
