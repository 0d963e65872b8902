"""Hand a run to sbatch, through submitit, as its profile says. `python -m genediff.runs.slurm_launch FOLDER ROOT`."""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path
from typing import Any

import submitit

from genediff.core.errors import InputError
from genediff.core.json_files import read_or_none, write_json
from genediff.runs.backend import WORKER_ENVIRONMENT, python_path
from genediff.runs.profiles import Profile, read_profiles, to_dict
from genediff.runs.worker import work


def launch(folder: Path, root: Path) -> None:
    """Submit the run in `folder` and note the job in job.json."""
    description = read_or_none(folder / "run.json") or {}
    name = str(description.get("profile", ""))
    # As the profile reads now: a longer time limit counts from the next resume. One that is gone is taken as it was.
    profile = read_profiles(root).get(name) or Profile.model_validate(description.get("profile_content", {}))
    try:
        executor = submitit.SlurmExecutor(folder / "submitit", python=_python(profile))
    except RuntimeError:
        raise InputError("SLURM's commands (sbatch, srun) are not on this machine.") from None
    executor.update_parameters(**parameters(profile, name=f"genediff-{folder.name}"))
    job = executor.submit(work, str(folder), str(root))
    write_json(
        folder / "job.json",
        {"job_id": str(job.job_id), "user": getpass.getuser(), "profile": name, "profile_content": to_dict(profile)},
    )


def parameters(profile: Profile, *, name: str) -> dict[str, Any]:
    """Return submitit's parameters for a profile."""
    directives: dict[str, Any] = {"requeue": True, **profile.directives}
    for key, value in (("mem", profile.memory), ("account", profile.account), ("qos", profile.qos)):
        if value is not None:
            directives.setdefault(key, value)
    per_task = [] if profile.cpus is None else [f"--cpus-per-task={profile.cpus}"]  # srun no longer inherits it
    kind = "" if profile.device_type is None else f"{profile.device_type}:"
    given = {
        "job_name": name,
        "partition": profile.partition,
        "time": profile.minutes,
        "nodes": profile.nodes,
        "ntasks_per_node": profile.tasks_per_node,
        "cpus_per_task": profile.cpus,
        "gres": f"gpu:{kind}{profile.devices}" if profile.devices else None,
        "signal_delay_s": profile.warning,
        "setup": setup_lines(profile),
        "additional_parameters": {key: value for key, value in directives.items() if value is not False},
        "srun_args": ["--kill-on-bad-exit=1", *per_task],
    }
    return {key: value for key, value in given.items() if value is not None}


def setup_lines(profile: Profile) -> list[str]:
    """Return the shell before the run: the environment, which some clusters do not pass on, modules, and the venv."""
    variables = {**WORKER_ENVIRONMENT, "PYTHONPATH": python_path()}
    if not profile.devices:
        variables["CUDA_VISIBLE_DEVICES"] = ""  # a node's GPUs that were not asked for are others'
    if profile.cpus is not None:
        variables["OMP_NUM_THREADS"] = str(profile.cpus)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in {**variables, **profile.environment}.items()]
    if profile.modules:
        lines.append("command -v module > /dev/null || . /etc/profile")
    lines += [f"module load {shlex.quote(module)} || exit 1" for module in profile.modules]
    if profile.venv is not None:
        lines.append(f". {shlex.quote(profile.venv + '/bin/activate')} || exit 1")
    return [*lines, *profile.setup]


def _python(profile: Profile) -> str:
    return shlex.quote(sys.executable if profile.venv is None else f"{profile.venv}/bin/python")


if __name__ == "__main__":
    try:
        launch(Path(sys.argv[1]), Path(sys.argv[2]))
    except (InputError, submitit.core.utils.FailedJobError) as problem:
        sys.exit(str(problem))
