"""Install SLURM for its tests where it is missing: Debian's slurm-wlm and munge, of which only the programs are used.

Where they cannot be had this says so and ends well: the tests then skip with the same sentence, except in CI, where
they fail.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script sees its own folder only
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests import apt
from tests.runs.slurm.cluster import missing_programs

PACKAGES = ("slurm-wlm", "munge", "iproute2")
MESSAGE = "no SLURM: install Debian's `slurm-wlm` and `munge`"


def main() -> None:
    if not missing_programs():
        return
    print("No SLURM found; installing one for its tests.", flush=True)
    if not apt.install(*PACKAGES) or missing_programs():
        print("No SLURM could be installed; its tests will skip (in CI: fail).", file=sys.stderr)


if __name__ == "__main__":
    main()
