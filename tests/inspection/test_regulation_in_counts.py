"""Gene tokens in count space: what is cut, exchanged and measured on partly read cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from genediff.core.errors import InputError
from genediff.inspection.regulation.attention_flow import flow_of
from genediff.inspection.regulation.attention_paths import Path
from genediff.inspection.regulation.circuit import circuit_of
from genediff.inspection.regulation.count_probe import CountProbe, count_probe
from genediff.inspection.regulation.interventions import interventions
from genediff.inspection.regulation.knockout_effects import effects_of
from genediff.inspection.regulation.probed_cells import probe_generated
from genediff.inspection.regulation.query import find_paths
from genediff.inspection.regulation.regulators import part_of, regulators_of
from genediff.knowledge import Knowledge, Network
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.count_mixture import fit_count_mixture
from genediff.models.generative_model import GenerativeModel
from genediff.models.model_info import ModelSpec
from genediff.nn import active_tokens
from genediff.tokenizers.statistics import Statistics

N = 40
GENES = tuple(f"G{i}" for i in range(N))
SHARE = 0.5


def edges(*, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(8) for j in range(i + 1, N) if draw.random() < 0.3]
    frame = pd.DataFrame([(GENES[i], GENES[j]) for i, j in pairs], columns=["source", "target"])
    return frame.assign(weight=1.0, sign=draw.choice([-1, 0, 1], len(frame)), confidence="A")


def counts(n: int = 60, *, seed: int = 0) -> torch.Tensor:
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.poisson(draw.gamma(0.5, 2.0, (n, N))).astype(np.float32))


@pytest.fixture(scope="module")
def model() -> GenerativeModel:
    """A small model whose every weight was moved a little, so that nothing is hidden behind a zero."""
    config = ModelConfig.model_validate(
        {"tokenizer": "grn", "space": "counts", "width": 16, "depth": 2, "heads": 2, "network": "tiny"}
    )
    spec = ModelSpec(
        id="m", title="tiny", created="", dataset_id="d", dataset_name="d", run=RunConfig(dataset_id="d", model=config),
        genes=GENES, levels={}, combinations=(), has_counts=True, target_sum=100.0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = GenerativeModel(spec, Statistics.empty(N), knowledge=Knowledge(network=Network("tiny", edges())))
    training = counts(200, seed=9)
    model.denoiser.start = fit_count_mixture(csr_matrix(training.numpy()), np.zeros((200, 0), dtype=int), [])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.denoiser.log_profile.copy_((training.mean(0) / training.mean(0).sum()).log())
        for p in model.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def given(model) -> CountProbe:
    cells = counts()
    clean = model.standardise(model.log_normalise(cells, cells.sum(1)))
    return count_probe(
        model.denoiser, cells, clean, torch.zeros(60, 0, dtype=torch.long), np.zeros(60), t=SHARE, seed=0
    )


def read(given: CountProbe) -> torch.Tensor:
    return given.state[:, :-1, 3]


def test_a_share_of_the_molecules_is_read_anew_in_every_copy(given) -> None:
    draw = np.random.default_rng(0)
    copies = [read(one) for one in given.with_noise(draw, 40)]
    assert all((one <= given.counts).all() and (one == one.round()).all() for one in copies)
    share = torch.stack(copies).sum() / (40 * given.counts.sum())
    assert share == pytest.approx(SHARE, abs=0.02)
    assert not torch.equal(copies[0], copies[1])


@torch.no_grad()
def test_the_whole_circuit_expects_what_the_model_says_of_unread_molecules(model, given) -> None:
    """But for bringing the shares of a cell to a sum of one, which takes all genes."""
    library = given.counts.sum(1)
    start = model.denoiser.start_log_shares(read(given), library, given.codes)
    log_share = start + model.denoiser.correction(read(given), library, given.codes, start)
    level = (read(given) + (library - read(given).sum(1))[:, None] * log_share.exp()) / library[:, None]
    expected = model.standardise(torch.log1p(100.0 * level))
    np.testing.assert_allclose(circuit_of(model).predict(given), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_part_with_all_that_is_upstream_predicts_as_the_whole(model, given) -> None:
    circuit = circuit_of(model)
    whole = circuit.predict(given)
    for target in (21, 30):
        part, places = part_of(circuit, [target])
        assert len(places) < N
        here = np.flatnonzero(places == target)
        np.testing.assert_allclose(part.predict(given)[:, here], whole[:, [target]], rtol=1e-4, atol=1e-5)


def test_cutting_a_direct_path_is_taking_its_edge_away(model, given) -> None:
    circuit = circuit_of(model)
    edge = int(np.flatnonzero(circuit.wiring.edges[1] == 21)[0])
    path = Path((int(circuit.wiring.edges[0, edge]), 21), (edge,), 0.1, np.ones((1, 4)) / 4)
    effects = effects_of(circuit, given, [path])
    without = circuit.rewired(circuit.wiring.without(np.array([edge]))).predict(given)
    np.testing.assert_allclose(effects.change[:, 0], circuit.predict(given)[:, 21] - without[:, 21], atol=1e-5)
    assert effects.size[0] > 1e-3
    np.testing.assert_allclose(without[:, 30], circuit.predict(given)[:, 30], atol=1e-6)


def test_exchanging_a_gene_reaches_its_targets_alone(model, given) -> None:
    circuit = circuit_of(model)
    regulator = int(circuit.wiring.edges[0, 0])
    order = np.roll(np.arange(60), 1)
    moved = np.abs(circuit.predict(given) - circuit.predict(given.exchanged(regulator, order))).max(0)
    reached = {regulator}
    for _ in range(len(circuit.passes)):
        reached |= set(circuit.wiring.edges[1, np.isin(circuit.wiring.edges[0], list(reached))].tolist())
    assert {int(g) for g in np.flatnonzero(moved > 1e-6)} <= reached
    direct = circuit.wiring.edges[1, circuit.wiring.edges[0] == regulator]
    assert (moved[direct] > 1e-5).all()


@pytest.mark.parametrize("measure", ["variation", "attention"])
def test_shares_add_up_whatever_is_packed_together(model, given, measure, monkeypatch) -> None:
    circuit = circuit_of(model)
    flow = flow_of(circuit, given, measure=measure)
    for own, carried in zip(flow.own, flow.carried, strict=True):
        np.testing.assert_allclose(own + np.bincount(circuit.wiring.edges[1], carried, minlength=N), 1)
    assert (flow.carried[0] == 0).all() and (flow.carried[1:] > 0).all()  # a gene reads its own molecules alone
    monkeypatch.setattr(active_tokens, "MOST_PACKED", 3 * N)
    parts = flow_of(circuit, given, measure=measure)
    np.testing.assert_allclose(parts.carried, flow.carried, rtol=1e-5, atol=1e-7)


def test_attention_flow_is_the_mean_attention_of_active_tokens(model, given) -> None:
    """Against dense attention where every token is active; where none is, nothing is passed on."""
    full = count_probe(model.denoiser, given.counts + 2, given.clean, given.codes, given.groups, t=0.99, seed=0)
    assert (read(full) > 0).all()
    flow = flow_of(circuit_of(model), full, measure="attention")
    denoiser, cell = model.denoiser, full.state[:, -1]
    with torch.no_grad():
        tokens = denoiser.reader(full.state[:, :-1, :3])
    weights = denoiser.backbone.attention_weights(tokens, cell[:, :1], cell[:, 3], full.codes)[1].mean((0, 1))
    known = {(int(a), int(b)): float(w) for a, b, w in zip(*denoiser.backbone.graph.edges, weights, strict=True)}
    for number, (a, b) in enumerate(circuit_of(model).wiring.edges.T):
        assert flow.carried[2, number] == pytest.approx(0.5 * known[int(a), int(b)], rel=1e-3)


def test_all_questions_of_the_page_have_answers(model, given) -> None:
    answer = find_paths(model, given, "G21", n_shuffled=2)
    np.testing.assert_allclose(answer.edges[["encoder", "layer 1", "layer 2", "decoder"]].sum(axis=1), 1)
    assert answer.paths["p"].between(0, 1).all() and answer.t == SHARE
    assert set(answer.paths["source"]) <= set(regulators_of(model, given, "G21").query("effect > 0")["regulator"])
    found = interventions(model, given, given.clean.numpy(), given.groups, n_shuffled=1)
    assert list(found.ablations["part"][:3]) == ["all edges", "linear edges", "decoder edges"]
    assert found.regulators["p"].between(0, 1).all()
    with pytest.raises(InputError, match="all molecules are read"):
        probe_generated(model, model.generate(20, seed=0), t=1.0)
    assert probe_generated(model, model.generate(20, seed=0), t=0.5).n_cells == 20
