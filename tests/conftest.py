"""What all tests share: the real data beside the checkout, and a workspace of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Files with long tests come first, so that no process is alone at the end.
LONG = ("browser", "runs", "training", "test_cli.py", "pages", "data")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of some folders and files before all others."""

    def place(item: pytest.Item) -> int:
        return next((n for n, name in enumerate(LONG) if name in item.path.parts), len(LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, or skip where the checkout stands alone."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of shared real data is not beside this checkout")
    return SHARED_DATA


def end_workers_of(folder: Path) -> None:
    """End what still runs for a folder: workers outlive the process that submits them, tests included."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            process.kill()


@pytest.fixture(scope="session", autouse=True)
def _no_worker_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End workers of this session's folders. One that a failed test left trained on for an hour unseen."""
    yield
    end_workers_of(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point GENEDIFF_HOME at an empty folder, so that no test sees another's or the user's data."""
    home = tmp_path / "home"
    monkeypatch.setenv("GENEDIFF_HOME", str(home))
    yield home
    if (home / "runs").exists():
        end_workers_of(home)


def shorten_start(patch: pytest.MonkeyPatch) -> None:
    """Fit the start of count space for a moment only: cells of some ten genes have little to recalibrate."""
    patch.setattr("genediff.training.fit_recalibration.STEPS", 40)
    patch.setattr("genediff.training.fit_recalibration.LOOK_EVERY", 20)


@pytest.fixture
def short_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit the start of count space for a moment only."""
    shorten_start(monkeypatch)
