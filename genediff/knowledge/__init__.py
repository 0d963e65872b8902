"""What biology already knows: gene sets and networks, read, checked, restricted to the genes of a model, and stored."""

from genediff.knowledge.gather import gather
from genediff.knowledge.gene_sets import Coverage, GeneSets, make_gene_sets
from genediff.knowledge.knowledge import Knowledge
from genediff.knowledge.library import Library, LibraryItem
from genediff.knowledge.network import Network, NetworkCoverage, make_network
from genediff.knowledge.wanted import check_wanted, stand_in

__all__ = [
    "Coverage",
    "GeneSets",
    "Knowledge",
    "Library",
    "LibraryItem",
    "Network",
    "NetworkCoverage",
    "check_wanted",
    "gather",
    "make_gene_sets",
    "make_network",
    "stand_in",
]
