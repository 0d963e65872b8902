"""Profiles: what they say is what sbatch is told, and what is wrong in them is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from genediff.core.errors import InputError
from genediff.runs.profiles import EXAMPLE, Profile, find_profile, minutes, profile_files, read_profiles
from genediff.runs.slurm_launch import parameters, setup_lines


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setenv("GENEDIFF_PROFILES", str(tmp_path / "own.toml"))
    return lambda text, file="profiles.toml": (tmp_path / file).write_text(text)


def test_without_a_file_there_is_this_machine(tmp_path, write):
    assert {name: profile.backend for name, profile in read_profiles(tmp_path).items()} == {"local": "local"}


def test_the_example_can_be_read_and_the_workspace_wins(tmp_path, write):
    write(EXAMPLE)
    write("[gpu]\npartition = 'mine'\n[night]\npartition = 'night'\n", "own.toml")
    assert [path.name for path in profile_files(tmp_path)] == ["own.toml", "profiles.toml"]
    assert list(read_profiles(tmp_path)) == ["local", "gpu", "night"]
    gpu = find_profile(tmp_path, "gpu")
    assert (gpu.partition, gpu.devices, gpu.minutes, gpu.tasks_per_node) == ("gpu", 1, 1440, 1)
    with pytest.raises(InputError, match="no profile 'day'; known: local, gpu, night"):
        find_profile(tmp_path, "day")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gpu\n", "cannot be read"),
        ("partition = 'gpu'", "outside of a profile"),
        ("[local]\n", "always this machine"),
        ("['a b']\n", "needs a name of letters"),
        ("[gpu]\nparttition = 'gpu'", "'parttition': there is no such entry; known: backend"),
        ("[gpu]\ndevices = -1", "at 'devices'"),
        ("[gpu]\ntime = 'a day'", "at 'time': write it as days-hours"),
        ("[gpu]\ntime = 2", "at 'warning': a warning of 120 seconds before its time limit leaves a run no time"),
        ("[gpu]\ntime = 2\nwarning = 61", "since SLURM may send it up to 60 seconds earlier"),
        ("[gpu]\ntime = 0", "at 'time': a run needs a minute"),
        ("[gpu]\nmemory = 'much'", "at 'memory'"),
        ("[gpu.directives]\noutput = '/data/x'", "'output' is set by GeneDiff itself"),
        ("[gpu.directives]\n'-p' = 'x'", "no name of an sbatch option"),
        ('[gpu]\npartition = "a\\nb"', "at 'partition': a value is one line"),
    ],
)
def test_what_is_wrong_is_named_and_local_runs_go_on(tmp_path, write, text, said):
    write(text)
    with pytest.raises(InputError, match=said) as caught:
        read_profiles(tmp_path)
    assert "profiles.toml" in str(caught.value) and "\n" not in str(caught.value)
    assert find_profile(tmp_path, "local").backend == "local"


@pytest.mark.parametrize(
    ("time", "expected"),
    [(90, 90), ("90", 90), ("90:00", 90), ("90:01", 91), ("2:00:00", 120), ("1-12", 2160), ("1-00:00:30", 1441)],
)
def test_times_mean_what_slurm_means_by_them(time, expected):
    assert minutes(time) == expected


def test_a_profile_becomes_a_script_for_sbatch(tmp_path):
    """The script is submitit's own; bash must be able to read it, and each wish must stand in it."""
    from submitit.slurm.slurm import _make_sbatch_string

    profile = Profile(
        partition="gpu", devices=2, device_type="a100", nodes=3, cpus=8, memory="64G", time="2:00:00", account="lab",
        modules=("cuda/12.4",), venv="/shared/my venv", setup=("ulimit -n 65536",), environment={"A": "b c"},
        directives={"exclude": "node07", "exclusive": True, "contiguous": False},
    )  # fmt: skip
    script = _make_sbatch_string(command="run", folder=tmp_path, **parameters(profile, name="genediff-1"))
    lines = script.splitlines()
    for line in (
        "--partition=gpu", "--gres=gpu:a100:2", "--nodes=3", "--ntasks-per-node=2", "--cpus-per-task=8", "--mem=64G",
        "--time=120", "--account=lab", "--exclude=node07", "--exclusive", "--requeue", "--signal=USR2@120",
        "--open-mode=append", "--job-name=genediff-1",
    ):  # fmt: skip
        assert f"#SBATCH {line}" in lines, line
    assert "contiguous" not in script
    for line in ("module load cuda/12.4 || exit 1", ". '/shared/my venv/bin/activate' || exit 1", "export A='b c'"):
        assert line in lines
    started = next(number for number, line in enumerate(lines) if line.startswith("srun "))
    assert lines.index("ulimit -n 65536") < started
    assert "--cpus-per-task=8" in lines[started]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_gpus_that_were_not_asked_for_are_hidden():
    assert "export CUDA_VISIBLE_DEVICES=''" in setup_lines(Profile())
    assert not [line for line in setup_lines(Profile(devices=1)) if "CUDA_VISIBLE" in line]


def test_the_command_lists_them_and_its_example_is_one(tmp_path, write, own_workspace):
    command = [sys.executable, "-m", "genediff", "profiles"]
    example = subprocess.run([*command, "--example"], capture_output=True, text=True, check=True).stdout
    own_workspace.mkdir()
    (own_workspace / "profiles.toml").write_text(example)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "One A100" in done.stdout and "profiles.toml" in done.stderr
