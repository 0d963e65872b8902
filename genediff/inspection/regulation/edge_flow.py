"""Watches a circuit at work and measures what each pass moves along every edge."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genediff.inspection.regulation.circuit import attention_of
from genediff.inspection.regulation.count_probe import ReadState
from genediff.models.count_denoiser import CountDenoiser
from genediff.nn.active_tokens import ActiveTokens, packs
from genediff.tokenizers.grn import GRN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from genediff.inspection.regulation.circuit import Circuit


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one layer did to some cells."""

    block: Any
    entered: Tensor  # into the attention, (cell, place, width)
    weights: Tensor  # of the attention, (cell, head, edge)
    mixed: Tensor  # out of the attention, before the gate
    left: Tensor  # out of the layer
    steering: Tensor  # (cell, width)


class _Spread:
    """Root of the mean squared deviation over cells of vectors that come in parts (cell, place, channel)."""

    def __init__(self) -> None:
        self.n, self.total, self.square = 0, torch.zeros(()), torch.zeros(())

    def add(self, values: Tensor) -> None:
        values = values.double()
        self.n += len(values)
        self.total = self.total + values.sum(0)
        self.square = self.square + values.square().sum((0, 2))

    def root(self) -> np.ndarray:
        mean = self.total / self.n  # (place, channel)
        return (self.square / self.n - mean.square().sum(1)).clamp(min=0).sqrt().cpu().numpy()


class Meter:
    """Sums up, over the cells that it sees, what is needed for the two measures of `flow_of`."""

    def __init__(self, circuit: Circuit) -> None:
        # Blocks of its own: hooks on a shared model would also record what another page measures at the same time.
        self.circuit = circuit = circuit.rewired(circuit.wiring)
        graph, tokenizer = circuit.denoiser.backbone.graph, circuit.denoiser.tokenizer
        assert graph is not None
        assert isinstance(tokenizer, GRN)
        self.tokenizer = tokenizer
        edges, n = torch.from_numpy(np.ascontiguousarray(circuit.wiring.edges)).to(graph.edges.device), graph.n_tokens
        codes = graph.edges[1] * n + graph.edges[0]  # sorted
        self.source = edges[0]
        self.edge = torch.searchsorted(codes, edges[1] * n + edges[0])  # place of each edge among those with loops
        self.loop = torch.searchsorted(codes, torch.arange(n, device=codes.device) * (n + 1))  # (place,)
        learned = circuit.wiring.encoder, circuit.wiring.decoder
        self.encoder, self.decoder = (torch.from_numpy(weight).to(graph.edges.device) for weight in learned)
        n_passes = len(circuit.passes)
        self.own = [_Spread() for _ in range(n_passes)]
        self.carried = [_Spread() for _ in range(n_passes)]
        self.weights: list[Any] = [0.0] * (n_passes - 2)
        self.n_cells = 0

    def see(self, state: Tensor, t: Tensor, codes: Tensor) -> None:
        """Pass states (cell, place + library) through the circuit."""
        if isinstance(self.circuit.denoiser, CountDenoiser):
            layers = self._see_read(self.circuit.denoiser, state, codes)
        else:
            n = self.circuit.n_places
            self._along(0, state[:, :n], self.encoder)
            moved, layers = self._watch(self.tokenizer.encode(state[:, :n]), state[:, n:], t, codes)
            self._along(-1, (moved * self.tokenizer.readout).sum(2), self.decoder)
        for number, layer in enumerate(layers):  # all layers again for each part of the cells that memory allows
            self._across(number % len(self.weights), layer)
        self.n_cells += len(state)

    def attention(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return own (pass, place) and carried (pass, edge) by attention weights, not yet shares."""
        ones, wiring = np.ones(self.circuit.n_places), self.circuit.wiring
        encoder, decoder = np.abs(wiring.encoder).astype(np.float64), np.abs(wiring.decoder).astype(np.float64)
        if isinstance(self.circuit.denoiser, CountDenoiser):
            gain = self.circuit.denoiser.gain.detach().abs().cpu().numpy()
            encoder, decoder = np.zeros_like(encoder), gain[wiring.edges[1]] * decoder + encoder
        own, carried = [ones], [encoder]
        for total in self.weights:
            mean = (total / self.n_cells).cpu().numpy()
            own.append(0.5 + 0.5 * mean[self.loop.cpu().numpy()])
            carried.append(0.5 * mean[self.edge.cpu().numpy()])
        return [*own, ones], [*carried, decoder]

    def variation(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return own (pass, place) and carried (pass, edge) by what differs between cells, not yet shares."""
        return [spread.root() for spread in self.own], [spread.root() for spread in self.carried]

    def _along(self, number: int, level: Tensor, weight: Tensor) -> None:
        """Measure a linear pass on levels (cell, place): what a gene has, and what its edges add to it."""
        self.own[number].add(level[..., None])
        self.carried[number].add((weight * torch.tanh(level)[:, self.source])[..., None])

    def _across(self, number: int, layer: _Seen) -> None:
        """Measure the attention of a layer: out = gate x W sum over heads and sources of weight x value."""
        attention = attention_of(layer.block)
        weights = layer.weights  # (cell, head, edge)
        self.weights[number] = self.weights[number] + weights.mean(1).double().sum(0)
        gate = layer.block.modulation(layer.steering).chunk(layer.block.n_parts, dim=1)[-1][:, None]
        value = attention.value(layer.entered)  # (cell, place, width)
        spread = weights.transpose(1, 2).repeat_interleave(value.shape[2] // attention.heads, dim=2)
        matrix = attention.out.weight.T
        self.carried[number + 1].add(gate * ((spread[:, self.edge] * value[:, self.source]) @ matrix))
        looped = gate * ((spread[:, self.loop] * value) @ matrix)
        # What passes by the attention, and what the token tells itself in it.
        self.own[number + 1].add(layer.left - gate * layer.mixed + looped)

    def _watch(self, tokens: Tensor, library: Tensor, t: Tensor, codes: Tensor) -> tuple[Tensor, list[_Seen]]:
        backbone = self.circuit.denoiser.backbone
        with _recorded(backbone) as layers:
            moved, _ = backbone(tokens, library, t, codes)
        return moved, [
            _Seen(
                one.block, one.entered, attention_of(one.block).weights(one.entered), one.mixed, one.left, one.steering
            )
            for one in layers
        ]

    def _see_read(self, denoiser: CountDenoiser, state: Tensor, codes: Tensor) -> list[_Seen]:
        """Watch the active tokens of partly read cells; what is not active has and passes on nothing.

        Linear edges lead where those of the decoder do: to the log share, of which the closed form is a gene's own.
        """
        cells = ReadState.of(state)
        assert denoiser.reader is not None
        active = denoiser.active(cells.read)
        tokens = denoiser.reader(cells.own) * active[..., None]
        self._along(0, cells.own[..., 0], torch.zeros_like(self.encoder))
        backbone, n = denoiser.backbone, self.circuit.n_places
        graph = backbone.graph
        assert graph is not None
        moved, seen = torch.empty_like(tokens), []
        for rows in packs(active):
            packed = ActiveTokens.of(graph, active[rows])
            with _recorded(backbone) as layers:
                moved[rows] = backbone.forward_packed(
                    packed, tokens[rows], cells.size[rows], cells.depth[rows], codes[rows]
                )
            for one in layers:
                weights = packed.weights(attention_of(one.block).weights(one.entered, packed.graph)[0], graph)
                entered, mixed, left = (packed.put(x, n) for x in (one.entered, one.mixed, one.left))
                seen.append(_Seen(one.block, entered, weights, mixed, left, one.steering))
        level = ((tokens + moved) * self.tokenizer.readout).sum(2)  # (cell, place)
        target = self.circuit.wiring.edges[1]
        decoded = denoiser.gain[target] * self.decoder * torch.tanh(level)[:, self.source]  # (cell, edge)
        linear = self.encoder * cells.surprise[:, self.source]
        self.own[-1].add((cells.start + denoiser.gain * level)[..., None])
        self.carried[-1].add((decoded + linear)[..., None])
        return seen


@dataclass(frozen=True, eq=False)
class _Recorded:
    """What one layer was given and gave, in tokens that may be packed."""

    block: Any
    entered: Tensor
    mixed: Tensor
    left: Tensor
    steering: Tensor


@contextmanager
def _recorded(backbone: Any) -> Iterator[list[_Recorded]]:
    """Record the layers of a backbone while it is called."""
    layers: list[_Recorded] = []
    attended: list[tuple[Tensor, Tensor]] = []

    def leave(block: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        layers.append(_Recorded(block, *attended.pop(), output, inputs[1]))

    def attend(_: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        attended.append((inputs[0], output))

    hooks = [block.register_forward_hook(leave) for block in backbone.stack.blocks]
    hooks += [attention_of(block).register_forward_hook(attend) for block in backbone.stack.blocks]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()
