"""What a run will need is measured beside the page, and only for models that somebody still looks at."""

from __future__ import annotations

import math
import threading
import time

from genediff.models.config import RunConfig
from genediff.ui.run_views import estimate_view


def test_models_are_timed_one_at_a_time_and_those_left_behind_not_at_all(workspace, monkeypatch):
    """Whoever looked through the strategies started a measurement for each, all at once on the same cores."""
    going, most, timed, hold = [], [], [], threading.Event()

    def slow(config, info, **_):
        going.append(config.seed)
        most.append(len(going))
        hold.wait(30)
        timed.append(going.pop())

    monkeypatch.setattr("genediff.training.estimate.estimate", slow)
    dataset, library = workspace.open_dataset("pbmc3k"), workspace.library()
    begun = []
    for seed, asked in enumerate((math.inf, -math.inf, -math.inf, math.inf)):
        config = RunConfig(dataset_id="pbmc3k", seed=seed)
        begun.append(estimate_view._measure("here", "c", f"model {seed}", 1, config, dataset, library))
        begun[-1].asked = asked
    while not going:
        time.sleep(0.01)
    hold.set()
    assert all(one.done.wait(60) for one in begun)
    assert sorted(timed) == [0, 3] and max(most) == 1
