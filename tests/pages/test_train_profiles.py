"""Where a run goes: folded away without profiles, a choice with them; and what the page says of a run on a cluster."""

from __future__ import annotations

import time

import pytest

from genediff.core.json_files import write_json
from genediff.runs import list_runs, submit
from genediff.runs.backend import Look
from genediff.runs.backend_slurm import SlurmBackend
from genediff.runs.run_status import Status
from genediff.training.presets import preset_run
from tests.pages.conftest import texts

PROFILE = "[lab]\ntitle = 'The lab cluster'\npartition = 'gpu_day'\ndevices = 2\ntime = '2:00:00'\n"


@pytest.fixture(autouse=True)
def _no_file_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("GENEDIFF_PROFILES", str(tmp_path / "none.toml"))


def _cluster_run(workspace, **status):
    """A run's folder as a submission to SLURM leaves it."""
    folder = workspace.runs / "20260101-000000-aaaa"
    folder.mkdir()
    config = preset_run("quick", workspace.list_datasets()[0], title="Far away").model_dump(mode="json")
    write_json(folder / "run.json", {"kind": "train", "name": "Far away", "backend": "slurm", "profile": "lab",
                                     "config": config})  # fmt: skip
    Status(**{"state": "queued", "submitted": time.time(), **status}).write(folder)
    (folder / "submitit").mkdir()
    (folder / "submitit" / "17_0_log.err").write_text("a module was loaded")
    write_json(folder / "job.json", {"job_id": "17", "user": "ada"})
    return folder.name


def test_with_this_machine_alone_it_is_folded_away_and_explained(workspace, open_page):
    app = open_page("train")
    (folded,) = [one for one in app.expander if "cluster" in one.label]
    assert not folded.proto.expanded
    assert "profiles.toml" in folded.markdown[0].value and "[gpu]" in folded.code[0].value
    assert not [box for box in app.selectbox if box.label == "Where it runs"]


def test_a_profile_is_chosen_stands_in_the_address_and_is_what_the_run_is_given(workspace, open_page, monkeypatch):
    (workspace.runs.parent / "profiles.toml").write_text(PROFILE)
    monkeypatch.setenv("PATH", "")  # no SLURM here, whatever the machine has
    app = open_page("train")
    (box,) = [box for box in app.selectbox if box.label == "Where it runs"]
    assert box.options == ["This machine", "The lab cluster"]
    box.set_value("lab").run()
    assert app.query_params["profile"] == "lab"
    assert "2 GPUs" in texts(app) and "time limit 2:00:00" in texts(app)
    next(b for b in app.button if b.label == "Start training").click().run()
    assert "could not be handed to SLURM: SLURM's commands (sbatch, srun) are not on this machine" in app.error[
        0
    ].value.replace("\\", "")
    (run,) = list_runs(workspace)
    assert (run.backend, run.profile, run.status.state) == ("slurm", "lab", "failed")


def test_a_wrong_file_is_named_and_this_machine_is_left(workspace, open_page):
    (workspace.runs.parent / "profiles.toml").write_text("[lab]\npartitoin = 'gpu'\n")
    app = open_page("train")
    assert "'partitoin': there is no such entry" in app.error[0].value.replace("\\", "")
    assert any(b.label == "Start training" for b in app.button)


def test_a_waiting_run_says_its_place_and_shows_slurms_own_logs(workspace, open_page, monkeypatch):
    """What SLURM answers is the one thing that is given here; the tests of the backend ask a real one."""
    sentence = (
        "SLURM job 17 waits as 3rd of 7 in the line of partition gpu_day: others come first in the order of SLURM."
    )
    monkeypatch.setattr(SlurmBackend, "look", lambda self, folder: Look("waiting", sentence))
    run = _cluster_run(workspace)
    app = open_page("train", {"run": run})
    assert "as 3rd of 7 in the line" in app.info[0].value
    assert [tab.label for tab in app.tabs] == ["The worker", "SLURM's standard error"]
    assert any(b.label == "Cancel" for b in app.button)
    app = open_page("train")
    assert "as 3rd of 7 in the line" in texts(app)


def test_a_running_one_says_where_and_a_vanished_one_what_became_of_it(workspace, open_page, monkeypatch):
    seen = [Look("going", "SLURM job 17 on node3, partition gpu_day; 1 h 2 min until its time limit.")]
    monkeypatch.setattr(SlurmBackend, "look", lambda self, folder: seen[0])
    run = _cluster_run(workspace, state="running", pid=1, host="node3", heartbeat=time.time(), stage="flow")
    assert "on node3" in texts(open_page("train", {"run": run}))
    seen[0] = Look("gone", "SLURM job 17 was ended because it took more memory than it had asked for.")
    Status(state="running", pid=1, host="node3", heartbeat=time.time() - 60).write(workspace.runs / run)
    app = open_page("train", {"run": run})
    assert "more memory" in app.error[0].value
    assert any(b.label == "Resume" for b in app.button)


def test_local_runs_need_no_file(workspace):
    (workspace.runs.parent / "profiles.toml").write_text("[broken")
    run = submit(preset_run("quick", workspace.list_datasets()[0], title="Here"), workspace)
    assert run.cancel(wait=300).state == "cancelled"
