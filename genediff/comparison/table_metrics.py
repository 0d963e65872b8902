"""The columns of a leaderboard: every metric of generated cells, and what is measured of the models themselves."""

from __future__ import annotations

from typing import Literal

from genediff.evaluation import METRICS, Figure

Group = Literal["tokens", "cells", "cost"]
MAIN = ("c2st_pcs", "c2st_genes", "w2_debiased", "frechet", "lfc_correlation", "correlation_error", "recall", "tstr_f1")
"""The figures of generated cells that are shown first."""

_TOKENS = (
    Figure(
        "reconstruction_r",
        "Reconstruction r",
        "Held-out cells through encoder and decoder: correlation of a gene's measured and expected log expression, the "
        "mean over genes. Latent space only.",
        "higher",
        digits=3,
    ),
    Figure(
        "reconstruction_nll",
        "Reconstruction NLL",
        "Negative log-likelihood of held-out counts given their own tokens, nats per cell and gene. Latent space only.",
        "lower",
        digits=4,
    ),
    Figure(
        "nats_over_independent",
        "Nats over independent genes",
        "How much likelier the next molecule of a held-out cell is than for independent genes once 100 are read, in "
        "thousandths of a nat per molecule. Count space only.",
        "higher",
        digits=1,
    ),
    Figure(
        "nats_over_start",
        "Nats added by tokens",
        "The same, over the model's own start: genes one by one, recalibrated, before tokens say anything.",
        "higher",
        digits=1,
    ),
    Figure(
        "nats_over_mixture",
        "Nats over sub-clusters",
        "The same, over a mixture of sub-clusters of each cell type.",
        "higher",
        digits=1,
    ),
)
_COST = (
    Figure("n_parameters", "Parameters", "Numbers that are learned.", "lower", digits=0),
    Figure("train_seconds", "Training (s)", "Seconds of training steps, both stages.", "lower", digits=0),
    Figure(
        "peak_memory_gb",
        "Memory (GB)",
        "The most memory that the training process held, the program itself and the data included.",
        "lower",
    ),
    Figure(
        "cells_per_second",
        "Cells per second",
        "Generated with the preset's sampler, 256 at once, on the machine that trained.",
        "higher",
        digits=0,
    ),
)
GROUPS: dict[Group, tuple[str, ...]] = {
    "tokens": tuple(figure.name for figure in _TOKENS),
    "cells": tuple(METRICS),
    "cost": tuple(figure.name for figure in _COST),
}
FIGURES: dict[str, Figure] = {figure.name: figure for figure in (*_TOKENS, *METRICS.values(), *_COST)}
