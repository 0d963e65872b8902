"""A SLURM of its own: munged, slurmctld and slurmd, all their files in one folder; one node on loopback, or two hosts.

It needs Debian's slurm-wlm and munge, but none of their services, no systemd, no cgroups and no accounting database.
Each node has one GPU in name only (a `gres` of one), so that two jobs that ask for one stand in line.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from tests.debian_packages import SEARCHED
from tests.runs.slurm.hosts import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runs.slurm.hosts import Hosts

CONFIG = """
ClusterName=test
SlurmctldHost={host}({address})
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=3,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PreemptExemptTime=0
JobRequeue=1
KillWait=15
MinJobAge=300
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
{nodes}
PartitionName=day Nodes=ALL Default=YES MaxTime=1-00:00:00 PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=1-00:00:00 PriorityTier=10 State=UP
"""
NODE = "NodeName={name} NodeHostname={name} NodeAddr={address} CPUs=8 RealMemory=16000 Gres=gpu:1 State=UNKNOWN"


@dataclass
class Cluster:
    """A cluster whose files lie in `folder`; `start` it, and always `stop` it.

    With `hosts`, which have been started, each of them is a node; the controller runs here.
    """

    folder: Path
    hosts: Hosts | None = None
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """What SLURM_CONF names."""
        return self.folder / "slurm.conf"

    def start(self) -> None:
        """Write the configuration and start the daemons; returns when the nodes are idle."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("state", *(f"spool-{node}" for node in self._nodes)):
            (self.folder / name).mkdir(exist_ok=True)
        self._write()
        munge = {name: f"{self.folder}/munge.{name}" for name in ("key", "socket", "pid", "log", "seed")}
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self._run(
            "munged", "--foreground", "--force", f"--key-file={munge['key']}", f"--socket={munge['socket']}",
            f"--pid-file={munge['pid']}", f"--log-file={munge['log']}", f"--seed-file={munge['seed']}",
        )  # fmt: skip
        self._wait(lambda: os.path.exists(munge["socket"]), "munged opens its socket")
        self._run("slurmctld", "-D", "-f", str(self.config))
        for node in self._nodes:
            self._run("slurmd", "-D", "-N", node, "-f", str(self.config), on=node)
        idle = ["idle"] * len(self._nodes)
        self._wait(lambda: self.ask("sinfo", "-hN", "-p", "day", "-o", "%T").split() == idle, "the nodes are idle")

    def stop(self) -> None:
        """End the jobs, then the daemons."""
        self.end_jobs()
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._end_steps()

    def _end_steps(self) -> None:
        """End the processes of steps whose node went away before them: they waited for it for ever.

        Their log is all that says whose they are: they are no children of ours, and write over their environment.
        """
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                if process.info["name"].startswith("slurmstepd") and any(
                    one.path.startswith(f"{self.folder}/") for one in process.open_files()
                ):
                    for one in (*process.children(recursive=True), process):
                        one.kill()

    def end_jobs(self) -> None:
        """End all jobs at once."""
        if not self._processes or any(process.poll() is not None for process in self._processes):
            return
        self.ask("scancel", "--signal=KILL", "--full", *self.ask("squeue", "-h", "-o", "%i").split())
        self.ask("scancel", *self.ask("squeue", "-h", "-o", "%i").split())

    def ask(self, *command: str) -> str:
        """Return what a SLURM command prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which SLURM's commands find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.config), "PATH": SEARCHED}

    def logs(self) -> str:
        """Return the ends of the daemons' logs, for the message of a failure."""
        paths = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*.out"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths)

    @property
    def _nodes(self) -> dict[str, str]:
        """Addresses by name."""
        if self.hosts is None:
            return {socket.gethostname().split(".")[0]: "127.0.0.1"}
        return {name: self.hosts.address(name) for name in NAMES}

    def _write(self) -> None:
        host, user = socket.gethostname().split(".")[0], pwd.getpwuid(os.geteuid()).pw_name
        ctld_port, d_port = _free_ports(2)
        self.config.write_text(
            CONFIG.format(
                host=host, user=user, folder=self.folder, ctld_port=ctld_port, d_port=d_port,
                address="127.0.0.1" if self.hosts is None else self.hosts.here,
                nodes="\n".join(NODE.format(name=name, address=address) for name, address in self._nodes.items()),
            )
        )  # fmt: skip
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={self.folder}/cgroup\n")

    def _run(self, name: str, *arguments: str, on: str = "") -> None:
        program = shutil.which(name, path=SEARCHED)
        assert program is not None
        command = [program, *arguments] if self.hosts is None or not on else self.hosts.inside(on, program, *arguments)
        with (self.folder / f"{name}{on}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdout=output,
                    stderr=output,
                    stdin=subprocess.DEVNULL,
                    env=self.environment,
                    start_new_session=True,
                )  # fmt: skip
            )

    def _wait(self, condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or any(process.poll() is not None for process in self._processes):
                raise RuntimeError(f"{what}: not so\n{self.logs()}")
            time.sleep(0.1)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
