"""Install Debian packages that tests need and this machine lacks, without a question and without a word."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(*packages: str, recommended: bool = False) -> bool:
    """Return whether apt is here, may be used, and has installed them, with what they recommend or without."""
    if not shutil.which("apt-get"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    few = [] if recommended else ["--no-install-recommends"]
    return run([*prefix, "apt-get", "update", "-qq"], quiet) and run(
        [*prefix, "apt-get", "install", "-y", "-qq", *few, *packages], quiet
    )


def run(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Return whether a command ends well within ten minutes."""
    try:
        return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, timeout=600, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
