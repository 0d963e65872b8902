"""What a network is asked to predict, and how its answer becomes a velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from genediff.diffusion.paths import Coefficients, Path

if TYPE_CHECKING:
    from torch import Generator, Tensor

Prediction = Literal["velocity", "noise", "data"]
Times = Literal["logit_normal", "uniform"]

# Turning noise into a velocity divides by alpha, and data into a velocity by sigma: both vanish at one end.
FLOOR = 0.02

# States are standardised, so data beyond this many standard deviations come from the division, not from cells. (DDPM
# clips its estimate of the data for the same reason.)
MOST = 6.0


@dataclass(frozen=True, eq=False)
class PathSample:
    """A point on the path of each cell, and what the network should say there."""

    x_t: Tensor
    t: Tensor
    target: Tensor
    weight: Tensor

    def rows(self, wanted: Tensor) -> PathSample:
        """Return those of some cells."""
        return PathSample(self.x_t[wanted], self.t[wanted], self.target[wanted], self.weight[wanted])


@dataclass(frozen=True)
class Objective:
    """A path, the quantity that is regressed on it, and the law of the training times.

    A data prediction is weighted as the loss of the velocity it implies, 1 / sigma(t)², bounded.
    """

    path: Path
    predict: Prediction = "velocity"
    times: Times = "logit_normal"

    def __post_init__(self) -> None:
        if self.predict not in ("velocity", "noise", "data"):
            raise ValueError(f"unknown prediction {self.predict!r}; known: 'velocity', 'noise', 'data'")
        if self.times not in ("logit_normal", "uniform"):
            raise ValueError(f"unknown law of times {self.times!r}; known: 'logit_normal', 'uniform'")

    @property
    def start(self) -> float:
        """The first time of sampling: a little after 0 where the velocity divides by alpha."""
        return 1e-3 if self.predict == "noise" else 0.0

    def draw_times(self, n: int, *, generator: Generator) -> Tensor:
        """Draw n training times in (0, 1) on the CPU.

        Source of the logit-normal law: Esser et al. 2024 (SD3), section 3.1.
        """
        if self.times == "uniform":
            return torch.rand(n, generator=generator)
        return torch.sigmoid(torch.randn(n, generator=generator))

    def sample(self, x_1: Tensor, *, generator: Generator) -> PathSample:
        """Draw a time and a noise for each row of x_1 (cell, dim) and return the regression problem."""
        t = self.draw_times(len(x_1), generator=generator).to(x_1.device)
        x_0 = torch.randn(x_1.shape, generator=generator).to(x_1.device, x_1.dtype)
        c = _columns(self.path(t))
        x_t = c.alpha * x_1 + c.sigma * x_0  # (cell, dim)
        weight = torch.ones_like(t)
        if self.predict == "velocity":
            target = c.d_alpha * x_1 + c.d_sigma * x_0  # (cell, dim)
        elif self.predict == "noise":
            target = x_0
        else:
            target = x_1
            weight = c.sigma[:, 0].clamp(min=0.1) ** -2
        return PathSample(x_t=x_t, t=t, target=target, weight=weight)

    def loss(self, output: Tensor, drawn: PathSample) -> Tensor:
        """Return the weighted mean squared error of outputs (cell, dim)."""
        errors = (output.float() - drawn.target).square().mean(1)  # (cell,)
        return (errors * drawn.weight).mean()

    def from_data(self, data: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Turn an estimate of the data (cell, dim) at (x_t, t) into what is regressed: data, noise or velocity."""
        if self.predict == "data":
            return data
        c = _columns(self.path(t))
        noise = (x_t - c.alpha * data) / c.sigma.clamp(min=FLOOR)
        return noise if self.predict == "noise" else c.d_alpha * data + c.d_sigma * noise

    def velocity(self, output: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Turn a network's output at (x_t, t) into dx/dt.

        Parameters
        ----------
        output, x_t
            (cell, dim).
        t
            (cell,), in [start, 1].
        """
        if self.predict == "velocity":
            return output
        c = _columns(self.path(t))
        if self.predict == "noise":
            data = ((x_t - c.sigma * output) / c.alpha.clamp(min=1e-3)).clamp(-MOST, MOST)
            noise = (x_t - c.alpha * data) / c.sigma.clamp(min=FLOOR)
            return c.d_alpha * data + c.d_sigma * noise
        noise = (x_t - c.alpha * output) / c.sigma.clamp(min=FLOOR)
        return c.d_alpha * output + c.d_sigma * noise

    def data_at(self, velocity: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the estimate of the data (cell, dim) that a velocity at (x_t, t) implies.

        Both equations, of the state and of its velocity, are linear in data and noise; noise is eliminated.
        """
        c = _columns(self.path(t))
        return (c.d_sigma * x_t - c.sigma * velocity) / (c.alpha * c.d_sigma - c.sigma * c.d_alpha)


def _columns(c: Coefficients) -> Coefficients:
    return Coefficients(c.alpha[:, None], c.sigma[:, None], c.d_alpha[:, None], c.d_sigma[:, None])
