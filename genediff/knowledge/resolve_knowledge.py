"""From ids that a user chose to the knowledge that a model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genediff.core.errors import InputError
from genediff.knowledge.knowledge import Knowledge
from genediff.knowledge.knowledge_spec import INFERRED, MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.knowledge.gene_sets import GeneSets
    from genediff.knowledge.library import Library
    from genediff.knowledge.network import Network


def resolve_knowledge(
    library: Library,
    *,
    gene_sets: str | None,
    network: str | None,
    genes: Sequence[str],
    x: Callable[[], Any],
    seed: int,
    shuffled: bool = False,
    progress: Callable[[float, str], None] | None = None,
) -> Knowledge:
    """Read or compute the chosen knowledge and restrict it to the genes of a model.

    Parameters
    ----------
    library
        What there is to choose from.
    gene_sets
        Id of a collection, or "nmf:<number>" for modules of the training cells; None: no gene sets.
    network
        Id of a network, "inferred:<number of edges>" for one from the training cells, or "<id>+inferred:<number>" for
        a network refined with the strongest edges of the training cells; None: no network.
    genes
        Of the model, in its order.
    x
        Gives log-normalised expression of the *training* cells, CSR (cell, gene); called only where it is needed.
    seed
        Decides what is computed from cells, and the shuffling.
    shuffled
        Give the control instead: sets and network with the same sizes and degrees, and no biology.
    progress
        Told (share done, what is being done).

    Raises
    ------
    InputError
        When an id is unknown, or nothing of what was chosen is about these genes.
    """
    task = _Task(library, genes, x, seed, progress)
    sets = None if gene_sets is None else task.sets(gene_sets)
    edges = None if network is None else task.network(network)
    if shuffled:
        sets = None if sets is None else sets.shuffled(genes, seed=seed)
        edges = None if edges is None else edges.shuffled(seed=seed)
    return Knowledge(sets, edges)


@dataclass(frozen=True, eq=False)
class _Task:
    library: Library
    genes: Sequence[str]
    x: Callable[[], Any]
    seed: int
    progress: Callable[[float, str], None] | None

    def sets(self, wanted: str) -> GeneSets:
        if found := MODULES.fullmatch(wanted):
            return self._modules(int(found[1]))
        if wanted.startswith("nmf"):
            raise InputError(f"{wanted!r} does not say how many modules; write nmf: and a number, such as nmf:30.")
        collection = self.library.gene_sets(wanted)
        kept = collection.within(self.genes)
        if not kept.sets:
            raise InputError(f"No set is left. {collection.coverage(self.genes).sentence} Choose another collection.")
        return kept

    def network(self, wanted: str) -> Network:
        if found := INFERRED.fullmatch(wanted):
            # The prior first: when its id is wrong, nobody waits for an inference.
            prior = self._known(found["prior"]) if found["prior"] else None
            return self._inferred(prior, int(found["edges"]))
        if "inferred" in wanted:
            raise InputError(f"{wanted!r} does not say how many edges; write inferred: and a number, as inferred:5000.")
        return self._known(wanted)

    def _known(self, wanted: str) -> Network:
        network = self.library.network(wanted)
        kept = network.within(self.genes)
        if kept.edges.empty:
            raise InputError(f"No edge is left. {network.coverage(self.genes).sentence} Choose another network.")
        return kept

    def _modules(self, n_modules: int) -> GeneSets:
        from genediff.knowledge.modules import find_modules

        return find_modules(
            self.x(), self.genes, n_modules, seed=self.seed, library=self.library, progress=self.progress
        ).gene_sets

    def _inferred(self, prior: Network | None, n_edges: int) -> Network:
        from genediff.knowledge.infer import infer_network
        from genediff.knowledge.refine import refine

        regulators = self.library.regulators()
        found = infer_network(
            self.x(), self.genes, n_edges, regulators=regulators, seed=self.seed, progress=self.progress
        )
        return found if prior is None else refine(prior, found)
