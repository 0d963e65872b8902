"""The processes of one job, as one of them sees them; alone, every exchange gives back what was put in."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """One process among ``size``.

    ``rank`` is its number, and number 0 alone writes files; ``local`` is its number among those of its machine, by
    which it takes a GPU. Every exchange must be called by all processes, in the same order.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, n: int) -> range:
        """Return which of n pieces of work are this process's: every ``size``-th one."""
        return range(self.rank, n, self.size)

    def stretch(self, work: list[T]) -> list[T]:
        """Return which of some pieces of work are this process's: a stretch of them, the ``rank``-th of ``size``."""
        return work[self.rank * len(work) // self.size : (self.rank + 1) * len(work) // self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Add up a tensor of the CPU over all processes, in place, and return it."""
        if self.size > 1:
            import torch.distributed as dist

            dist.all_reduce(tensor)
        return tensor

    def total(self, value: float) -> float:
        """Add up a number over all processes."""
        if self.size == 1:
            return value
        import torch

        return float(self.sum(torch.tensor([value], dtype=torch.double)))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return which of some flags are set in any process, so that all decide alike."""
        if self.size == 1:
            return flags
        import torch

        return tuple(bool(flag) for flag in self.sum(torch.tensor([float(flag) for flag in flags])).tolist())

    def gather(self, own: T) -> list[T]:
        """Return what each process holds, in order of rank, to all of them."""
        if self.size == 1:
            return [own]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, own)
        return found

    def collect(self, own: dict[int, T]) -> list[T]:
        """Put pieces of work that were shared out back in order: ``own`` holds this process's, by number."""
        pieces = {number: piece for part in self.gather(own) for number, piece in part.items()}
        return [pieces[number] for number in sorted(pieces)]

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.any(False)

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """Let the first process do something alone, such as writing a file, before the others do the same."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()


ALONE = Ranks()
