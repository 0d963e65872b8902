"""Very many cells: those that `generate` draws, however the work was cut, written whole in AnnData's own layout."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genediff.core.errors import Cancelled, InputError
from genediff.core.installation import ASSETS
from genediff.generation import stream, write_h5ad
from genediff.generation.generated_parts import Cells, list_parts, missing, write_part
from genediff.generation.stream import Plan, blocks, draw, sample
from genediff.generation.write_h5ad import write_cells, write_dataset
from genediff.models.conditions import cells_at_once, draw_conditions
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from genediff.models.generative_model import GenerativeModel

N = 2_100
HOW = {"sampler": "euler", "n_steps": 1}
LABEL = "cell_type_derived"


@pytest.fixture(scope="module")
def model() -> GenerativeModel:
    return load_model(ASSETS / "models" / DEMO_MODEL, device="cpu")


def plan_of(model: GenerativeModel, n: int = N, conditions: dict[str, str] | None = None) -> Plan:
    return Plan.of(model, n, conditions or {}, model.sample_config(**HOW), 3)


def draw_all(plan: Plan, folder: Path, stop_after: int | None = None) -> None:
    """Draw, and stop in the middle of a batch after so many cells."""
    seen = 0

    def check() -> None:
        if stop_after is not None and seen >= stop_after:
            raise Cancelled

    def progress(done: int, rate: float | None) -> None:
        nonlocal seen
        seen = done

    draw(plan, folder, progress=progress, check=check)


def _plain(origin: dict[str, object]) -> dict[str, object]:
    return {key: dict(value) if key == "versions" else value for key, value in origin.items()}


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("conditions", [{}, {LABEL: "B"}], ids=["any", "one type"])
def test_the_file_holds_the_cells_that_generate_draws(model, tmp_path, monkeypatch, suffix, conditions):
    """Stopped twice, in whatever parts: the same cells in the same order, names and labels as `generate` gives."""
    monkeypatch.setattr(stream, "PART_BATCHES", 2)
    plan = plan_of(model, conditions=conditions)
    for stop_after in (300, 1200):
        with pytest.raises(Cancelled):
            draw_all(plan, tmp_path, stop_after)
    draw_all(plan, tmp_path)
    path = tmp_path / f"cells{suffix}"
    uns = {"genediff": model.provenance(plan.config, seed=3)}
    write_cells(path, blocks(plan, list_parts(tmp_path)), genes=model.genes, uns=uns)
    made = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
    whole = model.generate(
        N, conditions=draw_conditions(model.spec, conditions, n=N, seed=3), seed=3, batch_size=cells_at_once(N), **HOW
    )
    assert abs(made.X - whole.X).nnz == 0
    assert made.X.dtype == whole.X.dtype == np.float32
    pd.testing.assert_frame_equal(made.obs, whole.obs)
    assert list(made.var_names) == list(whole.var_names)
    assert _plain(made.uns["genediff"]) == _plain(whole.uns["genediff"])
    assert not list(tmp_path.glob("*.part"))


def test_a_part_that_was_torn_or_lost_is_drawn_again(model, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "PART_BATCHES", 2)
    plan = plan_of(model)
    draw_all(plan, tmp_path)
    before = {part.path.name: part.read() for part in list_parts(tmp_path)}
    names = sorted(before)
    (tmp_path / names[1]).unlink()  # a gap
    (tmp_path / "part-00000002-00000004.tmp").write_bytes(b"torn by a kill")
    assert missing(list_parts(tmp_path), plan.n_batches) == [2, 3]
    draw_all(plan, tmp_path)
    assert [part.path.name for part in list_parts(tmp_path)] == names
    for part in list_parts(tmp_path):
        assert abs(part.read().values - before[part.path.name].values).nnz == 0
    (tmp_path / names[0]).write_bytes(b"not a part")
    with pytest.raises(InputError, match="damaged"):
        list_parts(tmp_path)[0].read()


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 1, 65535], [3, 0, 0]]), np.array([[0, 70000, 1]]), np.array([[0.25, 0, 1e-7]]),
        np.array([[-1.5, 0, 2]]), np.zeros((2, 3)), np.zeros((1, 70_000)),
    ],
    ids=["counts", "large counts", "fractions", "negative", "empty cells", "many genes"],
)  # fmt: skip
def test_what_a_part_keeps_is_what_it_was_given(tmp_path, values):
    cells = Cells(sparse.csr_matrix(values.astype(np.float32)), np.arange(len(values), dtype=np.float32))
    found = write_part(tmp_path, 0, [cells, cells]).read()
    assert np.array_equal(found.values.toarray(), np.vstack([cells.values.toarray()] * 2))
    assert np.array_equal(found.library, np.tile(cells.library, 2))


def test_the_sample_is_even_and_the_same_each_time(model, tmp_path):
    plan = plan_of(model)
    draw_all(plan, tmp_path)
    parts = list_parts(tmp_path)
    one, two, all_of_them = (sample(plan, parts, size) for size in (400, 400, N))
    assert list(one.obs_names) == list(two.obs_names) and abs(one.X - two.X).nnz == 0
    assert one.n_obs == 400 and all_of_them.n_obs == N
    where = one.obs_names.str.removeprefix("generated_").astype(int)
    assert where.is_unique and abs(where.to_numpy().mean() - N / 2) < N / 10
    assert abs(one.X - all_of_them[one.obs_names].X).nnz == 0
    assert (one.obs[LABEL] == all_of_them[one.obs_names].obs[LABEL]).all()


def test_a_full_disk_is_one_sentence_and_keeps_what_is_drawn(model, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "FREE_BYTES", 1 << 62)
    monkeypatch.setattr(stream, "PART_BATCHES", 2)
    with pytest.raises(InputError, match=r"GB are free .* resume goes on"):
        draw_all(plan_of(model), tmp_path)
    assert list_parts(tmp_path)[-1].end == 2


def test_a_stopped_writing_leaves_no_file_and_the_older_one(tmp_path):
    obs = pd.DataFrame(index=["a"])
    block = (sparse.csr_matrix(np.ones((1, 2), dtype=np.float32)), obs)
    path = tmp_path / "cells.h5ad"
    write_cells(path, [block], genes=["x", "y"], uns={})
    before = path.read_bytes()

    def stop(done: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_cells(path, [block, block], genes=["x", "y"], uns={}, after_block=stop)
    assert [one.name for one in tmp_path.iterdir()] == ["cells.h5ad"]
    assert path.read_bytes() == before
    with pytest.raises(InputError, match=r"\.h5ad or \.zarr"):
        write_cells(tmp_path / "cells.csv", [block], genes=["x", "y"], uns={})


def test_memory_of_the_writing_does_not_grow_with_the_cells(tmp_path):
    """Python's own allocations, so that a busy machine changes nothing; a block that were kept would show at once."""

    def made(n_blocks: int):
        for number in range(n_blocks):
            names = [f"generated_{i}" for i in range(4000 * number, 4000 * (number + 1))]
            rows = np.random.default_rng(number).poisson(0.2, (4000, 200)).astype(np.float32)
            yield sparse.csr_matrix(rows), pd.DataFrame({"library": rows.sum(1)}, index=pd.Index(names, dtype=object))

    def peak(n_blocks: int) -> int:
        tracemalloc.start()
        write_cells(tmp_path / "cells.h5ad", made(n_blocks), genes=[f"g{i}" for i in range(200)], uns={})
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    few, many = peak(3), peak(15)
    assert many < 1.3 * few, (few, many)
    assert anndata.read_h5ad(tmp_path / "cells.h5ad").shape == (60_000, 200)


def test_a_data_set_is_written_in_blocks(own_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its export held all counts, and the file beside them, in memory."""
    monkeypatch.setattr(write_h5ad, "CELLS", 700)
    dataset = Workspace(own_workspace).open_dataset(DEMO_DATASET)
    write_dataset(tmp_path / "cells.h5ad", dataset)
    again = anndata.read_h5ad(tmp_path / "cells.h5ad")
    assert (again.X != dataset.counts()).nnz == 0 and tuple(again.var_names) == dataset.genes
    pd.testing.assert_frame_equal(again.obs, dataset.obs)
    np.testing.assert_array_equal(again.obsm["X_umap"], dataset.umap)
