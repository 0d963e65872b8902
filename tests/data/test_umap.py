"""The UMAP: fitted on training cells, rebuilt from numbers, placing others where they belong."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genediff.core.errors import Cancelled, InputError
from genediff.data import Dataset, import_cells
from genediff.data.cells.store import open_store, open_umap
from genediff.data.cells.umap_space import UmapSpace, fit_umap, rebuild
from genediff.data.importing.umap_drawing import draw_umap
from genediff.workspace import DEMO_DATASET, Workspace
from tests.slowdown import slowdown

from .conftest import quick_config, small_cells

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_held_out_cells_land_with_their_class(with_umap: Dataset) -> None:
    codes, umap = with_umap.codes("cell_type"), with_umap.umap
    train = with_umap.rows("train")
    centres = np.array([np.median(umap[train][codes[train] == code], axis=0) for code in range(3)])
    for part in ("validation", "test"):
        rows = with_umap.rows(part)
        nearest = np.linalg.norm(umap[rows][:, None] - centres, axis=2).argmin(axis=1)
        assert (nearest == codes[rows]).mean() > 0.95


def test_the_rebuilt_model_places_held_out_cells_where_the_import_did(with_umap: Dataset) -> None:
    rows = with_umap.rows("test")
    again = with_umap.transform_umap(with_umap.pcs[np.setdiff1d(np.arange(400), with_umap.rows("train"))])
    held_out = np.setdiff1d(np.arange(400), with_umap.rows("train"))
    np.testing.assert_allclose(again, with_umap.umap[held_out], atol=1e-4)
    assert with_umap.transform_umap(with_umap.pcs[rows]).shape == (len(rows), 2)


def test_training_cells_land_near_themselves(with_umap: Dataset) -> None:
    """Nudged a little, so that umap-learn does not simply return what it was fitted on."""
    train = with_umap.rows("train")
    placed = with_umap.transform_umap(with_umap.pcs[train] + 1e-3)
    away = np.linalg.norm(placed - with_umap.umap[train], axis=1)
    width = np.ptp(with_umap.umap, axis=0).max()
    assert np.median(away) < 0.1 * width
    np.testing.assert_allclose(with_umap.transform_umap(with_umap.pcs[train]), with_umap.umap[train])


def test_held_out_cells_do_not_lie_on_the_rims() -> None:
    """They once did: umap-learn's transform pushes what it places out of islands that do not give way.

    On a rim the nearest fitted cells lie on one side: their mean is as far away as they are. Generated cells were
    placed so too, and looked wrong where they were right.
    """
    from sklearn.neighbors import NearestNeighbors

    cells = Workspace().open_dataset(DEMO_DATASET)
    train, held_out = cells.umap[cells.rows("train")], cells.umap[cells.rows("test")]

    def one_sided(points: np.ndarray, n: int) -> float:
        away, rows = NearestNeighbors(n_neighbors=16).fit(train).kneighbors(points)
        mean = (train[rows[:, n:]] - points[:, None]).mean(axis=1)  # (cell, 2); n passes over the cell itself
        return float(np.median(np.linalg.norm(mean, axis=1) / away[:, n:].mean(axis=1)))

    assert one_sided(held_out, 0) < 1.25 * one_sided(train, 1)
    np.testing.assert_allclose(cells.transform_umap(cells.pcs[cells.rows("test")]), held_out, atol=1e-3)


def test_neighbours_are_those_that_umap_learn_would_find_by_comparing_all_pairs(with_umap: Dataset) -> None:
    """Which it does itself for few cells; for many it has pynndescent, half a minute of compiling, in its place."""
    from umap import UMAP

    pcs = with_umap.pcs[with_umap.rows("train")]
    start = with_umap.umap[with_umap.rows("train")]
    ours = rebuild(UmapSpace(np.arange(len(pcs)), start, 15, 0), pcs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = UMAP(n_neighbors=15, random_state=0, n_epochs=0, init=start, n_jobs=1).fit(pcs)
    np.testing.assert_allclose(ours.graph_.toarray(), theirs.graph_.toarray(), atol=1e-4)
    rows, away = ours._knn_search_index.query(pcs, 15)
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(pcs)))
    exact = np.sort(np.linalg.norm(pcs[:, None] - pcs, axis=2), axis=1)[:, :15]
    np.testing.assert_allclose(away, exact, atol=1e-4)


def test_no_cells_are_no_points(with_umap: Dataset) -> None:
    assert with_umap.transform_umap(np.zeros((0, 10), dtype=np.float32)).shape == (0, 2)


def test_nothing_in_the_store_is_pickled(with_umap: Dataset) -> None:
    import h5py

    kinds = set()

    def look(_: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            kinds.add(node.dtype.kind)
            assert node.dtype.kind in "iufb" or h5py.check_string_dtype(node.dtype)

    for opened in (open_store, open_umap):
        with opened(with_umap.info.folder) as store:
            store.visititems(look)
    assert kinds
    assert {path.name for path in with_umap.info.folder.iterdir()} == {"cells.h5", "umap.h5", "dataset.json"}


def test_without_a_umap_it_is_said(imported: Dataset) -> None:
    assert not imported.info.has_umap
    with pytest.raises(InputError, match="no UMAP yet; draw it with: python -m genediff map "):
        _ = imported.umap


def test_very_few_cells_fall_back_to_components(workspace: Workspace, written: Callable[..., Path]) -> None:
    dataset = import_cells(written(small_cells(24)), quick_config(umap=True, min_cells_per_gene=1), workspace.datasets)
    np.testing.assert_array_equal(dataset.umap, dataset.pcs[:, :2])
    np.testing.assert_array_equal(dataset.transform_umap(dataset.pcs), dataset.umap)
    assert any("too few" in note for note in dataset.info.notes)


def test_listing_and_importing_the_package_stay_light() -> None:
    code = (
        "import sys; from genediff.workspace import Workspace; from genediff.data import ImportConfig, diagnose;"
        "Workspace().list_datasets();"
        "heavy = {'torch', 'scanpy', 'umap', 'numba', 'sklearn', 'streamlit'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_cancelling_does_not_wait_for_the_layout(
    workspace: Workspace, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout cannot be interrupted: a cancelled import must return while it still runs. The cells stay."""
    release, message = threading.Event(), [""]

    def slow(pcs: np.ndarray, *, seed: int) -> None:
        release.wait(60)

    monkeypatch.setattr("genediff.data.cells.umap_space.fit_umap", slow)
    begun: list[float] = []

    def cancelled() -> bool:
        if message[0] == "Drawing the map (UMAP)" and not begun:
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() - begun[0] > 0.3

    def progress(_: float, text: str) -> None:
        message[0] = text

    with pytest.raises(Cancelled, match="it can be drawn later"):
        import_cells(
            written(small_cells()), quick_config(umap=True), workspace.datasets, progress=progress, cancelled=cancelled
        )
    assert time.monotonic() - begun[0] < 5 * slowdown()
    release.set()
    (info,) = [one for one in workspace.list_datasets() if not one.shipped]
    assert not info.has_umap and {path.name for path in info.folder.iterdir()} == {"cells.h5", "dataset.json"}


def test_cells_can_be_used_before_their_map_is_there(workspace: Workspace, written: Callable[..., Path]) -> None:
    """And the map is the same whether it is drawn at once or later, beside a reader and a new name."""
    ready: list[Dataset] = []

    def use(dataset: Dataset) -> None:
        assert not dataset.info.has_umap and dataset.counts("train").shape[0] == len(dataset.rows("train"))
        workspace.rename_dataset(dataset.info.id, "renamed")
        ready.append(workspace.open_dataset(dataset.info.id))

    path = written(small_cells(24))
    at_once = import_cells(path, quick_config(umap=True, min_cells_per_gene=1), workspace.datasets, ready=use)
    assert at_once.info.has_umap and at_once.info.name == "renamed" and len(ready) == 1
    later = import_cells(path, quick_config(umap=False, min_cells_per_gene=1), workspace.datasets)
    with pytest.raises(InputError, match="no UMAP yet"):
        _ = later.umap
    drawn = draw_umap(later)
    np.testing.assert_array_equal(drawn.umap, at_once.umap)
    assert drawn.info.notes == at_once.info.notes and later.counts().nnz == drawn.counts().nnz
    assert draw_umap(drawn) is drawn


def test_two_processes_that_draw_one_map_do_not_disturb_each_other(
    workspace: Workspace, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wrote one partial file: one took the other's away, and ended in an error. Now both stop before they land."""
    path, config = written(small_cells(24)), quick_config(umap=False, min_cells_per_gene=1)
    dataset = import_cells(path, config, workspace.datasets)
    both = multiprocessing.get_context("fork").Barrier(2, timeout=60)
    replace = os.replace

    def together(source: Path, target: Path) -> None:
        both.wait()
        replace(source, target)

    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                monkeypatch.setattr("genediff.core.disk_errors.os.replace", together)
                draw_umap(dataset)
                os._exit(0)
            except BaseException:  # noqa: BLE001  the parent says that it failed
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    drawn = workspace.open_dataset(dataset.info.id)
    np.testing.assert_array_equal(drawn.umap, drawn.pcs[:, :2])
    assert {one.name for one in dataset.info.folder.iterdir()} == {"cells.h5", "dataset.json", "umap.h5"}
    assert sum("too few" in note for note in drawn.info.notes) == 1


def test_an_import_that_is_done_again_draws_the_map_that_is_missing(
    workspace: Workspace, written: Callable[..., Path]
) -> None:
    """As a resumed worker does that was killed while it drew."""
    path, config = written(small_cells(24)), quick_config(umap=True, min_cells_per_gene=1)

    class Killed(Exception):
        pass

    def killed(_: Dataset) -> None:
        raise Killed

    with pytest.raises(Killed):
        import_cells(path, config, workspace.datasets, ready=killed)
    (info,) = [one for one in workspace.list_datasets() if not one.shipped]
    assert not info.has_umap
    again = import_cells(path, config, workspace.datasets)
    assert again.info.id == info.id and again.info.has_umap


def test_a_data_set_that_was_deleted_meanwhile_gets_no_map(workspace: Workspace, written: Callable[..., Path]) -> None:
    def deleted(dataset: Dataset) -> None:
        assert dataset.obs is not None
        workspace.delete_dataset(dataset.info.id)

    with pytest.raises(InputError, match="was deleted while its map was drawn"):
        import_cells(
            written(small_cells(24)), quick_config(umap=True, min_cells_per_gene=1), workspace.datasets, ready=deleted
        )
    assert [one for one in workspace.list_datasets() if not one.shipped] == []


def test_a_map_inside_the_store_is_read_as_well(with_umap: Dataset, tmp_path: Path) -> None:
    """So it lies where it was imported before maps were drawn last, and in the data sets that ship."""
    folder = tmp_path / "old"
    shutil.copytree(with_umap.info.folder, folder)
    with open_umap(folder) as new, open_store(folder, "a") as store:
        group = store.create_group("umap")
        for name in new:
            group[name] = new[name][:]
        group.attrs.update(new.attrs)
    (folder / "umap.h5").unlink()
    old = Dataset.open(folder)
    np.testing.assert_array_equal(old.umap, with_umap.umap)
    rows = with_umap.rows("test")
    np.testing.assert_array_equal(old.transform_umap(old.pcs[rows]), with_umap.transform_umap(old.pcs[rows]))


def test_scores_of_another_data_set_are_refused(with_umap: Dataset) -> None:
    with pytest.raises(InputError, match="10 components"):
        with_umap.transform_umap(np.zeros((3, 50), dtype=np.float32))


def test_what_numba_compiles_of_umap_is_kept_for_the_next_process():
    """Every process compiled it anew: six seconds of each import, and of each server's first placing."""
    import umap

    fit_umap(np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32), seed=0)
    for compiled in (umap.umap_.smooth_knn_dist, umap.umap_.compute_membership_strengths, umap.utils.submatrix):
        assert compiled.stats.cache_path, compiled
