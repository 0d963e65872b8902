"""The Train page: what it asks, what it says before the button, and one run from start to cancel."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from genediff.core.json_files import read_or_none
from genediff.models.config import ModelConfig, TrainConfig
from genediff.runs import Event, list_runs, submit
from genediff.runs.run_process import HOST
from genediff.runs.run_status import Status
from genediff.training.presets import preset_run
from genediff.training.training_samples import SAMPLES_FILE
from genediff.ui.kit import forms
from genediff.ui.run_views import run_actions, run_card
from tests.pages.conftest import texts


def test_without_data_it_says_what_to_do(no_data, open_page):
    app = open_page("train")
    assert "No data set yet" in texts(app)
    assert not [b for b in app.button if b.label == "Start training"]


def test_with_data_it_offers_strategy_presets_and_a_button(workspace, open_page):
    app = open_page("train")
    said = texts(app)
    assert "Latent tokens" in said and "Quick" in said and "scLDM-style" in said
    assert [b.label for b in app.button].count("Chosen") == 2
    assert any(b.label == "Start training" for b in app.button)


def test_the_address_holds_preset_and_options(workspace, open_page):
    app = open_page("train", {"preset": "scldm-style", "scldm-style-train-steps": "123"})
    assert app.number_input(key="scldm-style-train-steps").value == 123
    app.button(key="choose-preset-quick").click().run()
    assert app.query_params["preset"] == "quick"
    assert app.number_input(key="quick-train-steps").value != 123


def test_it_hands_out_the_command_and_the_methods_before_a_run_begins(workspace, open_page):
    app = open_page("train", {"quick-train-steps": "123"})
    said = "\n".join(block.value for block in app.code)
    assert "python -m genediff train pbmc3k --preset quick" in said and "train.steps=123" in said
    assert "123 flow steps" in said and "seed 0" in said


def test_options_that_do_not_fit_are_named_before_the_button(workspace, open_page):
    app = open_page("train", {"quick-model-width": "130", "quick-model-heads": "4"})
    for _ in range(60):
        if app.error:
            break
        time.sleep(0.5)
        app.run()
    assert "not a multiple" in app.error[0].value


def test_an_unknown_run_is_named_and_the_form_is_there(workspace, open_page):
    app = open_page("train", {"run": "20000101-000000-dead"})
    assert "There is no run" in app.error[0].value
    assert any(b.label == "Start training" for b in app.button)


def test_what_was_typed_just_before_the_button_counts(workspace, open_page):
    """Start was a callback with the form as last drawn: a number typed while the page redrew trained 2,000 steps."""
    app = open_page("train", {"quick-model-width": "32", "quick-model-depth": "1"})
    app.number_input(key="quick-train-tokenizer_steps").set_value(99_000)
    next(b for b in app.button if b.label == "Start training").click().run()
    run = list_runs(workspace)[0]
    run.cancel(wait=300)
    assert run.config["train"]["tokenizer_steps"] == 99_000


def test_a_run_is_started_watched_cancelled_and_deleted(workspace, open_page):
    small = {"quick-train-tokenizer_steps": "100000", "quick-model-width": "32", "quick-model-depth": "1"}
    app = open_page("train", small)
    next(b for b in app.button if b.label == "Start training").click().run()
    run = list_runs(workspace)[0]
    assert app.query_params["run"] == run.id
    assert run.config["train"]["tokenizer_steps"] == 100000 and run.config["model"]["width"] == 32
    app.button(key=f"cancel-{run.id}").click().run()
    deadline = time.monotonic() + 600
    while not run.status.has_ended and time.monotonic() < deadline:
        time.sleep(0.3)
    app.run()
    assert run.status.state == "cancelled"
    assert any(b.label == "Resume" for b in app.button)
    app.button(key=f"delete-{run.id}").click().run()
    assert not run.folder.exists()
    assert any(b.label == "Start training" for b in app.button)


def test_a_dead_worker_is_said_plainly(workspace, open_page):
    run = submit(preset_run("quick", workspace.list_datasets()[0], title="Unlucky"), workspace)
    run.cancel(wait=300)
    assert run.status.has_ended
    # A worker that was cancelled while it started writes its status once more, over the one that is written here.
    deadline = time.monotonic() + 600
    while not (read_or_none(run.folder / "status.json") or {}).get("ended") and time.monotonic() < deadline:
        time.sleep(0.1)
    Status(state="running", stage="flow", step=5, total=10, pid=2**22 - 1, process_mark="gone", host=HOST).write(
        run.folder
    )
    (run.folder / "cancel").unlink(missing_ok=True)
    (run.folder / "checkpoint").mkdir(exist_ok=True)
    sample = {"step": 250, "xy": [[1, 2]] * 200, "nearest": [0] * 200, "distance": 9.5, "held_out": 6.5}
    (run.folder / "checkpoint" / SAMPLES_FILE).write_text(json.dumps(sample))
    app = open_page("train", {"run": run.id})
    assert "The worker process is gone" in app.error[0].value
    assert "9.5 after 250 steps; validation cells 6.5" in texts(app)  # what it generated on its way stays
    assert any(b.label == "Resume" for b in app.button)


def test_curves_leave_out_what_a_resumed_worker_did_again():
    steps = [Event(float(i), "step", "flow", step, 10, loss) for i, (step, loss) in enumerate(
        [(1, 9.0), (2, 8.0), (3, 7.0), (2, 5.0), (3, 4.0)])]  # fmt: skip
    (curve,) = run_card.curves_of(steps)
    np.testing.assert_array_equal(curve.steps, [1, 2, 3])
    np.testing.assert_array_equal(curve.loss, [9.0, 5.0, 4.0])
    assert curve.total_steps == 10


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.2, "1 s"), (59, "59 s"), (61, "1 min"), (3600, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_are_written_as_people_say_them(seconds, words):
    assert run_actions.duration(seconds) == words


@pytest.mark.parametrize("config", [ModelConfig, TrainConfig])
def test_every_option_of_a_form_has_a_title_and_a_sentence(config):
    for option in forms.options(config).values():
        assert option.title and option.sentence.endswith("."), option.name
        if option.kind == "choice":
            assert option.default in option.choices
        elif option.kind in ("int", "float") and option.low is not None:
            assert option.low <= option.default
