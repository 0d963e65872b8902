"""Cells of a user: a file or an AnnData, diagnosed and imported."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.data import ImportConfig, diagnose, import_cells, require_usable
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from anndata import AnnData

    from genediff.data import Dataset, Diagnosis


class Cells:
    """Imported cells, split into training, validation and test cells.

    Attributes
    ----------
    report
        What the file holds and what is wrong with it; None for cells that were imported earlier.
    dataset
        The data set as the rest of the library takes it.
    workspace
        Where it lies: a temporary folder that goes with this object, unless a workspace was given.
    """

    def __init__(
        self,
        dataset: Dataset,
        workspace: Workspace,
        report: Diagnosis | None = None,
    ) -> None:
        self.dataset, self.workspace, self.report = dataset, workspace, report

    def __repr__(self) -> str:
        info = self.dataset.info
        label = "no label" if info.label is None else f"label {info.label!r} ({', '.join(self.labels)})"
        return f"Cells({info.name!r}: {info.n_cells:,} cells × {info.n_genes:,} genes, {label})"

    def __len__(self) -> int:
        return self.dataset.info.n_cells

    @property
    def genes(self) -> tuple[str, ...]:
        """The genes that models are trained on, in order."""
        return self.dataset.genes

    @property
    def obs(self) -> pd.DataFrame:
        """Annotation of all cells, with the column ``split``."""
        return self.dataset.obs

    @property
    def labels(self) -> tuple[str, ...]:
        """The levels of the label, in order; () without one."""
        label = self.dataset.info.label
        return () if label is None else self.dataset.vocabulary(label)

    def to_anndata(self) -> AnnData:
        """Return the chosen genes of all cells: counts where there are some, else log-normalised values."""
        import pandas as pd
        from anndata import AnnData

        values = self.dataset.counts() if self.dataset.info.has_counts else self.dataset.x()
        return AnnData(values.copy(), obs=self.obs.copy(), var=pd.DataFrame(index=list(self.genes)))


def read_h5ad(
    source: str | Path | AnnData,
    *,
    label: str | None = None,
    conditions: Sequence[str] = (),
    batch: str | None = None,
    perturbation: str | None = None,
    control: str | None = None,
    name: str = "",
    n_genes: int = 2000,
    umap: bool = True,
    seed: int = 0,
    workspace: Workspace | str | Path | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Cells:
    """Diagnose and import cells.

    Parameters
    ----------
    source
        An AnnData with raw counts in X, a layer or raw, or a file: h5ad, zarr, 10x h5, csv, tsv.
    label, batch, perturbation, control
        Columns of obs: cell type, batch, what was done to a cell; and the level that means untreated. Where None, what
        the report proposes.
    conditions
        Further columns that models may be conditioned on.
    n_genes
        How many of the most variable genes are kept for models.
    umap
        Whether a UMAP is fitted, which `genediff.pl.umap` needs.
    seed
        Decides which cells are held out.
    workspace
        Where the data set is kept; a temporary folder where None.
    progress
        Called with the share done (0 to 1) and what is being done.

    Raises
    ------
    InputError
        When the cells cannot be used, or a column does not exist.
    """
    with contextlib.ExitStack() as temporary:
        scratch = temporary.enter_context(tempfile.TemporaryDirectory(prefix="genediff-"))
        place = Workspace(Path(scratch) / "workspace") if workspace is None else _workspace(workspace)
        path = _file(source, Path(scratch))
        report = diagnose(path)
        require_usable(report)
        given = {"label": label, "batch": batch, "perturbation": perturbation, "control": control}
        proposed = report.propose_config()
        columns = {what: getattr(proposed, what) if value is None else value for what, value in given.items()}
        if perturbation is not None and control is None and perturbation != proposed.perturbation:
            columns["control"] = None
        config = ImportConfig.parse(
            {
                **columns,
                "name": name or ("" if path.parent != Path(scratch) else "AnnData"),
                "conditions": tuple(conditions),
                "n_genes": n_genes,
                "umap": umap,
                "seed": seed,
            }
        )
        cells = Cells(import_cells(path, config, place.datasets, progress=progress), place, report)
        if path.parent == Path(scratch):
            path.unlink()
        if workspace is None:
            weakref.finalize(cells, temporary.pop_all().close)
        return cells


def open_dataset(dataset_id: str, *, workspace: Workspace | str | Path | None = None) -> Cells:
    """Open cells of a workspace by their id, such as the shipped "pbmc3k" and "simulated-screen".

    Parameters
    ----------
    workspace
        Where they were imported; the user's own (see `genediff.Workspace`) where None.
    """
    place = _workspace(workspace)
    return Cells(place.open_dataset(dataset_id), place)


def _workspace(given: Workspace | str | Path | None) -> Workspace:
    if given is None or isinstance(given, Workspace):
        return given or Workspace()
    return Workspace(Path(given))


def _file(source: str | Path | AnnData, scratch: Path) -> Path:
    """Return the file of the cells; an AnnData is written to one."""
    if isinstance(source, str | Path):
        return Path(source)
    if not hasattr(source, "write_h5ad"):
        raise InputError(f"Cells are read from a file or an AnnData, not from a {type(source).__name__}.")
    path = scratch / "cells.h5ad"
    source.write_h5ad(path)
    return path
