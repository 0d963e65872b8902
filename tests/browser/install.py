"""Download Playwright's Chromium for the browser tests where this machine has none.

Where that cannot be had either this says so and ends well: the browser tests then skip with the same sentence, except
in CI, where they fail.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":  # a script sees its own folder only
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.debian_packages import chromium, run


def main() -> None:
    if chromium() or _playwright_has_one():
        return
    if not run([sys.executable, "-m", "playwright", "install", "chromium"]):
        print("No Chromium could be installed; the browser tests will skip (in CI: fail).", file=sys.stderr)


def _playwright_has_one() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


if __name__ == "__main__":
    main()
