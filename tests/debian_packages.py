"""Install Debian's Chromium and SLURM for the tests where they are missing: without a question, and without a word.

It runs beside pip, with whatever Python there is. Where apt or the right to use it is missing this ends well: tests
of what is missing then skip and say so, except in CI, where they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names of the browser, of which one is enough."""
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
"""Programs of SLURM and munge, all of which are needed."""
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
PLAYWRIGHT = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright"))
"""Where Playwright keeps browsers of its own."""
NO_SLURM = "no SLURM: install Debian's `slurm-wlm` and `munge`"


def main() -> None:
    if chromium() is None and not any(PLAYWRIGHT.expanduser().glob("chromium-*")):
        install("chromium", "fonts-dejavu-core", recommended=True)
    if missing_programs():
        install("slurm-wlm", "munge", "iproute2")
        if missing_programs():
            print("No SLURM could be installed; its tests will skip (in CI: fail).", file=sys.stderr)


def chromium() -> str | None:
    """Return the path of this machine's Chromium."""
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)


def missing_programs() -> list[str]:
    """Return what of SLURM and munge is not installed."""
    return [name for name in SLURM if shutil.which(name, path=SEARCHED) is None]


def install(*packages: str, recommended: bool = False) -> None:
    """Install packages with what they recommend, or without."""
    if not shutil.which("apt-get"):
        return
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return
    print(f"Installing Debian's {packages[0]} for the tests.", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    few = [] if recommended else ["--no-install-recommends"]
    run([*prefix, "apt-get", "update", "-qq"], quiet)
    run([*prefix, "apt-get", "install", "-y", "-qq", *few, *packages], quiet)


def run(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Return whether a command ends well within ten minutes."""
    try:
        return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, timeout=600, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()
