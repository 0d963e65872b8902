"""A batch is dealt out whole, and a row's random numbers do not depend on who holds it."""

from __future__ import annotations

import pytest
import torch

from genediff.core.errors import InputError
from genediff.training.batches import stream
from genediff.training.rng_shards import Draws, shard_batch


@pytest.mark.parametrize("batch_size", [2, 16, 50, 128, 1000, 4096])
@pytest.mark.parametrize(("size", "accumulate"), [(1, 1), (2, 1), (3, 1), (1, 4), (2, 3)])
def test_parts_make_up_the_batch(batch_size: int, size: int, accumulate: int) -> None:
    if batch_size < 16 * size * accumulate:
        return
    parts = [
        part for rank in range(size) for part in shard_batch(batch_size, rank=rank, size=size, accumulate=accumulate)
    ]
    rows = torch.cat([torch.arange(batch_size)[part.rows] for part in parts])
    assert rows.tolist() == list(range(batch_size))
    assert sum(part.share for part in parts) == pytest.approx(1)
    assert all(sum(part.sizes) == part.rows.stop - part.rows.start for part in parts)


@pytest.mark.parametrize(("size", "accumulate"), [(2, 1), (4, 1), (1, 8), (3, 2)])
def test_a_row_keeps_its_numbers_whoever_holds_it(size: int, accumulate: int) -> None:
    def drawn(parts) -> list[torch.Tensor]:
        found = []
        for part in parts:
            draws = part.draws(0, 3, 7)
            counts = torch.full((sum(part.sizes), 5), 40.0)
            rows, _ = there = counts.nonzero(as_tuple=True)
            kept = draws.rand()
            thinned = torch.zeros_like(counts).index_put(there, draws.binomial(counts[there], kept[rows], rows))
            found.append(torch.cat([draws.randn(3), draws.rand(2), draws.randint(9)[:, None], thinned], dim=1))
        return found

    whole = torch.cat(drawn(shard_batch(130)))
    parts = [part for rank in range(size) for part in shard_batch(130, rank=rank, size=size, accumulate=accumulate)]
    assert torch.equal(torch.cat(drawn(parts)), whole)
    assert len(whole.unique(dim=0)) == 130  # no two lots share their numbers


def test_one_generator_serves_all_rows_as_it_always_did() -> None:
    assert torch.equal(Draws.of(stream(0, 1), 9).randn(4), torch.randn(9, 4, generator=stream(0, 1)))


def test_a_batch_too_small_for_the_processes_is_said() -> None:
    with pytest.raises(InputError, match="a batch of 64 cells is too small for 5 processes"):
        shard_batch(64, size=5)
    with pytest.raises(InputError, match="more than the 64"):
        shard_batch(100_000, size=65)
