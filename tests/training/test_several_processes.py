"""Two processes train the model that one trains, and a run may go on with more or fewer of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch

from genediff.core.errors import InputError
from genediff.models.load_model import load_model
from genediff.training.train import train_model
from tests.slowdown import slowdown
from tests.training.conftest import events_of

GENE_SPACE = {"space": "gene", "predict": "data"}
ROOT = Path(__file__).resolve().parents[2]
# Sums over a batch are taken in another order: 1e-7 at first, and a few steps let it grow.
SAME = {"rtol": 1e-5, "atol": 1e-5}


def train(config, dataset, folder, *, stop_after: int | None = None):
    """Train, stopping after so many steps of all stages; return the events."""
    run = partial(train_model, config, dataset, folder=folder, model_id="m")
    return events_of(run, stop_after=stop_after)


def curve(events):
    steps = [e for e in events if e.loss is not None]
    places, losses = [(e.stage, e.step) for e in steps], torch.tensor([e.loss for e in steps], dtype=torch.double)
    return places, losses, torch.tensor([e.validation for e in steps if e.validation is not None], dtype=torch.double)


def assert_same(events, others, folder, other) -> None:
    (places, losses, looks), (places_2, losses_2, looks_2) = curve(events), curve(others)
    assert places == places_2
    torch.testing.assert_close(losses, losses_2, **SAME)
    torch.testing.assert_close(looks, looks_2, **SAME)
    one, two = (load_model(place / "model", device="cpu").state_dict() for place in (folder, other))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4, msg=name)


ONE, TWO, CUT = {}, {"devices": 2}, {"devices": 2, "strategy": "fsdp"}


@pytest.mark.parametrize(
    ("space", "before", "after", "stop_after"),
    [
        ({}, {"accumulate": 3}, ONE, 17),
        pytest.param({}, TWO, ONE, 17, marks=pytest.mark.slow),
        (GENE_SPACE, ONE, {**TWO, "accumulate": 2}, 7),
        pytest.param({}, CUT, ONE, 17, marks=pytest.mark.slow),
        pytest.param({}, ONE, CUT, 17, marks=pytest.mark.slow),
    ],
    ids=["parts", "two-one", "gene-one-two-parts", "fsdp-one", "one-fsdp"],
)
def test_the_loss_curve_does_not_tell_how_many_worked(
    small, planted, tmp_path, space, before, after, stop_after
) -> None:
    """A run begun by some processes and ended by others, across a checkpoint, beside one that a single one did."""
    config = small(tokenizer_steps=12, steps=12, batch_size=56, **space)  # 4 blocks, the last one short
    for attempt in range(3):
        # Twice in the whole suite one of these trainings drew other numbers, and never when run alone;
        # why is not known. What is wrong in the sharing would be so every time.
        whole = train(config, planted, tmp_path / f"whole-{attempt}")
        parts = tmp_path / f"parts-{attempt}"
        first = train(config.model_copy(update=before), planted, parts, stop_after=stop_after)
        rest = train(config.model_copy(update=after), planted, parts)
        with contextlib.suppress(AssertionError) if attempt < 2 else contextlib.nullcontext():
            assert_same(whole, [*first, *rest], tmp_path / f"whole-{attempt}", parts)
            break
    control = train(config.model_copy(update={"seed": 1}), planted, tmp_path / "control")
    assert not torch.allclose(curve(whole)[1], curve(control)[1], rtol=1e-3)


def test_a_batch_that_cannot_be_shared_is_said_before_any_step(small, planted, tmp_path) -> None:
    with pytest.raises(InputError, match="a batch of 20 cells is too small for 3 processes"):
        train(small(batch_size=20, tokenizer_batch_size=20).model_copy(update={"devices": 3}), planted, tmp_path)


ENDLESS = """
import json, sys
from pathlib import Path
from genediff.data import Dataset
from genediff.models.config import RunConfig
from genediff.training.train import train_model
from tests.training.conftest import events_of
config = RunConfig.model_validate_json(sys.argv[1])
for event in train_model(config, Dataset.open(Path(sys.argv[2])), folder=Path(sys.argv[3]), model_id="m"):
    print(event.step, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.slow
def test_others_leave_when_the_first_is_killed_and_the_first_says_when_another_is(small, planted, tmp_path) -> None:
    config = small(tokenizer_steps=100_000).model_copy(update={"devices": 2})

    def start() -> tuple[subprocess.Popen[str], list[psutil.Process]]:
        words = [sys.executable, "-c", ENDLESS, config.model_dump_json(), str(planted.info.folder), str(tmp_path)]
        first = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert first.stdout is not None
        for line in first.stdout:
            if line.strip() == "5":
                break
        others = psutil.Process(first.pid).children()
        assert len(others) == 1
        return first, others

    first, others = start()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    gone, _ = psutil.wait_procs(others, timeout=20)
    assert gone == others
    first, others = start()
    begun = time.monotonic()
    os.kill(others[0].pid, signal.SIGKILL)
    _, said = first.communicate(timeout=60)
    assert "process 2 of 2 ended early (killed by the system" in said
    assert time.monotonic() - begun < 30 * slowdown()
