"""The flow on tokens: it starts where moved cells are, goes on after a stop as if there was none, and has to help."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from genediff.core.checkpoint import read_tensors, write_folder
from genediff.core.errors import Cancelled, InputError
from genediff.data.importing.perturbation_names import Perturbation
from genediff.knowledge import GeneSets, Knowledge
from genediff.knowledge.network import make_network
from genediff.models.generative_model import GenerativeModel
from genediff.models.load_model import load_model
from genediff.models.model_info import ModelSpec
from genediff.models.response_config import ResponseConfig
from genediff.perturbation import ALL_CELLS
from genediff.perturbation.model import response_flow as flows
from genediff.perturbation.model.network_diffusion import Spread
from genediff.perturbation.model.response_store import load_response
from genediff.perturbation.model.train_response import train_response
from genediff.tokenizers import TOKENIZERS
from genediff.training.presets import preset_run
from genediff.training.train import train_model
from genediff.training.training_cells import TrainingCells

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.models.response_info import ResponseInfo


@pytest.fixture(scope="module")
def base(screen, tmp_path_factory) -> Path:
    """A token model of the screen that has hardly learned anything."""
    run = preset_run("quick", screen.dataset.info, title="tokens")
    run = run.model_copy(update={"train": run.train.model_copy(update={"tokenizer_steps": 20, "steps": 1})})
    folder = tmp_path_factory.mktemp("base")
    for _ in train_model(run, screen.dataset, folder=folder, model_id="tokens"):
        pass
    (folder / "models").mkdir()
    return (folder / "model").rename(folder / "models" / "tokens")


def untrained(screen, folder: Path, strategy: str, space: str) -> Path:
    """Write a token model as a strategy begins: what its quick preset makes, only smaller."""
    run = preset_run("quick", screen.dataset.info, strategy=strategy, conditions=())
    known = dict.fromkeys(TOKENIZERS[strategy].needs, "planted")
    size = {"width": 16, "depth": 1, "heads": 2, "space": space, "predict": "data" if space == "gene" else "velocity"}
    run = run.model_copy(update={"model": run.model.model_copy(update={**size, **known})})
    cells = TrainingCells.of(screen.dataset, ())
    spec = ModelSpec(
        id=strategy, title=strategy, created="2026-01-01T00:00:00+00:00", dataset_id=screen.dataset.info.id,
        dataset_name="screen", run=run, genes=screen.dataset.genes, levels={}, combinations=(), has_counts=True,
        target_sum=cells.target_sum,
    )  # fmt: skip
    sets = {f"set {n}": screen.dataset.genes[n::3] for n in range(3)}
    knowledge = Knowledge(GeneSets("thirds", sets), screen.network.within(screen.dataset.genes))
    made = GenerativeModel(spec, cells.statistics(), knowledge=knowledge)
    texts = {"model.json": spec.model_dump_json(), "knowledge.json": knowledge.to_json()}
    write_folder(folder / strategy, dict(made.state_dict()), texts, name="model")
    return folder / strategy


def train(screen, base: Path, folder: Path, **how) -> ResponseInfo:
    config = ResponseConfig(
        dataset_id=screen.dataset.info.id,
        task={"scheme": "doubles", "share": 0.1},
        base_id=base.name,
        flow_steps=6,
        members=2,
    )
    return train_response(
        config, screen.dataset, folder=folder, model_id="m", library=screen.workspace.library(), base=base, **how
    )


def test_a_stopped_training_goes_on_to_the_same_model(screen, base, tmp_path, monkeypatch):
    monkeypatch.setattr(flows, "CHECKPOINT_EVERY", 2)
    whole = train(screen, base, tmp_path / "whole")
    steps: list[float] = []

    def note(stage: str, done: float, _: str) -> None:
        steps.extend([done] if stage == "flow" else [])

    with pytest.raises(Cancelled):
        train(screen, base, tmp_path / "broken", progress=note, stop=lambda: len(steps) >= 3)
    assert not (tmp_path / "broken" / "model").exists()
    train(screen, base, tmp_path / "broken", progress=note)
    assert len(steps) == 3 + 4, "it goes on from the checkpoint after two steps"
    weights = [read_tensors(tmp_path / name / "model" / "response.safetensors") for name in ("whole", "broken")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

    model = load_response(tmp_path / "whole" / "model", screen.dataset, models=base.parent)
    assert model.flow.gain == (whole.flow["e_distance_moved"], whole.flow["e_distance_flow"])
    group = model.task.part("test")[0]
    rows = model.task.control_rows("test")
    delta = model.delta(group.perturbation, ALL_CELLS)
    for helps in (True, False):  # cells are the flow's where it helped on the validation part, and moved ones elsewhere
        model.flow.gain = (1.0, 0.5) if helps else (0.5, 1.0)
        found = model.predict(group.perturbation, rows, context=ALL_CELLS, seed=1).counts
        carried = model.flow.cells(rows, delta, group.perturbation, seed=1)[1]
        assert np.array_equal(found, carried) is helps
    moved = model.flow.cells(rows, delta, group.perturbation, seed=1)[0].mean(0) - model.task.mean(rows)
    goal = np.maximum(delta, -model.task.mean(rows))
    assert np.corrcoef(moved, goal)[0, 1] > 0.97, "the flow's cells keep the predicted mean"


def test_an_untrained_flow_leaves_cells_where_they_are(screen, base):
    size = 6
    axes = np.random.default_rng(0).normal(size=(size, len(screen.dataset.genes)))
    base_model = flows._base(base, screen.dataset, "cpu")
    flow = flows.TokenFlow(base_model, base.name, axes, np.ones(2 * size), screen.dataset, np.zeros(axes.shape[1]))
    state = flow.encode(screen.dataset.counts()[:5].toarray())
    assert not flow.velocity(state, torch.full((5,), 0.5), torch.randn(5, 2 * size)).any()


def test_a_model_of_other_genes_is_refused(screen, base, model):
    from genediff.workspace import DEMO_MODEL

    other = screen.workspace.model_folder(DEMO_MODEL)
    with pytest.raises(InputError, match="cannot carry a flow here"):
        flows.train_flow(model, other, ResponseConfig(dataset_id="x"), folder=base.parent / "none")


BOTH = [(name, space) for name, one in TOKENIZERS.items() for space in one.spaces if space != "counts"]


@pytest.mark.parametrize(("strategy", "space"), BOTH, ids=["-".join(pair) for pair in BOTH])
def test_a_model_of_any_strategy_carries_a_flow(screen, model, tmp_path, strategy, space):
    few = copy.copy(model)
    few.task = replace(model.task, groups=model.task.part("train")[:3] + model.task.part("validation")[:1])
    base = untrained(screen, tmp_path, strategy, space)
    config = ResponseConfig(dataset_id=screen.dataset.info.id, base_id=strategy, flow_steps=2)
    flow = flows.train_flow(few, base, config, folder=tmp_path / "run")
    assert flow.base.in_latent_space is (space == "latent")
    assert flow.has_edges is ("network" in TOKENIZERS[strategy].needs)
    assert min(flow.gain) > -1 and np.isfinite(flow.gain).all()
    assert all(p.any() for p in flow.network.lower.parameters()), "it has learned something"
    again = flows.read_flow(flow.describe(), flow.tensors(), screen.dataset, tmp_path, device="cpu")
    rows, done = model.task.control_rows("test")[:20], Perturbation.of_genes("REG1", "REG2")
    delta = np.zeros(len(screen.dataset.genes))
    x, counts = flow.cells(rows, delta, done, seed=1)
    assert np.isfinite(x).all() and counts.min() >= 0 and counts.any(1).all()
    np.testing.assert_array_equal(x, flow.cells(rows, delta, done, seed=1)[0])
    state, said = flow.start(counts, done), torch.from_numpy(flow.describe_change(delta, flow.control)).float()
    moves = [one.velocity(state, torch.full((20,), 0.3), said.expand(20, -1), one.cut(done)) for one in (flow, again)]
    torch.testing.assert_close(*moves)
    assert moves[0].any()


def flow_of(screen, base: GenerativeModel) -> flows.TokenFlow:
    size = 4
    axes = np.random.default_rng(0).normal(size=(size, len(screen.dataset.genes)))
    return flows.TokenFlow(base, "m", axes, np.ones(2 * size), screen.dataset, np.zeros(axes.shape[1]))


def stir(module: torch.nn.Module) -> None:
    """Move every weight, in an order of names: what starts at zero would hide what it leads to."""
    generator = torch.Generator().manual_seed(0)
    for _, one in sorted(module.named_parameters()):
        one.data += 0.3 * torch.randn(one.shape, generator=generator)


@pytest.mark.parametrize("space", ["gene", "latent"])
def test_a_knock_out_is_a_model_of_the_network_without_its_edges(screen, tmp_path, space):
    """The oracle: the folder of the same model with these edges taken out of its network file, and of its weights."""
    whole = load_model(untrained(screen, tmp_path, "grn", space), device="cpu")
    stir(whole)
    network = whole.knowledge.network
    regulators = network.edges["source"].value_counts().index[:2].tolist()
    stays = ~network.edges["source"].isin(regulators)
    assert 0 < stays.sum() < len(stays)
    left = replace(network, edges=network.edges[stays].reset_index(drop=True))
    cut = GenerativeModel(whole.spec, knowledge=Knowledge(network=left)).eval()
    weights = whole.state_dict()
    for name in ("heard", "said"):
        graph = getattr(whole.tokenizer, name).graph
        out = torch.isin(graph.edges[0], torch.tensor([whole.genes.index(gene) for gene in regulators]))
        key = next(key for key in weights if key.endswith(f"{name}.weight"))
        weights[key] = weights[key][~out]
    cut.load_state_dict(weights)

    flow, oracle = flow_of(screen, whole), flow_of(screen, cut)
    stir(flow.network)
    oracle.network.load_state_dict(flow.network.state_dict())
    done = Perturbation.of_genes(*regulators)
    assert flow.cut(done) == oracle.cut(done) == tuple(sorted(whole.genes.index(gene) for gene in regulators))
    counts = screen.dataset.counts()[:6].toarray()
    knocked = counts.copy()
    knocked[:, list(flow.cut(done))] = 0
    state = flow.start(counts, done)
    torch.testing.assert_close(state, oracle.encode(knocked), rtol=0, atol=1e-6)
    t, given = torch.full((6,), 0.4), torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(flow.velocity(state, t, given, flow.cut(done)), oracle.velocity(state, t, given))
    told = given[0].numpy()
    np.testing.assert_array_equal(flow._carried(counts, told, done, 3), oracle._carried(counts, told, done, 3))
    # The question can be answered with no, and the model itself is as it was.
    assert (flow.velocity(state, t, given) - oracle.velocity(state, t, given)).abs().max() > 1e-3
    if space == "latent":
        assert (flow.encode(knocked) - oracle.encode(knocked)).abs().max() > 1e-3
    assert flow.cut(Perturbation.of_genes(*regulators, mode="activation")) == ()


def test_the_closed_form_cuts_the_same_edges(screen, tmp_path):
    """What a knock-out sends beside itself: nothing, as in a network file without the edges of a gene between."""
    path = tmp_path / "network.csv"
    edges = pd.DataFrame({"source": ["A", "B", "A", "C"], "target": ["B", "C", "D", "D"], "sign": [1, -1, 1, 1]})
    genes = tuple("ABCD")
    whole = Spread(make_network("whole", edges), genes)
    edges[edges["source"] != "B"].to_csv(path, index=False)
    cut = Spread(make_network("cut", pd.read_csv(path)), genes)
    np.testing.assert_allclose(whole.hops(["A"], blocked=["B"]), cut.hops(["A"]))
    assert not np.allclose(whole.hops(["A"]), cut.hops(["A"]))
