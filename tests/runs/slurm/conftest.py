"""A real SLURM for the tests of this folder, and a profile for each of its partitions."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from genediff.runs import slurm_options
from tests.debian_packages import NO_SLURM, missing_programs
from tests.runs.slurm.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genediff.workspace import Workspace

PROFILES = """
[gpu]
title = "The one GPU"
partition = "day"
devices = 1
cpus = 1
time = "1:00:00"
setup = ["echo set up as the profile says"]

[cpu]
title = "A core"
partition = "day"
cpus = 1
time = "1:00:00"

[minutes]
title = "A core for two minutes, the second of which is the warning"
partition = "day"
cpus = 1
time = 2
warning = 60

[two]
title = "Two processes"
partition = "day"
tasks = 2
cpus = 1
time = "1:00:00"

[nowhere]
partition = "nowhere"
"""


@pytest.fixture(scope="module")
def _cluster() -> Iterator[Cluster]:
    """A cluster for the tests of one file; without SLURM the tests skip and say so, in CI they fail."""
    if missing := missing_programs():
        message = f"{NO_SLURM} (missing here: {', '.join(missing)})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:  # short: a socket's path is limited
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def cluster(_cluster: Cluster, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, as this process and its children find it; no job is left behind."""
    monkeypatch.setenv("SLURM_CONF", str(_cluster.config))
    workspace.root.mkdir(parents=True, exist_ok=True)
    (workspace.root / "profiles.toml").write_text(PROFILES)
    slurm_options.forget()
    yield _cluster
    _cluster.end_jobs()
    slurm_options.forget()
