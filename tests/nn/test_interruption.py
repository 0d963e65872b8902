"""A pass through a network can be left at any layer, and is not changed by being watched."""

from __future__ import annotations

import pytest
import torch

from genediff.core.errors import Cancelled
from genediff.core.interruption import checked


def network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.SiLU(inplace=True), torch.nn.Linear(8, 8))
    return torch.nn.Sequential(torch.nn.LayerNorm(8), inner, torch.nn.Linear(8, 1))


def gradients(net: torch.nn.Module) -> list[torch.Tensor]:
    net.zero_grad()
    net(torch.linspace(-1, 1, 32).view(4, 8)).square().mean().backward()
    return [p.grad.clone() for p in net.parameters()]


def test_watching_changes_neither_values_nor_gradients() -> None:
    net = network()
    plain = gradients(net)
    asked = []
    with checked(net, lambda: asked.append(1)):
        watched = gradients(net)
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))
    assert len(asked) == 10  # five layers, forwards and backwards
    gradients(net)
    assert len(asked) == 10, "the hooks outlive their time"


@pytest.mark.parametrize("at", range(1, 11))
def test_it_is_left_at_any_layer_of_both_passes(at) -> None:
    net = network()
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) == at:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"), checked(net, check):
        gradients(net)
    assert len(asked) == at
    gradients(net)  # whole again
