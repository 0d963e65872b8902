"""First come, first served; the dead hold nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from genediff.core.errors import InputError
from genediff.runs import devices as devices_module
from genediff.runs.devices import CPU, Device, acceptable_devices, gpus_to_hold
from genediff.runs.queue import device_users, drop_ticket, hold_device, runs_ahead, take_ticket

if TYPE_CHECKING:
    from pathlib import Path

# A process that waits its turn and, when it has it, writes its name and holds the device until its input ends.
WAITER = """
import pathlib, sys
from genediff.runs.devices import CPU
from genediff.runs.queue import hold_device
runs, name = pathlib.Path(sys.argv[1]), sys.argv[2]
with hold_device(runs, name, [CPU], stop=lambda: False, waiting=lambda ahead: None):
    with (runs / "turns").open("a") as turns:
        turns.write(name + "\\n")
    sys.stdin.read()
assert "torch" not in sys.modules and "pandas" not in sys.modules
"""


def _wait_in(runs: Path, name: str) -> subprocess.Popen[bytes]:
    take_ticket(runs, name, [CPU])
    return subprocess.Popen([sys.executable, "-c", WAITER, str(runs), name], stdin=subprocess.PIPE)


def _turns(runs: Path) -> list[str]:
    return (runs / "turns").read_text().split() if (runs / "turns").exists() else []


def test_runs_take_the_device_in_the_order_of_submission(tmp_path, wait_for):
    """Also when a later worker comes up first."""
    take_ticket(tmp_path, "a", [CPU])
    take_ticket(tmp_path, "b", [CPU])
    late = subprocess.Popen([sys.executable, "-c", WAITER, str(tmp_path), "b"], stdin=subprocess.PIPE)
    third = _wait_in(tmp_path, "c")
    time.sleep(0.5)
    assert _turns(tmp_path) == []
    first = subprocess.Popen([sys.executable, "-c", WAITER, str(tmp_path), "a"], stdin=subprocess.PIPE)
    wait_for(lambda: _turns(tmp_path) == ["a"], seconds=300, what="a has the device")
    assert device_users(tmp_path, ["cpu"]) == ("a",)
    assert runs_ahead(tmp_path, "a") is None
    assert runs_ahead(tmp_path, "c") == ("b",)
    for number, process in enumerate((first, late, third)):
        process.communicate()
        assert process.returncode == 0
        if number < 2:
            wait_for(lambda n=number: len(_turns(tmp_path)) == n + 2, seconds=300, what="the next one has its turn")
    assert _turns(tmp_path) == ["a", "b", "c"]
    assert list((tmp_path / ".queue").iterdir()) == []


@pytest.mark.parametrize("place", [0, 1], ids=["has the device", "waits"])
def test_a_killed_process_holds_nobody_up(tmp_path, place, wait_for):
    processes = [_wait_in(tmp_path, name) for name in ("a", "b", "c")]
    wait_for(lambda: _turns(tmp_path) == ["a"], seconds=300, what="a has the device")
    wait_for(lambda: runs_ahead(tmp_path, "c") == ("b",), seconds=300, what="c waits for b")
    wait_for(lambda: any((tmp_path / ".queue").glob("*_b.came")), seconds=300, what="b's worker has come")
    os.kill(processes[place].pid, signal.SIGKILL)
    processes[place].communicate()
    if place == 1:
        assert runs_ahead(tmp_path, "c") == ()
        processes[0].communicate()
    expected = ["a", "b"] if place == 0 else ["a", "c"]
    wait_for(lambda: _turns(tmp_path) == expected, seconds=300, what=f"turns are {expected}")
    for process in processes:
        if process.poll() is None:
            process.communicate()


def test_two_devices_two_runs(tmp_path):
    gpus = [Device("cuda:0", "cuda-0", "0"), Device("cuda:1", "cuda-1", "1")]
    told = []
    for name in ("a", "b", "c"):
        take_ticket(tmp_path, name, gpus)
    options = {"stop": lambda: bool(told), "waiting": told.append}
    with hold_device(tmp_path, "a", gpus, **options) as one, hold_device(tmp_path, "b", gpus, **options) as two:
        assert (one, two) == (gpus[0], gpus[1])
        with hold_device(tmp_path, "c", gpus, **options) as none:
            assert none is None
    assert told == [("a", "b")]


def test_who_stops_waiting_leaves_the_queue(tmp_path):
    take_ticket(tmp_path, "a", [CPU])
    with hold_device(tmp_path, "a", [CPU], stop=lambda: True, waiting=print) as device:
        assert device is None
    assert runs_ahead(tmp_path, "a") is None
    take_ticket(tmp_path, "b", [CPU])
    drop_ticket(tmp_path, "b")
    assert list((tmp_path / ".queue").iterdir()) == []


def test_devices_that_are_not_there(monkeypatch):
    monkeypatch.setattr(devices_module, "_cuda_devices", lambda: ())
    monkeypatch.setattr(devices_module, "_has_mps", lambda: False)
    assert acceptable_devices("auto") == (CPU,)
    with pytest.raises(InputError, match="no device 'cuda:3'; choose one of: auto, cpu"):
        acceptable_devices("cuda:3")


def test_visible_gpus_keep_the_number_of_the_machine(monkeypatch, tmp_path):
    """Two processes that see different GPUs as cuda:0 must not lock each other out."""
    monkeypatch.setattr(devices_module, "DEVICES", tmp_path)
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [device.lock for device in acceptable_devices("auto")] == ["cuda-0", "cuda-1", "cuda-2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert acceptable_devices("cuda:0") == (Device("cuda:0", "cuda-2", "2"),)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(devices_module, "_has_mps", lambda: False)
    assert acceptable_devices("auto") == (CPU,)


def test_a_run_of_two_gpus_holds_both_and_waits_until_both_are_free(tmp_path) -> None:
    gpus = (Device("cuda:0", "cuda-0", "0"), Device("cuda:1", "cuda-1", "1"))
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    for name in ("one", "two"):
        take_ticket(tmp_path, name, gpus)
    with hold_device(tmp_path, "one", gpus, stop=lambda: False, waiting=lambda ahead: None) as first:
        assert first == gpus[0]
        with hold_device(tmp_path, "two", gpus, stop=stop, waiting=lambda ahead: None, count=2) as held:
            assert held is None  # one is taken
    take_ticket(tmp_path, "two", gpus)
    with hold_device(tmp_path, "two", gpus, stop=lambda: False, waiting=lambda ahead: None, count=2) as held:
        assert held == Device("cuda:0", "cuda-0", "0,1")
        assert device_users(tmp_path, ["cuda-0", "cuda-1"]) == ("two", "two")


def test_a_gpu_for_each_process_and_one_cpu_for_all() -> None:
    gpus = (Device("cuda:0", "cuda-0", "0"), Device("cuda:1", "cuda-1", "1"))
    assert gpus_to_hold((CPU,), 4) == 1
    assert gpus_to_hold(gpus, 1) == 1
    assert gpus_to_hold(gpus, 2) == 2
    with pytest.raises(InputError, match="asks for 3 GPUs and this machine has 2 GPUs that will do"):
        gpus_to_hold(gpus, 3)
