"""The columns of a leaderboard: every metric of generated cells, and what is measured of the models themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from genediff.evaluation import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

Group = Literal["tokens", "cells", "cost"]
MAIN = ("c2st_pcs", "c2st_genes", "w2_debiased", "correlation_error", "recall", "tstr_f1")
"""The figures of generated cells that are shown first."""


@dataclass(frozen=True)
class Figure:
    """One column. ``better``, ``ideal`` and ``digits`` are as in `genediff.evaluation.Metric`."""

    name: str
    title: str
    sentence: str
    better: Literal["lower", "higher", "target"]
    group: Group
    ideal: float | None = None
    digits: int = 2

    @property
    def heading(self) -> str:
        """The title with its direction: ↓ lower is better, ↑ higher is better, → the value to reach."""
        arrow = {"lower": "↓", "higher": "↑"}.get(self.better, f"→ {self.ideal or 0:g}")
        return f"{self.title} {arrow}"

    def cost(self, value: float) -> float:
        """Return a number that is lower where the figure is better."""
        if self.better == "target":
            return abs(value - (self.ideal or 0.0))
        return value if self.better == "lower" else -value


_TOKENS = (
    Figure(
        "reconstruction_r",
        "Reconstruction r",
        "Held-out cells through encoder and decoder: correlation of a gene's measured and expected log expression, the "
        "mean over genes. Latent space only.",
        "higher",
        "tokens",
        digits=3,
    ),
    Figure(
        "reconstruction_nll",
        "Reconstruction NLL",
        "Negative log-likelihood of held-out counts given their own tokens, nats per cell and gene. Latent space only.",
        "lower",
        "tokens",
        digits=4,
    ),
)
_COST = (
    Figure("n_parameters", "Parameters", "Numbers that are learned.", "lower", "cost", digits=0),
    Figure("train_seconds", "Training (s)", "Seconds of training steps, both stages.", "lower", "cost", digits=0),
    Figure(
        "peak_memory_gb",
        "Memory (GB)",
        "The most memory that the training process held, the program itself and the data included.",
        "lower",
        "cost",
    ),
    Figure(
        "cells_per_second",
        "Cells per second",
        "Generated with the preset's sampler, 256 at once, on the machine that trained.",
        "higher",
        "cost",
        digits=0,
    ),
)

FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        *_TOKENS,
        *(
            Figure(metric.name, metric.title, metric.sentence, metric.better, "cells", metric.ideal, metric.digits)
            for metric in METRICS.values()
        ),
        *_COST,
    )
}


def figures_of(values: Mapping[str, float]) -> tuple[Figure, ...]:
    """Return the figures that are among these names, in the order of the table."""
    return tuple(figure for name, figure in FIGURES.items() if name in values)
