"""What all tests share: the real data beside the checkout, and a workspace of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, or skip where the checkout stands alone."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of shared real data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Point GENEDIFF_HOME at an empty folder, so that no test sees another's or the user's data.

    Workers outlive the process that submits them, tests included: what a test left running in its folder is ended.
    """
    home = tmp_path / "home"
    monkeypatch.setenv("GENEDIFF_HOME", str(home))
    yield home
    if (home / "runs").exists():
        for process in psutil.process_iter(["cmdline"]):
            if any(str(home) in word for word in process.info["cmdline"] or ()):
                process.kill()
