"""Whose turn it is where several owners share something: one of each in turn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

Item = TypeVar("Item")


def by_turn(
    items: Iterable[Item],
    owner: Callable[[Item], Hashable],
    *,
    is_first: Callable[[Item], bool],
    before: Iterable[Hashable] = (),
) -> list[Item]:
    """Return items in the order of their turns.

    Parameters
    ----------
    items
        In the order in which they came.
    owner
        Whose an item is: those come first that are preceded by fewer of their own owner's.
    is_first
        Whether an item keeps its turn whatever comes; of several the one that came first.
    before
        The owners of what precedes all items.
    """
    count, turns = Counter(before), []
    for place, item in enumerate(items):
        turns.append((not is_first(item), count[owner(item)], place, item))
        count[owner(item)] += 1
    return [item for *_, item in sorted(turns, key=lambda turn: turn[:3])]
