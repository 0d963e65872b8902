"""The network inside a model of gene tokens, taken out so that edges can be cut, rewired and measured."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from genediff.core.errors import InputError
from genediff.inspection.regulation.count_probe import expected_expression
from genediff.models.count_denoiser import CountDenoiser
from genediff.models.denoiser import GeneDenoiser
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.nn.sparse_attention import EdgeSelfAttention
from genediff.tokenizers.grn import GRN

if TYPE_CHECKING:
    from torch import Tensor

    from genediff.inspection.regulation.edge_probe import Probe
    from genediff.knowledge.network import Network
    from genediff.models.generative_model import GenerativeModel

PER_GENE = ("log_s", "gain", "mean", "std")
"""What denoisers hold for every gene, beside tokenizer and backbone."""


@dataclass(frozen=True, eq=False)
class Wiring:
    """Edges between places, with what the model learned of each.

    Attributes
    ----------
    edges
        (2, edge), source above target.
    signs
        What the network says: 1 activates, -1 represses, 0 unknown, (edge,).
    encoder, decoder
        Learned weights of the encoder (in count space: of the linear edges beside the tokens) and of the decoder,
        (edge,).
    """

    edges: np.ndarray
    signs: np.ndarray
    encoder: np.ndarray
    decoder: np.ndarray

    @property
    def n_edges(self) -> int:
        """The number of edges."""
        return self.edges.shape[1]

    def take(self, numbers: np.ndarray, edges: np.ndarray | None = None) -> Wiring:
        """Return some edges by number or mask, between other places where ``edges`` (2, edge) says so."""
        found = self.edges[:, numbers] if edges is None else edges
        return Wiring(found, self.signs[numbers], self.encoder[numbers], self.decoder[numbers])

    def without(self, numbers: np.ndarray) -> Wiring:
        """Return the edges that are left when some, by number, are cut."""
        kept = np.ones(self.n_edges, dtype=bool)
        kept[numbers] = False
        return self.take(kept)

    def moved(self, edges: np.ndarray) -> Wiring:
        """Return the same weights and signs on other edges (2, edge), one for one."""
        return replace(self, edges=edges)


@dataclass(frozen=True, eq=False)
class Circuit:
    """A model's denoiser on some of its genes, with any edges; a gene may have several places.

    A gene's prediction depends on the genes upstream of it and on nothing else (time, conditions and library size
    steer all genes alike), so a part of the network that holds all that is upstream of a gene predicts it exactly.

    Attributes
    ----------
    genes
        Which gene of the model stands in each place, (place,).
    wiring
        Edges between places.
    denoiser
        Predicts the clean expression of every place, or in count space what its molecules still to be read say of it.
    """

    genes: np.ndarray
    wiring: Wiring
    denoiser: GeneDenoiser | CountDenoiser

    @property
    def n_places(self) -> int:
        """How many places there are."""
        return len(self.genes)

    @property
    def passes(self) -> tuple[str, ...]:
        """Where expression travels along edges, in order: encoder, each layer of the backbone, decoder."""
        layers = (f"layer {number + 1}" for number in range(len(self.denoiser.backbone.stack.blocks)))
        return ("encoder", *layers, "decoder")

    def wired(self, wiring: Wiring, genes: np.ndarray) -> Circuit:
        """Put some genes of the model, one or several times each, into places (place,) and join them by edges.

        This circuit must hold every gene of the model in its own place, as that of ``circuit_of`` does.
        """
        chosen = np.asarray(genes)
        return Circuit(chosen, wiring, _rewired(self.denoiser, chosen, wiring))

    def rewired(self, wiring: Wiring) -> Circuit:
        """Return the same places with other edges between them."""
        return Circuit(self.genes, wiring, _rewired(self.denoiser, np.arange(self.n_places), wiring))

    def state(self, given: Probe) -> Tensor:
        """Return what the places of a probe's cells start from, (cell, place + library) and more in count space."""
        n = given.n_genes
        return torch.cat([given.state[:, torch.from_numpy(self.genes)], given.state[:, n:]], dim=1)

    @torch.no_grad()
    def predict(self, given: Probe) -> np.ndarray:
        """Return the clean expression that is predicted for a probe's cells, standardised, (cell, place)."""
        state = self.state(given)
        if isinstance(self.denoiser, CountDenoiser):
            return expected_expression(self.denoiser, state, given.codes).double().cpu().numpy()
        return self.denoiser(state, given.t, given.codes)[:, : self.n_places].double().cpu().numpy()


def tokens_are_genes(model: GenerativeModel) -> bool:
    """Say whether a model's tokens are genes on a network, and what it learned runs on their expression or counts."""
    return isinstance(model.tokenizer, GRN) and isinstance(model.denoiser, GeneDenoiser | CountDenoiser)


def network_of(model: GenerativeModel) -> Network:
    """Return the network that a model of gene tokens was built on.

    Raises
    ------
    InputError
        When the model's tokens are not genes on a network, or its flow runs on tokens.
    """
    if not isinstance(model.tokenizer, GRN):
        raise InputError(
            f"the tokens of {model.spec.title!r} are not genes on a network ({type(model.tokenizer).title}); "
            "train a model of GRN tokens"
        )
    if not tokens_are_genes(model):
        raise InputError(
            f"the flow of {model.spec.title!r} runs in {model.spec.run.model.space_name}, where its network "
            "cannot be followed from gene to gene; train GRN tokens in count or gene space"
        )
    network = model.knowledge.network
    assert network is not None  # the tokenizer was built on it
    return network


def circuit_of(model: GenerativeModel) -> Circuit:
    """Return the whole network of a model, edges in the order of ``network_of``; see there for errors."""
    edges = network_of(model).indices(model.genes)  # (2, edge)
    tokenizer, denoiser = model.tokenizer, model.denoiser
    assert isinstance(tokenizer, GRN)
    assert isinstance(denoiser, GeneDenoiser | CountDenoiser)
    back = np.argsort(_order(edges, len(model.genes)))  # graphs keep their edges sorted by target
    first = denoiser.linear if isinstance(denoiser, CountDenoiser) else tokenizer.heard
    assert first is not None
    encoder, decoder = (layer.weight.detach().cpu().numpy()[back] for layer in (first, tokenizer.said))
    wiring = Wiring(edges, tokenizer.signs.cpu().numpy(), encoder, decoder)
    return Circuit(np.arange(len(model.genes)), wiring, denoiser)


def place_of(model: GenerativeModel, gene: str) -> int:
    """Return where a gene stands in a model; InputError when it is none of its genes."""
    if gene not in model.genes:
        raise InputError(f"{gene} is none of the {len(model.genes):,} genes of {model.spec.title!r}; choose another")
    return model.genes.index(gene)


def attention_of(block: Any) -> EdgeSelfAttention:
    """Return the attention of a layer."""
    attention = block.attention
    assert isinstance(attention, EdgeSelfAttention)
    return attention


def _rewired(denoiser: GeneDenoiser | CountDenoiser, genes: np.ndarray, wiring: Wiring) -> Any:
    """Copy a denoiser to some genes and other edges; what is not tied to a gene or an edge is shared."""
    places, n = torch.from_numpy(genes), len(genes)
    copied = copy_of(denoiser)
    edges, signs = torch.from_numpy(np.ascontiguousarray(wiring.edges)), torch.from_numpy(wiring.signs)
    device = denoiser.backbone.place.device
    order = torch.from_numpy(_order(wiring.edges, n))
    plain = Graph(edges, n, signs=signs, loops=False).to(device)
    copied.tokenizer = _tokenizer(denoiser.tokenizer, places, plain, wiring, order)
    copied.backbone = _backbone(denoiser.backbone, places, Graph(edges, n, signs=signs).to(device))
    for held in (copied._parameters, copied._buffers):
        held.update({name: value.detach()[places] for name, value in held.items() if name in PER_GENE})
    if isinstance(denoiser, GeneDenoiser):
        copied.n_genes = n
    else:
        copied.linear = copied.tokenizer.heard  # with the weights of the wiring's encoder
    return copied.eval()


def copy_of(module: nn.Module) -> Any:
    """Copy a module but not the modules and weights in it; hooks of one do not fire in the other."""
    copied = copy.copy(module)
    for part in ("_modules", "_parameters", "_buffers"):
        copied.__dict__[part] = dict(module.__dict__[part])
    copied._forward_hooks = OrderedDict()
    return copied


def _tokenizer(old: Any, places: Tensor, graph: Graph, wiring: Wiring, order: Tensor) -> GRN:
    new = copy_of(old)
    for name in ("slope", "offset", "spread", "readout", "base"):
        setattr(new, name, nn.Parameter(getattr(old, name).detach()[places], requires_grad=False))
    for name, weight in (("heard", wiring.encoder), ("said", wiring.decoder)):
        layer = EdgeLinear(graph)
        layer.weight = nn.Parameter(torch.from_numpy(weight)[order].to(graph.edges.device), requires_grad=False)
        setattr(new, name, layer)
    return new


def _backbone(old: Any, places: Tensor, graph: Graph) -> Any:
    new = copy_of(old)
    new.place = nn.Parameter(old.place.detach()[places], requires_grad=False)
    new.graph, new.shape, new.n_places = graph, (len(places), old.shape[1]), len(places)
    new.stack = copy_of(old.stack)
    blocks = []
    for block in old.stack.blocks:
        changed = copy_of(block)
        changed.attention = copy_of(block.attention)
        changed.attention.graph = graph
        blocks.append(changed)
    new.stack.blocks = nn.ModuleList(blocks)
    return new


def _order(edges: np.ndarray, n: int) -> np.ndarray:
    return np.argsort(edges[1] * n + edges[0], kind="stable")
