"""A recording changes nothing, ends with the sample, and keeps few states however many steps there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genediff.diffusion import Recorder
from tests.tokenizers.conftest import stirred, tiny_model, world  # noqa: F401  world is a fixture


@pytest.mark.parametrize(
    ("strategy", "space", "sampler"),
    [("latent", "latent", "heun"), ("pathway", "gene", "euler"), ("mlp", "latent", "dopri5")],
)
def test_cells_are_the_same_with_and_without(world, strategy, space, sampler):  # noqa: F811
    # An adaptive solver takes thousands of steps through a field that was stirred as much as the others.
    model = stirred(tiny_model(world, strategy, space), by=0.05 if sampler == "dopri5" else 0.2).eval()
    recorder = Recorder(n_cells=7)
    asked = {"n": 20, "n_steps": 4, "sampler": sampler, "guidance": 1.5, "seed": 3, "batch_size": 12}
    plain = model.generate(**asked)
    watched = model.generate(**asked, watch=recorder)
    assert (plain.X != watched.X).nnz == 0
    recording = recorder.finish()
    assert recording.states.shape[1:] == (7, model.state_size)
    assert recording.steps[0] == 0 and (sampler == "dopri5" or recording.steps == (0, 1, 2, 3, 4))
    # The last state, with the noise of the first batch, gives exactly the cells that were generated.
    states = []
    model.generate(**{**asked, "n": 12, "batch_size": 12}, watch=lambda state: states.append(state.clone()))
    assert torch.equal(states[-1][:7], recording.states[-1])
    expected = model.expected(recording.states[-1]).numpy()
    assert expected.shape == (7, len(model.genes)) and (expected >= 0).all()
    if space == "gene":  # nothing is drawn at random there: counts are rounded
        assert (expected.round() == watched.X[:7].toarray()).all()
    else:
        np.testing.assert_allclose(expected.sum(1), watched.obs["library"].to_numpy()[:7], rtol=1e-4)


@pytest.mark.parametrize("n_steps", [1, 5, 12, 13, 14, 50, 999])
def test_few_states_are_kept_evenly_and_the_ends_always(n_steps):
    recorder = Recorder(n_cells=2, most=13)
    for step in range(n_steps + 1):
        recorder(torch.full((3, 1), float(step)))
    recording = recorder.finish()
    assert recording.steps[0] == 0 and recording.steps[-1] == n_steps
    assert min(n_steps + 1, 7) <= len(recording.steps) <= 14
    assert recording.states[:, 0, 0].tolist() == list(recording.steps)
    gaps = np.diff(recording.steps)
    assert len(set(gaps[:-1])) <= 1 and gaps[-1] <= gaps.max()
    assert Recorder().finish() is None
