"""The network inside a model of gene tokens, and the same model with another network in its place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from genediff.denoiser import GeneDenoiser
from genediff.errors import InputError
from genediff.nn.edge_lists import Graph
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.sparse_attention import EdgeSelfAttention
from genediff.tokenizers.grn import GRN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from genediff.knowledge.network import Network
    from genediff.model import GeneDiff


@dataclass(frozen=True, eq=False)
class Wiring:
    """Edges between the genes of a model with what was learned of each.

    Attributes
    ----------
    edges
        Places of genes, (2, edge), source above target, in the order of the model's network.
    signs
        What the network says: 1 activates, -1 represses, 0 unknown, (edge,).
    heard, said
        Learned weights of encoder and decoder, (edge,), on tanh of standardised expression.
    """

    edges: np.ndarray
    signs: np.ndarray
    heard: np.ndarray
    said: np.ndarray

    @property
    def n_edges(self) -> int:
        """The number of edges."""
        return self.edges.shape[1]

    def without(self, cut: np.ndarray) -> Wiring:
        """Return the edges that are left when some, by number, are cut."""
        kept = np.ones(self.n_edges, dtype=bool)
        kept[cut] = False
        return Wiring(self.edges[:, kept], self.signs[kept], self.heard[kept], self.said[kept])

    def moved(self, edges: np.ndarray) -> Wiring:
        """Return the same weights and signs on other edges, one for one."""
        return Wiring(edges, self.signs, self.heard, self.said)


def tokens_are_genes(model: GeneDiff) -> bool:
    """Say whether a model's tokens are genes on a network, and its flow runs on their expression."""
    return isinstance(model.tokenizer, GRN) and isinstance(model.denoiser, GeneDenoiser)


def network_of(model: GeneDiff) -> Network:
    """Return the network that a model of gene tokens was built on.

    Raises
    ------
    InputError
        When the model's tokens are not genes on a network, or its flow does not run on expression.
    """
    if not isinstance(model.tokenizer, GRN):
        raise InputError(
            f"the tokens of {model.spec.title!r} are not genes on a network ({type(model.tokenizer).title}); "
            "train a model of GRN tokens"
        )
    if not isinstance(model.denoiser, GeneDenoiser):
        raise InputError(
            f"the flow of {model.spec.title!r} runs in latent space, where its network cannot be followed from gene to "
            "gene; train GRN tokens in gene space (the default)"
        )
    network = model.knowledge.network
    assert network is not None  # the tokenizer was built on it
    return network


def wiring_of(model: GeneDiff) -> Wiring:
    """Return the edges of a model with their learned weights; see ``network_of`` for errors."""
    edges = network_of(model).indices(model.genes)  # (2, edge)
    tokenizer = model.tokenizer
    assert isinstance(tokenizer, GRN)
    order = _order(edges, len(model.genes))  # edges sorted as in the graph
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    heard, said = (layer.weight.detach().cpu().numpy()[back] for layer in (tokenizer.heard, tokenizer.said))
    return Wiring(edges, tokenizer.signs.cpu().numpy(), heard, said)


def rewire(model: GeneDiff, wiring: Wiring) -> GeneDiff:
    """Return a copy of a model whose encoder, attention and decoder follow another network; all else is the same."""
    network_of(model)
    copied = copy.deepcopy(model)
    edges, signs = torch.from_numpy(wiring.edges), torch.from_numpy(wiring.signs)
    n = len(model.genes)
    order = torch.from_numpy(_order(wiring.edges, n))
    plain = Graph(edges, n, signs=signs, loops=False).to(model.device)
    looped = Graph(edges, n, signs=signs).to(model.device)
    tokenizer, backbone = copied.tokenizer, copied.denoiser.backbone
    assert isinstance(tokenizer, GRN)
    tokenizer.heard = _linear(plain, torch.from_numpy(wiring.heard)[order])
    tokenizer.said = _linear(plain, torch.from_numpy(wiring.said)[order])
    backbone.graph = looped
    for attention in attentions(copied):
        attention.graph = looped
    return copied.eval()


def attentions(model: GeneDiff) -> Iterator[EdgeSelfAttention]:
    """Return the attention of each layer."""
    for block in model.denoiser.backbone.stack.blocks:
        assert isinstance(block.attention, EdgeSelfAttention)
        yield block.attention


def _linear(graph: Graph, weight: Tensor) -> EdgeLinear:
    layer = EdgeLinear(graph)
    layer.weight = torch.nn.Parameter(weight.to(graph.edges.device, torch.float32), requires_grad=False)
    return layer


def _order(edges: np.ndarray, n: int) -> np.ndarray:
    return np.argsort(edges[1] * n + edges[0], kind="stable")
