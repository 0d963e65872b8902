"""The doctor's report on a file, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from genediff.data import diagnose
from genediff.ui.kit import explain, tables

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Diagnosis
    from genediff.data.importing.read_table import Rows

_ICONS = {
    "error": ":red[:material/error:] **Stops the import.**",
    "warning": ":orange[:material/warning:] **Limits what can be done.**",
    "info": ":blue[:material/info:]",
}


def examine(path: Path, rows: Rows | None = None) -> Diagnosis:
    """Return the doctor's findings, kept for as long as the file does not change; ``rows`` says what a table's are.

    Raises
    ------
    InputError
        When the file cannot be read at all.
    """
    facts = path.stat()
    return _examine(path, rows, facts.st_mtime_ns, facts.st_size)


@st.cache_data(max_entries=8, show_spinner="Looking through the file …")
def _examine(path: Path, rows: Rows | None, changed: int, size: int) -> Diagnosis:
    return diagnose(path, rows=rows)


def show(found: Diagnosis) -> None:
    """Write the report: what the file holds, how one can tell, and what is wrong with it."""
    cells, genes, counts, species, size = st.columns(5)
    cells.metric("Cells", f"{found.n_cells:,}")
    genes.metric("Genes", f"{found.n_genes:,}")
    counts.metric("Raw counts", f"in {found.counts}" if found.counts else "none")
    species.metric("Species", found.species)
    size.metric("Memory to import", f"{found.memory_needed_bytes / 1e9:.1f} GB")
    sample = "" if found.checked_all else " (judged by a sample; the import looks at every value)"
    ids = "gene symbols" if found.gene_ids == "symbol" else "Ensembl ids"
    source = f", with symbols from the column `{found.symbol_column}`" if found.symbol_column else ""
    mito = f"{found.n_mitochondrial} are mitochondrial"
    st.markdown(f"{explain.plain(found.why)}{sample} Genes are named by {ids}{source}; {mito}.")
    for problem in sorted(found.problems, key=lambda one: list(_ICONS).index(one.severity)):
        st.markdown(f"{_ICONS[problem.severity]} {explain.plain(problem.text)}")
    if not found.problems:
        st.markdown(":green[:material/check:] Nothing is wrong with this file.")
    if found.columns:
        with st.expander(f"What the file says of each cell: {len(found.columns)} columns"):
            tables.show(_columns_table(found), "columns", height="content")


def _columns_table(found: Diagnosis) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "column": [column.name for column in found.columns],
            "kind": [column.kind for column in found.columns],
            "different values": [column.n_levels for column in found.columns],
            "missing": [column.n_missing for column in found.columns],
            "commonest": [", ".join(f"{name} ({n:,})" for name, n in column.levels[:5]) for column in found.columns],
        }
    )
