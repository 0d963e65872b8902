"""How a knock-out runs through a network: from the gene along its edges, and past no gene that is itself set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genediff.knowledge.network import Network

HOPS = 3


class Spread:
    """A network over the model's genes, ready to carry changes.

    A knocked-out gene has the value that the knock-out gives it, whatever its regulators do, and its edges carry
    nothing else: what reaches it from another knocked-out gene goes no further. So two genes on one path do not add up.

    Parameters
    ----------
    network
        Edges; those of unknown sign count as activating.
    genes
        The model's genes. Ends that are none of them are kept as carriers, since a gene may act without being measured.
    """

    def __init__(self, network: Network, genes: Sequence[str]) -> None:
        edges = network.edges
        self.names = tuple(dict.fromkeys([*genes, *edges["source"], *edges["target"]]))
        self.places = {name: place for place, name in enumerate(self.names)}
        self.n_genes = len(genes)
        source = edges["source"].map(self.places).to_numpy()
        target = edges["target"].map(self.places).to_numpy()
        sign = np.where(edges["sign"].to_numpy() == 0, 1, edges["sign"].to_numpy())
        weight = edges["weight"].to_numpy(dtype=np.float64) / max(float(edges["weight"].mean()), 1e-12)
        size = (len(self.names), len(self.names))
        acts = sp.csr_matrix((sign * weight, (source, target)), shape=size)
        # A target of many regulators hears less of each.
        share = 1 / np.sqrt(np.maximum(np.bincount(target, minlength=len(self.names)), 1))
        self.acts = (acts @ sp.diags_array(share)).tocsr()  # (source, target)
        self._found: dict[tuple[tuple[str, ...], tuple[str, ...]], np.ndarray] = {}
        self.has_targets = np.bincount(source, minlength=len(self.names)) > 0

    def knows(self, name: str) -> bool:
        """Whether a gene acts on anything in this network."""
        return name in self.places and bool(self.has_targets[self.places[name]])

    def hops(self, names: Sequence[str], *, blocked: Sequence[str] = ()) -> np.ndarray:
        """Return what reaches every gene after one, two and three steps when some are knocked out, (hop, gene).

        Parameters
        ----------
        names
            The knocked-out genes; those outside the network reach nothing.
        blocked
            Genes whose outgoing edges are cut besides.
        """
        key = (tuple(names), tuple(blocked))
        if key not in self._found:
            self._found[key] = self._hops(names, blocked)
        return self._found[key]

    def _hops(self, names: Sequence[str], blocked: Sequence[str]) -> np.ndarray:
        inside = [self.places[name] for name in names if name in self.places]
        cut = [self.places[name] for name in blocked if name in self.places]
        found = np.zeros((HOPS, len(self.names)))
        state: np.ndarray = np.zeros(len(self.names))
        state[inside] = -1.0
        state[cut] = 0.0
        for hop in range(HOPS):
            state = np.asarray(self.acts.T @ state)
            state[inside] = 0.0  # they are set: nothing that reaches them changes them, or goes on from them
            found[hop] = state
            state = state.copy()
            state[cut] = 0.0
        return found[:, : self.n_genes]

    def route(self, names: Sequence[str], gene: str, *, most: int = HOPS) -> list[list[str]]:
        """Return the paths, of the fewest steps first, along which a knock-out of some genes reaches another."""
        wanted, blocked = self.places.get(gene), {self.places[name] for name in names if name in self.places}
        if wanted is None:
            return []
        paths: list[list[int]] = [[place] for place in sorted(blocked)]
        reached: list[list[int]] = []
        for _ in range(most):
            longer = []
            for path in paths:
                row = slice(self.acts.indptr[path[-1]], self.acts.indptr[path[-1] + 1])
                longer += [[*path, int(k)] for k in self.acts.indices[row] if k not in path and k not in blocked]
            reached += [path for path in longer if path[-1] == wanted]
            paths = [path for path in longer if path[-1] != wanted][:20_000]
        return [[self.names[place] for place in path] for path in reached]
