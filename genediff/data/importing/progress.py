"""How far an import or a map is, and whether it should stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.core.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress:
    """Turns ticks of stages into one share between 0 and 1; every tick may raise Cancelled."""

    def __init__(
        self,
        report: Callable[[float, str], None] | None,
        cancelled: Callable[[], bool] | None,
        *,
        said: str = "The import was cancelled; nothing was kept.",
    ) -> None:
        """Take what is told of the share done, what says whether to stop, and what is ``said`` of having stopped."""
        self._report, self._cancelled, self._said = report, cancelled, said
        self._start = 0.0
        self._share = 0.0
        self._message = ""
        self._ticks = self._expected = 0

    def stage(self, message: str, share: float, *, ticks: int = 1) -> None:
        """Begin a stage that takes ``share`` of the whole and reports ``ticks`` times."""
        self._start += self._share
        self._share, self._message = share, message
        self._ticks, self._expected = 0, max(1, ticks)
        self._tell()

    def tick(self) -> None:
        """One step of the stage is done."""
        self._ticks += 1
        self._tell()

    def check(self) -> None:
        """Stop here if that was asked for.

        Raises
        ------
        Cancelled
            When the caller's ``cancelled()`` says so.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled(self._said)

    def _tell(self) -> None:
        self.check()
        if self._report is not None:
            done = self._start + self._share * min(1.0, self._ticks / self._expected)
            self._report(min(1.0, done), self._message)
