"""Screens for the Perturb page: which there are, how they are read, and the words for what is done to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genediff.perturbation.screen_reader import ScreenReader
from genediff.perturbation.task_config import MODES
from genediff.ui.kit import caching

if TYPE_CHECKING:
    from genediff.data import DatasetInfo
    from genediff.data.importing.perturbation_names import Perturbation


_READER = ScreenReader()


def screens() -> list[DatasetInfo]:
    """Return the data sets with a perturbation column, in the order of the workspace."""
    return [info for info in caching.workspace().list_datasets() if info.perturbation is not None]


def reader() -> ScreenReader:
    """Return what divides data sets, and keeps the divisions of this server: by the folders of the data."""
    return _READER


def described(perturbation: Perturbation) -> str:
    """Return a perturbation in words, to stand behind "the": "knock-out of STAT1 and JAK2", "response to IFNB"."""
    names = " and ".join(perturbation.parts)
    return f"response to {names}" if perturbation.kind == "condition" else f"{MODES[perturbation.mode]} of {names}"
