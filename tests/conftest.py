"""What all tests share: the real data beside the checkout, and a workspace of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, or skip where the checkout stands alone."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of shared real data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point GENEDIFF_HOME at an empty folder, so that no test sees another's or the user's data."""
    home = tmp_path / "home"
    monkeypatch.setenv("GENEDIFF_HOME", str(home))
    return home
