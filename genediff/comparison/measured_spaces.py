"""How close to real cells a strategy's cells were in each space, for whoever has to choose one."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from genediff.comparison.comparison_results import read_results
from genediff.comparison.comparison_store import list_comparisons
from genediff.models.config import SPACE_NAMES

if TYPE_CHECKING:
    from collections.abc import Collection

    from genediff.workspace import Workspace

_AUC = ("c2st_pcs", "c2st_genes")


def measured_in_spaces(strategy: str, spaces: Collection[str], workspace: Workspace) -> str | None:
    """Return a sentence with what the shipped comparison measured of a strategy in these spaces; None if nothing."""
    for comparison in list_comparisons(workspace):
        if workspace.origin(comparison.folder) != "shipped":
            continue
        n_seeds = len(comparison.config.seeds)
        results, found = read_results(comparison, workspace).results, []
        for place, row in enumerate(comparison.rows):
            values = [one.values for one in results if one.place == place]
            is_plain = row.entry.strategy == strategy and not (row.entry.shuffled or row.entry.options)
            if is_plain and row.space in spaces and len(values) == n_seeds:
                auc = (f"{fmean(of[name] for of in values):.2f}" for name in _AUC)
                found.append(f"{SPACE_NAMES[row.space]} {' / '.join(auc)}")
        if found:
            return (
                f"In the shipped comparison, of {comparison.dataset_name} with {n_seeds} seeds, a classifier told "
                f"generated cells from real ones with an AUC (components / genes; 0.50: not at all) of: "
                f"{', '.join(found)}."
            )
    return None
