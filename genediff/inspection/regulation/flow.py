"""How much of every gene's token comes from each of its regulators, pass by pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from genediff.inspection.regulation.wiring import attentions, network_of, wiring_of

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.inspection.regulation.probe import Probe
    from genediff.model import GeneDiff

Measure = Literal["attention", "variation"]

# Cells pass in groups of about this many (edge, channel) numbers.
_MOST_NUMBERS = 2**23


@dataclass(frozen=True, eq=False)
class Flow:
    """For each pass, which share of a gene's token was its own and which came along each edge.

    Own share and incoming edges of a gene add up to 1 in every pass, so that a product over passes is a share again.

    Attributes
    ----------
    edges
        Places of genes, (2, edge), source above target.
    passes
        Names of the passes in order: encoder, each layer, decoder.
    own
        (pass, gene).
    carried
        (pass, edge).
    """

    edges: np.ndarray
    passes: tuple[str, ...]
    own: np.ndarray
    carried: np.ndarray

    @property
    def n_genes(self) -> int:
        """The number of genes."""
        return self.own.shape[1]

    def turned(self) -> Flow:
        """Return the flow backwards in time: sources and targets, first and last pass change places."""
        return Flow(self.edges[::-1], self.passes[::-1], self.own[::-1], self.carried[::-1])

    def step(self, number: int, reached: np.ndarray) -> np.ndarray:
        """Follow one pass backwards: from what rests on targets (…, gene) to what rests on sources (…, gene)."""
        back = reached * self.own[number]
        np.add.at(back, (..., self.edges[0]), reached[..., self.edges[1]] * self.carried[number])
        return back

    def rollout(self, targets: np.ndarray) -> np.ndarray:
        """Return how much of each target after the last pass was each source before the first, (target, gene).

        The product of the passes' matrices: attention rollout, Abnar and Zuidema 2020, doi:10.18653/v1/2020.acl-main.385.
        """
        reached = np.zeros((len(targets), self.n_genes))
        reached[np.arange(len(targets)), targets] = 1.0
        for number in reversed(range(len(self.passes))):
            reached = self.step(number, reached)
        return reached


def flow_of(model: GeneDiff, given: Probe, *, measure: Measure = "variation") -> Flow:
    """Measure the flow of a model of gene tokens over the cells of a probe.

    Two measures. ``"attention"`` is that of Abnar and Zuidema (2020): weights averaged over heads and cells, and half of
    every token passed by the residual stream; encoder and decoder edges count by the size of their learned weight
    against 1, what a gene gives itself. ``"variation"`` asks what in fact arrives: how much what an edge adds to its
    target's token differs from cell to cell, against how much the token itself does (after Kobayashi et al. 2020,
    doi:10.18653/v1/2020.emnlp-main.574, on deviations from the mean over cells, since what is the same in all cells
    tells nothing of the regulator). It takes the residual stream, gates, heads and values as they are.

    Raises
    ------
    InputError
        When the model has no gene tokens in gene space.
    """
    network_of(model)
    wiring = wiring_of(model)
    n, depth = len(model.genes), model.spec.run.model.depth
    meter = _Meter(model, wiring.edges, measure)
    size = max(1, _MOST_NUMBERS // ((wiring.n_edges + n) * model.spec.run.model.width))
    with torch.no_grad():
        for start in range(0, given.n_cells, size):
            part = slice(start, start + size)
            meter.see(given.state[part], given.t[part], given.codes[part])
    own, carried = meter.shares()
    passes = ("encoder", *(f"layer {number + 1}" for number in range(depth)), "decoder")
    return Flow(wiring.edges, passes, own, carried)


class _Spread:
    """Mean squared deviation over cells of vectors that come in parts (cell, place, channel)."""

    def __init__(self) -> None:
        self.n, self.total, self.square = 0, torch.zeros(()), torch.zeros(())

    def add(self, values: Tensor) -> None:
        values = values.double()
        self.n += len(values)
        self.total = self.total + values.sum(0)
        self.square = self.square + values.square().sum((0, 2))

    def root(self) -> np.ndarray:
        mean = self.total / self.n
        return (self.square / self.n - mean.square().sum(-1)).clamp(min=0).sqrt().cpu().numpy()


class _Meter:
    """Watches a model at work and measures what each pass moves."""

    def __init__(self, model: GeneDiff, edges: np.ndarray, measure: Measure) -> None:
        self.model, self.measure = model, measure
        self.edges = torch.from_numpy(edges).to(model.device)
        graph = model.denoiser.backbone.graph
        assert graph is not None
        n = graph.n_tokens
        known = torch.from_numpy(edges[1] * n + edges[0]).to(graph.edges.device)
        codes = graph.edges[1] * n + graph.edges[0]
        self.place = torch.searchsorted(codes, known)  # (edge,) of the network in the graph with its loops
        self.loop = torch.searchsorted(codes, torch.arange(n, device=codes.device) * (n + 1))  # (gene,)
        n_passes = model.spec.run.model.depth + 2
        self.own = [_Spread() for _ in range(n_passes)]
        self.carried = [_Spread() for _ in range(n_passes)]
        self.weights = [0.0] * (n_passes - 2)
        self.n_cells = 0

    def see(self, state: Tensor, t: Tensor, codes: Tensor) -> None:
        """Pass some cells through the model."""
        tokenizer = self.model.tokenizer
        n, (source, _) = len(self.model.genes), self.edges
        wiring = wiring_of(self.model)
        heard, said = (torch.from_numpy(w).to(state) for w in (wiring.heard, wiring.said))
        x = state[:, :n]
        self.own[0].add(x[..., None])
        self.carried[0].add((heard * torch.tanh(x)[:, source])[..., None])
        tokens, seen = self._watched(tokenizer.encode(x), state[:, n:], t, codes)
        for number, (block, hidden, out, steering, entered) in enumerate(seen):
            self._layer(number, block, hidden, out, steering, entered)
        level = (tokens * tokenizer.readout).sum(2)  # (cell, gene)
        self.own[-1].add(level[..., None])
        self.carried[-1].add((said * torch.tanh(level)[:, source])[..., None])
        self.n_cells += len(state)

    def _watched(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> tuple[Tensor, list]:
        """Return the tokens after the backbone, and for each block what went in and out of its attention."""
        seen: list = []

        def watch(block, inputs, output):  # type: ignore[no-untyped-def]
            seen.append((block, output, inputs[1]))

        inner: list = []

        def watch_attention(_, inputs, output):  # type: ignore[no-untyped-def]
            inner.append((inputs[0], output))

        backbone = self.model.denoiser.backbone
        hooks = [block.register_forward_hook(watch) for block in backbone.stack.blocks]
        hooks += [attention.register_forward_hook(watch_attention) for attention in attentions(self.model)]
        try:
            moved, _ = backbone(tokens, library, t, codes)
        finally:
            for hook in hooks:
                hook.remove()
        return moved, [
            (block, entered, output, steering, mixed)
            for (block, output, steering), (entered, mixed) in zip(seen, inner, strict=True)
        ]

    def _layer(self, number: int, block, entered: Tensor, output: Tensor, steering: Tensor, mixed: Tensor) -> None:
        attention = block.attention
        weights = attention.weights(entered)  # (cell, head, edge)
        self.weights[number] = self.weights[number] + weights.mean(1).double().sum(0)
        if self.measure == "attention":
            return
        gate = block.modulation(steering).chunk(6, dim=1)[5][:, None]  # (cell, 1, width)
        value = attention.value(entered)  # (cell, gene, width)
        spread = weights.transpose(1, 2).repeat_interleave(value.shape[2] // attention.heads, dim=2)
        given = spread[:, self.place] * value[:, self.edges[0]]  # (cell, edge, width)
        self.carried[number + 1].add(gate * (given @ attention.out.weight.T))
        loop = gate * ((spread[:, self.loop] * value) @ attention.out.weight.T)
        self.own[number + 1].add(output - gate * mixed + loop)

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Return own shares (pass, gene) and carried shares (pass, edge)."""
        own, carried = [], []
        target = self.edges[1].cpu().numpy()
        last = len(self.own) - 1
        wiring = wiring_of(self.model)
        for number in range(last + 1):
            inner = 0 < number < last
            if self.measure == "attention" and inner:
                mean = (self.weights[number - 1] / self.n_cells).cpu().numpy()
                mine = 0.5 + 0.5 * mean[self.loop.cpu().numpy()]
                given = 0.5 * mean[self.place.cpu().numpy()]
            elif self.measure == "attention":
                mine = np.ones(len(self.model.genes))
                given = np.abs(wiring.said if number else wiring.heard).astype(np.float64)
            else:
                mine, given = self.own[number].root(), self.carried[number].root()
            total = mine + np.bincount(target, given, minlength=len(mine))
            total = np.where(total > 0, total, 1.0)
            own.append(np.where(total > 0, mine / total, 1.0))
            carried.append(given / total[target])
        return np.stack(own), np.stack(carried)
