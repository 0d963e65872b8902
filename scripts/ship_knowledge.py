"""Rebuild what ships in assets/knowledge: ``python -m scripts.ship_knowledge FOLDER``.

The folder holds ``genesets/`` and ``networks/`` with the files named below, as they were downloaded.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from genediff.core.errors import InputError
from genediff.core.installation import SHIPPED_KNOWLEDGE
from genediff.knowledge.files import edges_text, gmt_text, read_text
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.library import ABOUT_FILE, FILES, REGULATORS_FILE, Kind, LibraryItem, write_item
from genediff.knowledge.read_network import read_network

_MSIGDB = "MSigDB v7.5.1 (Broad Institute, UC San Diego), https://www.gsea-msigdb.org"


@dataclass(frozen=True)
class Shipped:
    """One item: its id, file, title, source, licence."""

    id: str
    file: str
    title: str
    source: str
    licence: str

    def about(self, kind: Kind, n: int, n_genes: int, notes: tuple[str, ...]) -> LibraryItem:
        """Return what the library says of it."""
        return LibraryItem("", kind, self.title, n, n_genes, self.source, self.licence, notes)


GENE_SETS = (
    Shipped("hallmark", "msigdb_h.all.v7.5.1.symbols.gmt", "Hallmark", f"{_MSIGDB}; Liberzon et al. 2015", "CC BY 4.0"),
    Shipped("reactome", "msigdb_c2.cp.reactome.v7.5.1.symbols.gmt", "Reactome", f"Reactome, by {_MSIGDB}", "CC BY 4.0"),
    Shipped("go_bp", "enrichr_GO_Biological_Process_2023.gmt", "GO biological process",
            "Gene Ontology, biological process, 2023, as Enrichr's library; http://geneontology.org", "CC BY 4.0"),
)  # fmt: skip
NETWORKS = (
    Shipped("collectri", "omnipath_collectri.tsv", "CollecTRI",
            "CollecTRI by OmniPath; Müller-Dott et al. 2023, doi:10.1093/nar/gkad841", "GPL-3.0"),
    Shipped("trrust", "omnipath_trrust_part.tsv", "TRRUST",
            "TRRUST v2 pairs by OmniPath; Han et al. 2018, doi:10.1093/nar/gkx1013", "CC BY-SA 4.0"),
)  # fmt: skip


def ship(folder: Path, *, assets: Path = SHIPPED_KNOWLEDGE) -> None:
    """Write every shipped item from the downloaded files in ``folder``."""
    for item in GENE_SETS:
        gene_sets = read_gmt(folder / "genesets" / item.file, title=item.title)
        # Links and the word "enrichr" stand in place of descriptions there; every model would carry them.
        found = replace(gene_sets.gene_sets, descriptions={})
        about = item.about("gene_sets", len(found.sets), len(found.genes), gene_sets.notes)
        write_item(_cleared(assets / item.id), about, gmt_text(found))
    for item in NETWORKS:
        reading = read_network(folder / "networks" / item.file, title=item.title)
        edges = reading.network.edges
        about = item.about("network", len(edges), len(reading.network.genes), reading.notes)
        write_item(_cleared(assets / item.id), about, edges_text(edges))
    regulators = sorted(set(read_text(folder / "networks" / "human_TFs_grnndata.txt").split()))
    (assets / REGULATORS_FILE).write_text("\n".join(regulators) + "\n", encoding="utf-8")


def _cleared(folder: Path) -> Path:
    for name in (ABOUT_FILE, *FILES.values()):  # notes on licences stay
        (folder / name).unlink(missing_ok=True)
    return folder


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m scripts.ship_knowledge FOLDER")
    try:
        ship(Path(sys.argv[1]))
    except InputError as problem:
        raise SystemExit(str(problem)) from None
