"""Ways along the path from noise to data; a sampler sees nothing but a velocity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from genediff.diffusion.paths import Path

Velocity = Callable[["Tensor", "Tensor"], "Tensor"]  # (x_t (cell, dim), t (cell,)) -> (cell, dim)
Sampler = Callable[[Velocity, "Tensor", "Tensor", "Path"], Iterator["Tensor"]]


def euler(velocity: Velocity, x: Tensor, times: Tensor, path: Path) -> Iterator[Tensor]:
    """Follow the velocity in straight steps (order 1), yielding the state after each."""
    for t, s in zip(times[:-1], times[1:], strict=True):
        x = x + (s - t) * velocity(x, t.expand(len(x)))
        yield x


def heun(velocity: Velocity, x: Tensor, times: Tensor, path: Path) -> Iterator[Tensor]:
    """Average the velocity at both ends of each step (order 2)."""
    for t, s in zip(times[:-1], times[1:], strict=True):
        v_t = velocity(x, t.expand(len(x)))
        v_s = velocity(x + (s - t) * v_t, s.expand(len(x)))
        x = x + (s - t) * (v_t + v_s) / 2
        yield x


def ddim(velocity: Velocity, x: Tensor, times: Tensor, path: Path) -> Iterator[Tensor]:
    """Split the state into its data and its noise and mix them anew for the next time.

    On the rectified-flow path this is Euler's step; on the variance-preserving one it is DDIM with eta = 0.

    Source: Song et al. 2021 (DDIM), equation 12.
    """
    for t, s in zip(times[:-1], times[1:], strict=True):
        data, noise = _split(velocity(x, t.expand(len(x))), x, path, t)
        then = path(s)
        x = then.alpha * data + then.sigma * noise
        yield x


def ancestral(
    velocity: Velocity, x: Tensor, times: Tensor, path: Path, *, generator: Generator | None = None
) -> Iterator[Tensor]:
    """Split the state into its data and its noise, and draw the next state from its posterior given both.

    On the variance-preserving path this is the sampler of DDPM (DDIM with eta = 1); it has a noise of its own in every
    step, so it needs more steps than the others.

    Source: Ho et al. 2020 (DDPM), equations 6-7; Song et al. 2021 (DDIM), equation 16.
    """
    for t, s in zip(times[:-1], times[1:], strict=True):
        data, noise = _split(velocity(x, t.expand(len(x))), x, path, t)
        now, then = path(t), path(s)
        ratio = now.alpha / then.alpha
        fresh = then.sigma.square() * (1 - ratio.square() * (then.sigma / now.sigma).square())
        fresh = fresh.clamp(min=torch.zeros_like(fresh), max=then.sigma.square())
        drawn = torch.randn(x.shape, generator=generator).to(x)
        x = then.alpha * data + (then.sigma.square() - fresh).sqrt() * noise + fresh.sqrt() * drawn
        yield x


def _split(velocity: Tensor, x: Tensor, path: Path, t: Tensor) -> tuple[Tensor, Tensor]:
    """Return data d and noise n (cell, dim) from x = alpha d + sigma n and v = alpha' d + sigma' n."""
    now = path(t)
    determinant = now.alpha * now.d_sigma - now.sigma * now.d_alpha
    return (now.d_sigma * x - now.sigma * velocity) / determinant, (
        now.alpha * velocity - now.d_alpha * x
    ) / determinant


# Dormand & Prince 1980, table 2 (the pair behind "dopri5"): nodes, stages, fifth-order weights, error weights.
_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
_STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
_FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def dopri5(
    velocity: Velocity, x: Tensor, times: Tensor, path: Path, *, tolerance: float = 1e-4, most: int = 1000
) -> Iterator[Tensor]:
    """Choose steps by an error estimate (order 5); only the first and last of the times are used.

    The error is the root mean square over all cells of a batch, relative to ``tolerance * (1 + |x|)``.
    """
    t, end = float(times[0]), float(times[-1])
    step = (end - t) / 20
    first = velocity(x, times[:1].expand(len(x)))
    for _ in range(most):
        if t >= end - 1e-9:
            return
        step = min(step, end - t)
        slopes = [first]
        for node, stage in zip(_NODES[1:], _STAGES[1:], strict=True):
            point = x + step * _combine(stage, slopes)
            slopes.append(velocity(point, times.new_full((len(x),), t + node * step)))
        new = x + step * _combine(_FIFTH, slopes)
        last = velocity(new, times.new_full((len(x),), t + step))
        scale = tolerance * (1 + torch.maximum(x.abs(), new.abs()))
        error = float((step * _combine(_ERROR, [*slopes, last]) / scale).square().mean().sqrt())
        if error <= 1:
            t, x, first = t + step, new, last
            yield x
        step *= min(5.0, max(0.2, 0.9 * max(error, 1e-8) ** -0.2))
    raise RuntimeError(f"dopri5 took more than {most} steps; choose a fixed-step sampler such as heun")


def _combine(weights: tuple[float, ...], slopes: list[Tensor]) -> Tensor:
    terms = [w * k for w, k in zip(weights, slopes, strict=False) if w]
    return torch.stack(terms).sum(0)


SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "ddim": ddim, "ancestral": ancestral, "dopri5": dopri5}


# How far the grid leans from equal steps (0) to a smooth step (1); .75 has half to a third of the error of equal steps
# (benchmarks/sampling.md).
LEAN = 0.75


def grid(n_steps: int) -> Tensor:
    """Return n_steps + 1 rising numbers from 0 to 1, closer together at both ends, where the velocity turns most."""
    s = torch.linspace(0, 1, n_steps + 1, dtype=torch.double)
    return (1 - LEAN) * s + LEAN * s.square() * (3 - 2 * s)


def sample(
    velocity: Velocity,
    x_0: Tensor,
    path: Path,
    *,
    sampler: str,
    n_steps: int,
    start: float = 0.0,
    generator: Generator | None = None,
) -> Iterator[Tensor]:
    """Carry noise x_0 (cell, dim) to t = 1, yielding the state after every step; the last one is the sample.

    The generator is of the noise that the ancestral sampler adds.

    Raises
    ------
    InputError
        For an unknown sampler or fewer than one step.
    """
    if sampler not in SAMPLERS:
        raise InputError(f"unknown sampler {sampler!r}; known: {', '.join(map(repr, SAMPLERS))}")
    if n_steps < 1:
        raise InputError(f"the number of sampling steps is {n_steps}; give at least 1")
    times = start + (1 - start) * grid(n_steps).to(x_0)
    way = partial(ancestral, generator=generator) if sampler == "ancestral" else SAMPLERS[sampler]
    yield from way(velocity, x_0, times, path)
