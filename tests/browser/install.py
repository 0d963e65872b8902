"""Find a Chromium for the browser tests, or install one: Debian's, else Playwright's own.

Where neither can be had this says so and ends well: the browser tests then skip with the same sentence, except in CI,
where they fail.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":  # a script sees its own folder only
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import apt

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    if any(shutil.which(name) for name in NAMES) or _playwright_has_one():
        return
    print("No Chromium found; installing one for the browser tests.", flush=True)
    if apt.install("chromium", "fonts-dejavu-core", recommended=True):
        return
    if not apt.run([sys.executable, "-m", "playwright", "install", "chromium"]):
        print("No Chromium could be installed; the browser tests will skip (in CI: fail).", file=sys.stderr)


def _playwright_has_one() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


if __name__ == "__main__":
    main()
