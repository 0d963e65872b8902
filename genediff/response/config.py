"""What the training of a perturbation model is told: plain values, checked, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from genediff.perturbation.task import TaskConfig


class ResponseConfig(BaseModel):
    """How a model of perturbations is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", title="Name", description="A name to find the model by.")
    dataset_id: str = Field(title="Data set", description="Cells with a perturbation column.")
    task: TaskConfig = Field(
        default_factory=TaskConfig, title="Task", description="How the column is read and what is held out for the test."
    )
    network: str | None = Field(
        None,
        title="Network",
        description="The network that knock-outs run along: its id, or inferred:5000 for edges found in the training "
        "cells.",
    )
    shuffled: bool = Field(False, title="Shuffled control", description="Rewire the network at random: the control.")
    members: int = Field(
        5, ge=2, le=50, title="Ensemble", description="Models fitted to resampled cells; their spread is shown."
    )
    base_id: str | None = Field(
        None,
        title="Token model",
        description="A trained model of the same data set whose tokens the flow from control to perturbed cells runs on; "
        "None: a small one is trained.",
    )
    strategy: str = Field(
        "latent", title="Strategy", description="How cells are cut into tokens where no trained model is named."
    )
    flow_steps: int = Field(
        600, ge=0, le=1_000_000, title="Flow steps", description="Steps of the flow; 0: cells are moved without one."
    )
    tokenizer_steps: int = Field(
        400, ge=1, le=1_000_000, title="Autoencoder steps", description="Steps of the autoencoder where none is named."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="The same seed gives the same model.")
    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:0, mps.")
