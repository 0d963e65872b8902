"""Two hosts within this machine: network namespaces with names and addresses of their own, on a bridge.

They share the file system, as the nodes of a cluster share a folder, and nothing else: what listens to the loopback of
one is not reached from the other. Nothing of this machine's own network or names is changed; the kernel takes all of it
away when the two processes that hold the namespaces end. Needs root and `ip` (Debian's iproute2).
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("north", "south")


def why_not() -> str | None:
    """Return why there can be no two hosts here, or None."""
    if os.geteuid() != 0:
        return "two hosts in one machine need root (network namespaces)"
    if missing := [name for name in ("ip", "unshare", "nsenter", "mount") if shutil.which(name) is None]:
        return f"two hosts in one machine need `{missing[0]}` (Debian's iproute2, util-linux, mount)"
    held = subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True, check=False)
    return None if held.returncode == 0 else "this machine allows no namespaces"


@dataclass
class Hosts:
    """Two hosts; `start` them, and always `stop` them. `here` is the address by which both reach this process."""

    folder: Path
    _held: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _bridge: str = ""
    _net: str = ""

    @property
    def here(self) -> str:
        return f"{self._net}.1"

    def address(self, name: str) -> str:
        return f"{self._net}.{2 + NAMES.index(name)}"

    def inside(self, name: str, *command: str) -> list[str]:
        """Return the command that runs another one on a host."""
        return ["nsenter", f"--target={self._held[name].pid}", "--net", "--uts", "--mount", *command]

    def start(self) -> None:
        self._bridge = f"gd{secrets.token_hex(3)}"
        self._net = f"10.{30 + secrets.randbelow(200)}.{secrets.randbelow(250)}"
        names = [f"127.0.0.1 localhost\n{self.here} {os.uname().nodename}"]
        names += [f"{self.address(name)} {name}" for name in NAMES]
        (self.folder / "hosts").write_text("\n".join([*names, ""]))
        _do("ip", "link", "add", self._bridge, "type", "bridge")
        _do("ip", "addr", "add", f"{self.here}/24", "dev", self._bridge)
        _do("ip", "link", "set", self._bridge, "up")
        for number, name in enumerate(NAMES):
            holder = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "sh", "-c", "echo; exec sleep 3600"],
                                      stdout=subprocess.PIPE)  # fmt: skip
            self._held[name] = holder
            assert holder.stdout is not None
            holder.stdout.readline()  # it has its namespaces
            outer, inner = f"{self._bridge}o{number}", f"{self._bridge}i{number}"
            _do("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
            _do("ip", "link", "set", inner, "netns", str(holder.pid))
            _do("ip", "link", "set", outer, "master", self._bridge, "up")
            for command in (
                f"hostname {name}",
                f"mount --bind {self.folder}/hosts /etc/hosts",
                "ip link set lo up",
                f"ip addr add {self.address(name)}/24 dev {inner}",
                f"ip link set {inner} up",
            ):
                _do(*self.inside(name, *command.split()))

    def stop(self) -> None:
        for holder in self._held.values():
            holder.kill()
            holder.wait()
            if holder.stdout is not None:
                holder.stdout.close()
        # A process that is still ending on a host keeps its end of the wire.
        for device in (self._bridge, *(f"{self._bridge}o{number}" for number in range(len(self._held)))):
            subprocess.run(["ip", "link", "del", device], capture_output=True, check=False)


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
