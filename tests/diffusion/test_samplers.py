"""For Gaussian data the velocity is known in closed form, so samplers are tested with no network."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torchdiffeq import odeint

from genediff.core.errors import InputError
from genediff.diffusion import PATHS, Objective, sample, samplers

MEAN, STD = 2.0, 0.5


def gaussian_velocity(path):
    """E[dx/dt | x_t] for one-dimensional data N(MEAN, STD²)."""

    def velocity(x, t):
        c = path(t[:, None])
        variance = c.alpha**2 * STD**2 + c.sigma**2
        gain = (c.d_alpha * c.alpha * STD**2 + c.d_sigma * c.sigma) / variance
        return c.d_alpha * MEAN + gain * (x - c.alpha * MEAN)

    return velocity


def carried(name: str, sampler: str, n_steps: int) -> torch.Tensor:
    path = PATHS[name]()
    x_0 = torch.linspace(-2, 2, 9, dtype=torch.double)[:, None]
    *_, x = sample(gaussian_velocity(path), x_0, path, sampler=sampler, n_steps=n_steps)
    # The flow between Gaussians is the affine map of quantiles.
    return (x - (MEAN + STD * x_0)).abs().max()


@pytest.mark.parametrize("name", list(PATHS))
@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
def test_halving_the_step_cuts_the_error_by_the_order(name: str, sampler: str, order: int) -> None:
    steps = [16, 32, 64, 128]
    errors = [math.log(float(carried(name, sampler, n))) for n in steps]
    slope = (errors[-1] - errors[0]) / math.log(steps[0] / steps[-1])
    assert slope == pytest.approx(order, abs=0.25)


def test_ddim_is_euler_on_straight_lines() -> None:
    torch.testing.assert_close(carried("rectified_flow", "ddim", 10), carried("rectified_flow", "euler", 10))


@pytest.mark.parametrize("name", list(PATHS))
def test_ddim_needs_a_single_step_where_the_data_are_known(name: str) -> None:
    """Its step is exact as long as the data and the noise that it splits a state into stay the same."""
    path = PATHS[name]()

    def velocity(x, t):
        c = path(t[:, None])
        return c.d_alpha * MEAN + c.d_sigma * (x - c.alpha * MEAN) / c.sigma

    x_0 = torch.linspace(-2, 2, 9, dtype=torch.double)[:, None]
    *_, x = sample(velocity, x_0, path, sampler="ddim", n_steps=1)
    torch.testing.assert_close(x, torch.full_like(x, MEAN))


@pytest.mark.parametrize("name", list(PATHS))
def test_the_adaptive_solver_agrees_with_an_independent_one(name: str) -> None:
    path = PATHS[name]()
    velocity = gaussian_velocity(path)
    x_0 = torch.linspace(-2, 2, 9, dtype=torch.double)[:, None]
    *_, ours = sample(velocity, x_0, path, sampler="dopri5", n_steps=1)
    times = torch.tensor([0.0, 1.0], dtype=torch.double)
    theirs = odeint(lambda t, x: velocity(x, t.expand(len(x))), x_0, times, rtol=1e-8, atol=1e-8)[-1]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)  # its tolerance is 1e-4 per unit of time and step


@pytest.mark.parametrize("name", list(PATHS))
def test_the_ancestral_sampler_ends_at_the_data_and_its_noise_is_the_generators(name: str) -> None:
    """DDPM's own sampler was missing, so a noise-predicting model could not be sampled as the papers do."""
    path = PATHS[name]()
    x_0 = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.double)

    def end(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        *_, x = sample(gaussian_velocity(path), x_0, path, sampler="ancestral", n_steps=200, generator=generator)
        return x

    x = end(1)
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(x.std()) == pytest.approx(STD, rel=0.04)
    assert torch.equal(x, end(1)) and not torch.equal(x, end(2))
    assert abs(float(torch.corrcoef(torch.stack([x[:, 0], x_0[:, 0]]))[0, 1])) < 0.1  # what came first is forgotten


@pytest.mark.parametrize("predict", ["data", "noise", "velocity"])
@pytest.mark.parametrize("name", list(PATHS))
def test_an_estimate_of_the_data_gives_one_velocity_whatever_is_predicted(name: str, predict: Any) -> None:
    """Gene space refused to predict noise, as DDPM does; the network's estimate now becomes what is asked for."""
    x_t, data, t = torch.tensor([[0.3, -1.0]]), torch.tensor([[1.0, 0.5]]), torch.tensor([0.4])
    objective = Objective(PATHS[name](), predict)
    c = objective.path(t)
    noise = (x_t - c.alpha * data) / c.sigma
    expected = c.d_alpha * data + c.d_sigma * noise
    torch.testing.assert_close(objective.velocity(objective.from_data(data, x_t, t), x_t, t), expected)


def test_unknown_samplers_and_no_steps_are_said() -> None:
    path = PATHS["rectified_flow"]()
    x = torch.zeros(2, 1)
    with pytest.raises(InputError, match="unknown sampler 'rk9'; known: 'euler'"):
        list(sample(gaussian_velocity(path), x, path, sampler="rk9", n_steps=4))
    with pytest.raises(InputError, match="give at least 1"):
        list(sample(gaussian_velocity(path), x, path, sampler="heun", n_steps=0))


@pytest.mark.parametrize("n_steps", [1, 2, 7, 10])
def test_the_grid_rises_from_noise_to_data_and_is_finer_at_both_ends(n_steps: int) -> None:
    times = samplers.grid(n_steps)
    gaps = times.diff()
    assert times[0] == 0 and times[-1] == 1 and (gaps > 0).all()
    torch.testing.assert_close(gaps, gaps.flip(0))
    if n_steps > 3:
        assert gaps[0] < 0.6 / n_steps and gaps[n_steps // 2] > 1.2 / n_steps
