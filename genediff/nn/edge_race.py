"""Which kernels a device runs attention along edges fastest with, found by running all of them once.

What wins depends on the GPU, its driver and the torch that is installed, so it is measured where it is used. Kernels
that fail there, or that differ from the plainest ones, do not take part.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from genediff.nn.edge_kernels import candidates
from genediff.nn.edge_lists import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from genediff.nn.edge_kernels import Kernels

N_TOKENS, N_EDGES, CELLS, HEADS, CHANNELS = 2000, 10_000, 8, 4, 16
"""The course: a network of the size of a small data set's."""
LAPS = 3


@dataclass(frozen=True)
class Result:
    """How long kernels took for forward and backward of the course."""

    kernels: Kernels
    seconds: float


@functools.cache
def winner(device: torch.device) -> Kernels:
    """Return the fastest kernels on a device; the race is run once per process."""
    return race(device, candidates())[0].kernels


def race(device: torch.device, runners: Sequence[Kernels]) -> list[Result]:
    """Return what was right, the fastest first; the first of the runners is what the others are held against."""
    from genediff.nn.sparse_attention import edge_attention

    graph = _course().to(device)
    generator = torch.Generator().manual_seed(0)
    shape = (CELLS, N_TOKENS, HEADS, CHANNELS)
    q, k, v = parts = [torch.randn(shape, generator=generator).to(device).requires_grad_() for _ in range(3)]

    def lap(kernels: Kernels) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            out = edge_attention(q, k, v, graph, kernels=kernels)
            found = (out.detach(), *torch.autograd.grad(out.square().sum(), parts))
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return found

    truth = lap(runners[0])
    results = []
    for kernels in runners:
        try:
            right = all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(lap(kernels), truth, strict=True))
        except (RuntimeError, NotImplementedError, TypeError):
            continue
        if right:
            results.append(Result(kernels, min(_time(lap, kernels) for _ in range(LAPS))))
    return sorted(results, key=lambda result: result.seconds)


def _time(lap: object, kernels: Kernels) -> float:
    begun = time.perf_counter()
    lap(kernels)  # type: ignore[operator]
    return time.perf_counter() - begun


def _course() -> Graph:
    """Draw a network: few regulators, many targets, as in biology."""
    generator = torch.Generator().manual_seed(0)
    regulators = torch.randperm(N_TOKENS, generator=generator)[: N_TOKENS // 15]
    codes = torch.randperm(len(regulators) * N_TOKENS, generator=generator)[:N_EDGES]
    edges = torch.stack([regulators[codes // N_TOKENS], codes % N_TOKENS])
    return Graph(edges[:, edges[0] != edges[1]], N_TOKENS)
