from __future__ import annotations

import pytest
import torch

from genediff.diffusion import PATHS, Objective

ALL = pytest.mark.parametrize("name", list(PATHS))


@ALL
def test_a_path_begins_in_noise_and_ends_in_data(name: str) -> None:
    ends = PATHS[name]()(torch.tensor([0.0, 1.0], dtype=torch.double))
    torch.testing.assert_close(ends.alpha, torch.tensor([0.0, 1.0], dtype=torch.double), atol=1e-12, rtol=0)
    torch.testing.assert_close(ends.sigma, torch.tensor([1.0, 0.0], dtype=torch.double), atol=1e-12, rtol=0)


@ALL
def test_derivatives_are_those_of_autograd(name: str) -> None:
    t = torch.linspace(0.05, 0.95, 11, dtype=torch.double, requires_grad=True)
    c = PATHS[name]()(t)
    for value, slope in ((c.alpha, c.d_alpha), (c.sigma, c.d_sigma)):
        (expected,) = torch.autograd.grad(value.sum(), t, retain_graph=True)
        torch.testing.assert_close(slope.detach(), expected)


@ALL
@pytest.mark.parametrize("predict", ["velocity", "noise", "data"])
def test_a_perfect_prediction_gives_the_true_velocity(name: str, predict: str) -> None:
    """Round trip: whatever is regressed, its exact answer must become d x_t / dt."""
    path = PATHS[name]()
    objective = Objective(path, predict)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    x_1 = torch.randn(200, 5, generator=generator, dtype=torch.double)
    drawn = objective.sample(x_1, generator=generator)
    c = path(drawn.t[:, None])
    x_0 = (drawn.x_t - c.alpha * x_1) / c.sigma
    truth = c.d_alpha * x_1 + c.d_sigma * x_0
    inside = (drawn.t > 0.05) & (drawn.t < 0.95)  # the ends are bounded on purpose
    got = objective.velocity(drawn.target, drawn.x_t, drawn.t)
    torch.testing.assert_close(got[inside], truth[inside], rtol=1e-4, atol=1e-4)  # times are drawn in 32 bits
    assert objective.loss(drawn.target, drawn) < 1e-12


def test_logit_normal_times_prefer_the_middle() -> None:
    path = PATHS["rectified_flow"]()
    generator = torch.Generator().manual_seed(0)
    middle = Objective(path, times="logit_normal").draw_times(20_000, generator=generator)
    flat = Objective(path, times="uniform").draw_times(20_000, generator=generator)
    assert ((middle > 0.25) & (middle < 0.75)).float().mean() == pytest.approx(0.728, abs=0.02)  # Φ(1.0986) · 2 − 1
    assert ((flat > 0.25) & (flat < 0.75)).float().mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("field", "value"), [("predict", "velocty"), ("times", "uniformly")])
def test_a_typo_is_an_error_and_not_a_default(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=value):
        Objective(PATHS["rectified_flow"](), **{field: value})
