"""Drawing in bfloat16 and with a compiled network: the cells of the plain way, within what the numbers allow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.models import generative_model as model_module
from genediff.models.load_model import load_model
from genediff.models.speed import network
from genediff.workspace import DEMO_MODEL

if TYPE_CHECKING:
    from genediff.models.generative_model import GenerativeModel

HOW = {"n_steps": 2, "sampler": "heun", "seed": 3, "batch_size": 32, "guidance": 2.0}


@pytest.fixture(scope="module")
def model() -> GenerativeModel:
    return load_model(ASSETS / "models" / DEMO_MODEL, device="cpu")


def _states(model: GenerativeModel, **speed: object) -> np.ndarray:
    seen: list[np.ndarray] = []
    model.generate(32, watch=lambda state: seen.append(state.numpy()), **HOW, **speed)
    return seen[-1]


def test_bfloat16_moves_cells_by_its_rounding_and_no_more(model):
    whole, half, other = _states(model), _states(model, precision="bf16"), _states(model, precision="auto")
    np.testing.assert_array_equal(whole, other)  # auto is 32 bits
    off = np.abs(half - whole).mean() / np.abs(whole).mean()
    assert 0 < off < 0.02, off
    assert half.dtype == np.float32
    made = model.generate(4, precision="bf16", n_steps=1).uns["genediff"]
    assert (made["precision"], made["compiled"]) == ("bf16", False)


def test_a_compiled_network_draws_the_same_cells(model, monkeypatch):
    """Two whole batches go compiled and the rest uncompiled; guidance doubles what the network sees."""
    sizes: list[int] = []

    def backend(graph, inputs):  # runs the traced graph as it is: what is compiled to is the compiler's own matter
        def run(*values):
            sizes.extend(value.shape[0] for value in values[:1])
            return graph.forward(*values)

        return run

    monkeypatch.setattr(model_module, "network", functools.partial(network, backend=backend))
    plain = model.generate(70, **HOW)
    fast = model.generate(70, compiled=True, **HOW)
    assert abs(plain.X - fast.X).nnz == 0
    assert fast.uns["genediff"]["compiled"]
    assert sizes


def test_what_cannot_be_done_is_one_sentence(model, monkeypatch):
    with pytest.raises(InputError, match="choose auto, bf16 or fp32"):
        model.generate(2, precision="half")

    def broken(graph, inputs):
        raise RuntimeError("no working C++ compiler")

    monkeypatch.setattr(model_module, "network", functools.partial(network, backend=broken))
    model._networks.clear()
    with pytest.raises(InputError, match=r"could not be compiled .* switch compiling off"):
        model.generate(2, compiled=True, n_steps=1)
