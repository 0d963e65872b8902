"""What is written while others read: status, events, and who is alive."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

from genediff.core.json_files import read_or_none, write_json
from genediff.runs import without_repeats
from genediff.runs.backend import Look
from genediff.runs.events import Event, EventLog, read_events
from genediff.runs.run_process import HOST, is_alive, process_mark
from genediff.runs.run_status import SILENCE, Status, read_status


def _running(**fields: object) -> Status:
    known = {"state": "running", "host": HOST, "pid": os.getpid(), "process_mark": process_mark(os.getpid())}
    return Status(**{**known, "heartbeat": time.time(), **fields})


def test_status_round_trip(tmp_path):
    status = _running(stage="flow", step=3, total=12, loss=0.5, message="µ")
    status.write(tmp_path)
    assert read_status(tmp_path) == status
    assert status.fraction == 0.25


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"state": "dancing"}', b"\xff\xfe\x00", b'{"state": "running"', None],
    ids=["empty", "torn", "list", "unknown state", "binary", "cut", "missing"],
)
def test_damaged_status_is_told_and_not_raised(tmp_path, content):
    if content is not None:
        (tmp_path / "status.json").write_bytes(content)
    status = read_status(tmp_path)
    assert status.state == "lost"
    assert "cannot be read" in status.message


def test_status_of_a_newer_version_is_read(tmp_path):
    """Fields that this version does not know are passed over."""
    write_json(tmp_path / "status.json", {"state": "finished", "colour": "green"})
    assert read_status(tmp_path).state == "finished"


def test_a_dead_worker_is_noticed(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    _running(pid=worker.pid, process_mark=process_mark(worker.pid)).write(tmp_path)
    assert read_status(tmp_path).state == "running"
    worker.kill()
    while process_mark(worker.pid) is not None:  # a zombie counts as dead before it is waited for
        time.sleep(0.01)
    assert read_status(tmp_path).state == "lost"
    assert "Resume" in read_status(tmp_path).message
    worker.communicate()


def test_another_process_under_the_same_number_is_not_the_worker(tmp_path):
    _running(process_mark="an earlier start").write(tmp_path)
    assert read_status(tmp_path).state == "lost"
    assert not is_alive(os.getpid(), "an earlier start")


def test_a_worker_elsewhere_is_known_by_its_heartbeat(tmp_path):
    _running(host="elsewhere", pid=1).write(tmp_path)
    assert read_status(tmp_path).state == "running"
    _running(host="elsewhere", pid=1, heartbeat=time.time() - SILENCE - 1).write(tmp_path)
    assert read_status(tmp_path).state == "lost"


def test_a_worker_that_never_came(tmp_path):
    Status(state="queued", submitted=time.time() - 3600).write(tmp_path)
    assert read_status(tmp_path).state == "lost"
    assert read_status(tmp_path, look=lambda: Look("waiting")).state == "queued"


def test_events_are_read_on_from_where_one_left(tmp_path):
    path = tmp_path / "events.jsonl"
    assert read_events(path).items == ()
    with contextlib.closing(EventLog(path)) as log:
        log.append(Event(1.0, stage="flow", step=1, loss=2.0))
        first = read_events(path)
        log.append(Event(2.0, stage="flow", step=2, loss=1.0))
    second = read_events(path, first.since)
    assert [event.step for event in (*first.items, *second.items)] == [1, 2]
    assert read_events(path, second.since).items == ()


def test_a_torn_last_line_waits_and_a_resumed_worker_closes_it(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"time": 1.0, "step": 1}\n{"time": 2.0, "st')
    before = read_events(path)
    assert [event.step for event in before.items] == [1]
    with contextlib.closing(EventLog(path)) as log:
        log.append(Event(3.0, step=3))
    after = read_events(path, before.since)
    assert [event.step for event in after.items] == [3]


def test_damaged_lines_are_passed_over(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b'\x00\xff\n[1]\n{"what": "dance", "time": 1}\n{"time": "noon"}\n{"time": 5, "later": 1, "step": 9}\n'
    )
    assert [event.step for event in read_events(path).items] == [9]


def test_a_replaced_file_is_read_anew(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"time": 1, "step": 1}\n')
    assert len(read_events(path, since=10_000).items) == 1


def test_what_a_killed_worker_did_again_is_counted_once():
    steps = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3), ("b", 2), ("b", 3), ("b", 4)]
    events = [Event(0.0, stage=stage, step=step, loss=float(i)) for i, (stage, step) in enumerate(steps)]
    events.insert(5, Event(0.0, what="resumed"))
    kept = without_repeats(events)
    assert [(event.stage, event.step) for event in kept] == [("a", 1), ("a", 2), *(("b", i) for i in range(1, 5))]
    assert [event.loss for event in kept] == [0, 1, 2, 5, 6, 7]


def test_a_message_does_not_displace_a_loss():
    """Early stopping is told as an event of the same step, without a loss."""
    events = [Event(0.0, stage="flow", step=5, loss=1.0), Event(0.0, stage="flow", step=5, message="Stopped early.")]
    assert [event.loss for event in without_repeats(events)] == [1.0]


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "status.json"
    program = (
        "import sys, pathlib; from genediff.core.json_files import write_json\n"
        "for i in range(400): write_json(pathlib.Path(sys.argv[1]), {'i': i, 'long': 'x' * 20000})"
    )
    write_json(path, {"i": -1})
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
    looks = 0
    while writer.poll() is None:
        assert json.loads(path.read_bytes())["i"] >= -1
        looks += 1
    assert writer.returncode == 0
    assert looks > 10
    assert read_or_none(path)["i"] == 399
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
