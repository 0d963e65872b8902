"""Find a Chromium for the browser tests, or install one: Debian's, else Playwright's own.

Where neither can be had this says so and ends well: the browser tests then skip with the same sentence, except in CI,
where they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    if any(shutil.which(name) for name in NAMES) or _playwright_has_one():
        return
    print("No Chromium found; installing one for the browser tests.", flush=True)
    if not (_apt() or _run([sys.executable, "-m", "playwright", "install", "chromium"])):
        print("No Chromium could be installed; the browser tests will skip (in CI: fail).", file=sys.stderr)


def _playwright_has_one() -> bool:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


def _apt() -> bool:
    if not shutil.which("apt-get"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return _run([*prefix, "apt-get", "update", "-qq"], quiet) and _run(
        [*prefix, "apt-get", "install", "-y", "-qq", "chromium", "fonts-dejavu-core"], quiet
    )


def _run(command: list[str], env: dict[str, str] | None = None) -> bool:
    try:
        return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, timeout=600, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()
