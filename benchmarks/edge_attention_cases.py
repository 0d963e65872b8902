"""One case of attention along edges, in a process of its own, as ``tokenization_speed`` starts it.

Prints one line of JSON for ``python -m benchmarks.edge_attention_cases ours 5000 100000``.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from genediff.diffusion import PATHS
from genediff.knowledge import Knowledge, make_network
from genediff.models.config import ModelConfig
from genediff.models.denoiser import GeneDenoiser
from genediff.nn.edge_kernels import Kernels, ScatterKernels
from genediff.nn.edge_lists import Graph
from genediff.nn.sparse_attention import edge_attention
from genediff.tokenizers import Material, build_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS, HEADS, CHANNELS = 8, 8, 16
# A dense case computes one cell, and of its (target, source) matrix so many elements at most; the rest is scaled up.
# Smaller parts would lie in the caches and flatter it.
MOST_PAIRS = 25_000_000


def draw_edges(n_genes: int, n_edges: int) -> torch.Tensor:
    """Draw distinct edges from one gene in fifteen to all, (2, edge)."""
    rng = np.random.default_rng(0)
    regulators = rng.choice(n_genes, max(20, n_genes // 15), replace=False)
    codes = rng.choice(len(regulators) * n_genes, min(n_edges * 2, len(regulators) * n_genes), replace=False)
    source, target = regulators[codes // n_genes], codes % n_genes
    return torch.from_numpy(np.stack([source, target])[:, source != target][:, :n_edges])


def inputs(cells: int, *shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(cells, *shape, generator=generator).requires_grad_() for _ in range(3)]


def least(run: Callable[[], None], repeats: int) -> dict[str, float]:
    """Return the least seconds by the clock, and the least processor seconds of all threads."""
    run()
    clock, processor = [], []
    for _ in range(repeats):
        begun, used = time.perf_counter(), time.process_time()
        run()
        clock.append(time.perf_counter() - begun)
        processor.append(time.process_time() - used)
    return {"seconds": min(clock), "cpu": min(processor)}


def scaled(found: dict[str, float], factor: float) -> dict[str, float]:
    return {**{key: value * factor for key, value in found.items()}, "scaled": 1}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ours(n_genes: int, n_edges: int, kernels: Kernels | None = None, repeats: int = 5) -> dict[str, float]:
    small = Graph(draw_edges(100, 500), 100)
    edge_attention(*inputs(1, 100, HEADS, CHANNELS), small, kernels=kernels).sum().backward()  # compiles once
    graph = Graph(draw_edges(n_genes, n_edges), n_genes)
    before = peak()
    q, k, v = inputs(CELLS, n_genes, HEADS, CHANNELS)

    def run() -> None:
        q.grad = k.grad = v.grad = None
        edge_attention(q, k, v, graph, kernels=kernels).sum().backward()

    found = least(run, repeats)
    return {**found, "peak": peak() - before}


def public(n_genes: int, n_edges: int) -> dict[str, float]:
    return ours(n_genes, n_edges, ScatterKernels(), repeats=1)


def gather(n_genes: int, n_edges: int) -> dict[str, float]:
    """Attend with (edge, channel) tensors and plain autograd, on one cell."""
    source, target = Graph(draw_edges(n_genes, n_edges), n_genes).edges
    q, k, v = inputs(1, n_genes, HEADS, CHANNELS)

    def run() -> None:
        scores = (q[:, target] * k[:, source]).sum(3) / math.sqrt(CHANNELS)  # (cell, edge, head)
        place = target[None, :, None].expand_as(scores)
        highest = scores.new_zeros(1, n_genes, HEADS).scatter_reduce(1, place, scores.detach(), "amax")
        weights = (scores - highest[:, target]).exp()
        total = weights.new_zeros(1, n_genes, HEADS).index_add(1, target, weights)
        weights = weights / total[:, target]
        torch.zeros_like(v).index_add(1, target, weights[..., None] * v[:, source]).sum().backward()

    return scaled(least(run, 1), CELLS)


def dense(n_genes: int, n_edges: int) -> dict[str, float]:
    """Attend with all pairs masked: the softmax of a full matrix, on a part of its rows."""
    return _dense(n_genes, n_edges, fused=False)


def sdpa(n_genes: int, n_edges: int) -> dict[str, float]:
    return _dense(n_genes, n_edges, fused=True)


def _dense(n_genes: int, n_edges: int, *, fused: bool) -> dict[str, float]:
    source, target = draw_edges(n_genes, n_edges)
    rows = min(n_genes, MOST_PAIRS // n_genes)
    mask = torch.zeros(rows, n_genes, dtype=torch.bool)
    mask[target[target < rows], source[target < rows]] = True
    mask[torch.arange(rows), torch.arange(rows)] = True
    q, k, v = (part.detach().transpose(1, 2) for part in inputs(1, n_genes, HEADS, CHANNELS))
    q, k, v = (part.contiguous().requires_grad_() for part in (q[:, :, :rows], k, v))  # (cell, head, gene, channel)

    def run() -> None:
        if fused:
            out = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            scores = q @ k.transpose(2, 3) / math.sqrt(CHANNELS)  # (cell, head, target, source)
            out = scores.masked_fill(~mask, -math.inf).softmax(3) @ v
        out.sum().backward()

    return scaled(least(run, 1), CELLS * n_genes / rows)


def kept(n_genes: int, n_edges: int) -> dict[str, float]:
    graph = Graph(draw_edges(n_genes, n_edges), n_genes)
    q, k, v = inputs(1, n_genes, HEADS, CHANNELS)
    sizes: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        edge_attention(q, k, v, graph)
    return {"kept": sum(sizes) - 4 * q.numel()}


def train(n_genes: int, n_edges: int, width: int, depth: int, batch: int) -> dict[str, float]:
    genes = tuple(f"G{i}" for i in range(n_genes))
    source, target = draw_edges(n_genes, n_edges).numpy()
    named = np.array(genes, dtype=object)
    network = make_network("drawn", pd.DataFrame({"source": named[source], "target": named[target]}))
    material = Material(genes, Knowledge(None, network))
    torch.manual_seed(0)
    config = ModelConfig(tokenizer="grn", space="gene", predict="data", width=width, depth=depth, heads=width // 16)
    model = GeneDenoiser(
        build_tokenizer("grn", material, {}), config, [3], n_genes=n_genes, path=PATHS["rectified_flow"](), library=True
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    clean = torch.randn(batch, 1).expand(-1, n_genes + 1)  # genes that rise and fall together can be learned
    t, codes = torch.full((batch,), 0.3), torch.zeros(batch, 1, dtype=torch.long)
    noised = 0.3 * clean + 0.7 * torch.randn(batch, n_genes + 1)
    losses: list[float] = []

    def step() -> None:
        optimizer.zero_grad()
        loss = (model(noised, t, codes) - clean).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))

    found = least(step, 7)
    return {**found, "first": losses[0], "last": losses[-1], "peak": peak()}


CASES = {case.__name__: case for case in (ours, public, gather, dense, sdpa, kept, train)}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]](*map(int, sys.argv[2:]))))
