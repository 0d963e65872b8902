"""Training from disk: the same cells as in memory, every cell once per epoch, well mixed, and exact after a break."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genediff.data import Dataset
from genediff.training.batches import Shuffle, dense
from genediff.training.blocks import BlockShuffle, Windows
from genediff.training.disk import DiskCells
from genediff.training.train import Training
from genediff.training.training_cells import TrainingCells

GENE_SPACE = {"space": "gene", "predict": "data"}
SIZES = [(1000, 32, 16, 8), (1000, 7, 64, 3), (130, 130, 64, 256), (65, 10, 64, 1), (40, 8, 64, 4)]


def order_of(shuffle: BlockShuffle | Shuffle, epoch: int) -> np.ndarray:
    steps = shuffle.n // shuffle.batch_size
    return torch.cat([shuffle.rows(epoch * steps + step) for step in range(steps)]).numpy()


@pytest.mark.parametrize(("n", "batch", "block", "window"), SIZES)
def test_every_cell_is_seen_once_in_an_epoch(n: int, batch: int, block: int, window: int) -> None:
    shuffle = BlockShuffle(n, batch, seed=1, block=block, window=window)
    for epoch in range(3):
        seen = order_of(shuffle, epoch)
        assert len(seen) == n // shuffle.batch_size * shuffle.batch_size
        assert len(np.unique(seen)) == len(seen) and seen.min() >= 0 and seen.max() < n
    # With batches that fill an epoch there is no rest: then it is exactly all of them.
    whole = order_of(BlockShuffle(n, 1, seed=1, block=block, window=window), 0)
    np.testing.assert_array_equal(np.sort(whole), np.arange(n))


def test_a_step_is_a_function_of_the_seed_and_its_number() -> None:
    forward = BlockShuffle(500, 16, seed=4, block=8, window=10)
    batches = [forward.rows(step) for step in range(90)]
    for step in (70, 3, 89, 31, 30):
        torch.testing.assert_close(BlockShuffle(500, 16, seed=4, block=8, window=10).rows(step), batches[step])
        torch.testing.assert_close(forward.rows(step), batches[step])
    assert not torch.equal(BlockShuffle(500, 16, seed=5, block=8, window=10).rows(0), batches[0])
    assert not torch.equal(batches[0], batches[31])  # another epoch, another order


def test_batches_of_a_sorted_file_are_balanced() -> None:
    """Ten types one after the other: shares within batches vary hardly more than in a full shuffle."""
    n, batch = 40_000, 128
    types = np.repeat(np.arange(10), n // 10)

    def spread(shuffle: BlockShuffle | Shuffle) -> float:
        shares = [np.bincount(types[shuffle.rows(step).numpy()], minlength=10) / batch for step in range(300)]
        return float(np.std(shares))

    full, blocks = spread(Shuffle(n, batch, seed=0)), spread(BlockShuffle(n, batch, seed=0))
    small = spread(BlockShuffle(n, batch, seed=0, window=8))
    assert blocks < 1.25 * full
    assert small > 1.5 * full  # a buffer over few blocks is not enough: the test can tell


def test_windows_give_what_was_asked_for_and_read_each_once() -> None:
    asked: list[np.ndarray] = []

    def read(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return rows * 10

    windows = Windows(read)
    shuffle = BlockShuffle(300, 20, seed=2, block=4, window=12, feed=windows)
    for step in range(15):
        rows = shuffle.rows(step).numpy()
        parts = windows.parts(rows)
        assert parts is not None
        got = np.full(len(rows), -1)
        for places, values in parts:
            got[places] = values
        np.testing.assert_array_equal(got, rows * 10)
    n_windows = len(shuffle.bounds) - 1
    assert n_windows > 3
    assert np.sort(np.concatenate(asked[:n_windows])).tolist() == list(range(300))
    assert all((np.diff(rows) > 0).all() for rows in asked)
    assert windows.parts(np.arange(300)) is None  # not all of them are held


def test_cells_from_disk_are_those_in_memory(planted) -> None:
    memory = TrainingCells.of(planted, planted.info.conditions, where="memory")
    disk = TrainingCells.of(planted, planted.info.conditions, where="disk")
    assert isinstance(disk.train, DiskCells) and not memory.on_disk
    rows = torch.randperm(memory.n_train)[:50]
    torch.testing.assert_close(dense(disk.train, rows), dense(memory.train, rows))
    shuffle = disk.shuffle(32, seed=0, feed=disk.feed)
    for step in range(5):  # now from windows
        rows = shuffle.rows(step)
        torch.testing.assert_close(dense(disk.train, rows), dense(memory.train, rows))
    assert disk.target_sum == memory.target_sum
    torch.testing.assert_close(disk.train_codes, memory.train_codes)
    ours, theirs = disk.statistics(), memory.statistics()
    for name in ("mean", "std", "median", "smallest", "log_profile", "library"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("space", [{}, GENE_SPACE], ids=["latent", "gene"])
def test_with_the_same_order_the_losses_are_the_same(
    small, planted, tmp_path, monkeypatch, space: dict[str, str]
) -> None:
    """The one thing that differs is the order; with that of memory, every loss is the same number."""

    def plain(self, batch_size, *, seed, feed=None):
        return Shuffle(self.n_train, batch_size, seed=seed)

    monkeypatch.setattr(TrainingCells, "shuffle", plain)
    losses = {}
    for cells in ("memory", "disk"):
        training = Training(small(**space, cells=cells), planted, folder=tmp_path / cells, model_id="m")
        losses[cells] = [event.loss for event in training.run() if event.loss is not None]
    assert len(losses["memory"]) >= 30
    np.testing.assert_allclose(losses["disk"], losses["memory"], rtol=1e-4)


@pytest.mark.parametrize(("space", "stop_after"), [({}, 17), ({}, 41), (GENE_SPACE, 17)])
def test_a_broken_run_ends_as_an_unbroken_one(small, planted, tmp_path, space: dict, stop_after: int) -> None:
    config = small(**space, cells="disk")
    losses, weights = {}, {}
    for name in ("whole", "parts"):
        seen: list[float] = []
        while True:
            training = Training(config, planted, folder=tmp_path / name, model_id="m")
            stop = name == "parts" and not seen
            before = len(seen)
            for event in training.run(stop=lambda: stop and len(seen) - before == stop_after):  # noqa: B023
                seen += [event.loss] if event.loss is not None else []
            if not stop:
                break
        losses[name], weights[name] = seen, training.model.state_dict()
    assert losses["parts"] == losses["whole"]
    for key, tensor in weights["whole"].items():
        assert torch.equal(weights["parts"][key], tensor), key


def test_large_data_sets_stay_on_disk_by_themselves(planted, monkeypatch) -> None:
    dataset = Dataset.open(planted.info.folder)
    assert not TrainingCells.of(dataset, ()).on_disk
    dataset = Dataset.open(planted.info.folder)
    monkeypatch.setattr("genediff.training.training_cells.BOUND", 8 * dataset.n_entries - 1)
    monkeypatch.setattr("genediff.training.training_cells.MOST_VALIDATED", 50)
    cells = TrainingCells.of(dataset, ("kind",))
    assert cells.on_disk
    assert "_values" not in dataset.__dict__  # nothing read the whole matrix
    assert cells.n_validation == len(cells.validation_codes) == 50
    kinds = np.bincount(cells.validation_codes[:, 0])
    assert (kinds > 8).all()
