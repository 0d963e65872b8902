"""Real screens as users download them: cells of the folder of real data under the published names of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import pytest

from genediff.data import ImportConfig, import_cells
from genediff.ui.perturb.real_screens import SCREENS, RealScreen
from tests.conftest import SHARED_DATA

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.data import Dataset

FILES = {
    "kang_2018": "kang_ifnb_counts_2000cells_harmony.h5ad",
    "papalexi_2021": "papalexi_thp1_crisprko_299genes_counts_sceptre.h5ad",
}
ONLY_ON_DISK = "the cells of this story may not ship, and the folder of real data is not beside this checkout"


def import_screen(name: str, folder: Path, datasets: Path, *, umap: bool = False) -> Dataset:
    """Import a screen as its story says; skips where its cells are not here."""
    path = SHARED_DATA / "h5ad" / FILES[name]
    if not path.is_file():
        pytest.skip(ONLY_ON_DISK)
    cells = anndata.read_h5ad(path)
    if name == "kang_2018":
        cells.obs = cells.obs.rename(columns={"condition": "label", "cell_type_pred": "cell_type"})
    else:  # published by guide: STAT1g1
        guides = cells.obs["grna"].astype(str)
        cells.obs["perturbation"] = guides.where(cells.obs["perturbation"] != "control", "control")
    [screen] = [one for one in SCREENS if one.id == name]
    return import_as_told(cells, screen, folder, datasets, umap=umap)


def import_as_told(
    cells: anndata.AnnData, screen: RealScreen, folder: Path, datasets: Path, *, umap: bool = False
) -> Dataset:
    """Import cells from a file of the screen's name with the columns that its guide tells."""
    cells.write_h5ad(folder / screen.file)
    told = {"label": screen.label, "perturbation": screen.perturbation, "control": screen.control, "umap": umap}
    return import_cells(folder / screen.file, ImportConfig.parse(told), datasets)
