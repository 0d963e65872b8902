"""Install SLURM for its tests where it is missing: Debian's slurm-wlm and munge, of which only the programs are used.

Where they cannot be had this says so and ends well: the tests then skip with the same sentence, except in CI, where
they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":  # a script sees its own folder only
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.runs.slurm.cluster import missing_programs

PACKAGES = ("slurm-wlm", "munge")
MESSAGE = "no SLURM: install Debian's `slurm-wlm` and `munge`"


def main() -> None:
    if not missing_programs():
        return
    print("No SLURM found; installing one for its tests.", flush=True)
    if not _apt() or missing_programs():
        print("No SLURM could be installed; its tests will skip (in CI: fail).", file=sys.stderr)


def _apt() -> bool:
    if not shutil.which("apt-get"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if prefix and not shutil.which("sudo"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return _run([*prefix, "apt-get", "update", "-qq"], quiet) and _run(
        [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], quiet
    )


def _run(command: list[str], env: dict[str, str]) -> bool:
    try:
        return subprocess.run(command, env=env, stdout=subprocess.DEVNULL, timeout=600, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    main()
