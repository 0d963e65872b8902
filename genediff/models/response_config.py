"""What the training of a model of responses is told: plain values, checked, frozen. Light: no pandas, no torch."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_SOURCES = ("go_bp", "reactome", "collectri", "trrust")
"""What is known of genes unless something else is asked for: ids of the library."""


class ResponseConfig(BaseModel):
    """How a model of responses is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", title="Name", description="A name to find the model by.")
    dataset_id: str = Field(title="Data set", description="Cells with a perturbation column.")
    task: dict[str, Any] = Field(
        default_factory=dict,
        title="Task",
        description="How the column is read and what is held out: the fields of a TaskConfig.",
    )
    network: str | None = Field(
        None,
        title="Network",
        description="The network that knock-outs run along: its id, inferred:5000 for edges found in the training "
        "cells, or planted for the one that simulated cells were drawn from.",
    )
    priors: tuple[str, ...] = Field(
        DEFAULT_SOURCES,
        title="Gene priors",
        description="Gene sets, networks and embeddings of the library that say which genes are alike; how much each "
        "counts is decided by perturbations that are left out.",
    )
    shuffled: bool = Field(False, title="Shuffled control", description="Rewire the network at random: the control.")
    members: int = Field(
        5, ge=2, le=50, title="Ensemble", description="Models fitted to resampled cells; their spread is shown."
    )
    base_id: str | None = Field(
        None,
        title="Token model",
        description="A trained model of the same data set, of any strategy, whose tokens the flow from control to "
        "perturbed cells runs on; None: control cells are moved without a flow.",
    )
    flow_steps: int = Field(
        800, ge=1, le=1_000_000, title="Flow steps", description="Steps of the flow, where there is a token model."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="The same seed gives the same model.")
    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:0, mps.")
