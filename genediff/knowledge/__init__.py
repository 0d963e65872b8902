"""What biology already knows: gene sets and networks, read, checked, restricted to the genes of a model, and stored.

Modules and networks that are found in cells, and downloads, are in files of their own (``modules``, ``infer``,
``download``) that are imported where they are used.
"""

from genediff.knowledge.add_file import Added, add_file
from genediff.knowledge.gene_sets import Coverage, GeneSets, make_gene_sets
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.knowledge import Knowledge
from genediff.knowledge.knowledge_spec import check_spec, stand_in
from genediff.knowledge.library import Library, LibraryItem
from genediff.knowledge.network import Network, NetworkCoverage, make_network
from genediff.knowledge.read_network import read_network
from genediff.knowledge.resolve_knowledge import resolve_knowledge

__all__ = [
    "Added",
    "Coverage",
    "GeneSets",
    "Knowledge",
    "Library",
    "LibraryItem",
    "Network",
    "NetworkCoverage",
    "add_file",
    "check_spec",
    "resolve_knowledge",
    "make_gene_sets",
    "make_network",
    "read_gmt",
    "read_network",
    "stand_in",
]
