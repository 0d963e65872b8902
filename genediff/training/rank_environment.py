"""What Lightning Fabric wants to know of the processes that train together, which have found one another already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning_fabric.plugins.environments import ClusterEnvironment

if TYPE_CHECKING:
    from genediff.distributed import Ranks


class RankEnvironment(ClusterEnvironment):
    """Each process as a machine of its own with one device; the process group exists."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    @property
    def creates_processes_externally(self) -> bool:
        """Fabric starts no process."""
        return True

    @property
    def main_address(self) -> str:
        """Nobody meets here: the process group exists."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """See `main_address`."""
        return 0

    @staticmethod
    def detect() -> bool:
        """Fabric is handed this environment and does not look for it."""
        return False

    def world_size(self) -> int:
        """Return the number of processes."""
        return self.ranks.size

    def set_world_size(self, size: int) -> None:
        """Leave it: it is known."""

    def global_rank(self) -> int:
        """Return the number of this process."""
        return self.ranks.rank

    def set_global_rank(self, rank: int) -> None:
        """Leave it: it is known."""

    def local_rank(self) -> int:
        """Return which of its own devices the process takes: the only one."""
        return 0

    def node_rank(self) -> int:
        """Return the number of this process, a machine of its own."""
        return self.ranks.rank
