"""What an adaptation is told: plain values, checked, frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genediff.data.cells.dataset_info import DatasetInfo


class AdaptConfig(BaseModel):
    """How a model is adapted to a data set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", title="Name", description="A name to find the adapted model by.")
    base_id: str = Field(title="Model", description="Which trained model is adapted; it stays as it is.")
    dataset_id: str = Field(title="Data set", description="The new cells.")
    conditions: dict[str, str | None] = Field(
        default_factory=dict,
        title="Conditions",
        description="Columns of the new data that steer generation, each with the column of the model that it "
        "continues, or null where the model has none like it.",
    )
    rank: int = Field(
        8, ge=1, le=256, title="Rank", description="Size of the added matrices: higher ranks can change more."
    )
    alpha: float = Field(
        16.0, gt=0, le=1024, title="Alpha", description="The added matrices count alpha / rank times; twice the rank."
    )
    tokenizer_steps: int = Field(
        300, ge=0, le=1_000_000, title="Autoencoder steps", description="Steps of the first stage (latent space only)."
    )
    steps: int = Field(1000, ge=1, le=10_000_000, title="Flow steps", description="Steps of the flow.")
    batch_size: int = Field(128, ge=2, le=65536, title="Batch size", description="Cells per step, in both stages.")
    learning_rate: float = Field(
        3e-3, gt=0, le=1, title="Learning rate", description="Peak rate of the added matrices (AdamW)."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="The same seed gives the same adapter.")
    compare: bool = Field(
        True,
        title="Compare with training from scratch",
        description="Also train a new model of the same shape for as many steps, and judge both by the same cells.",
    )
    device: str = Field("auto", title="Device", description="auto, cpu, cuda, cuda:0, mps.")


def starting_conditions(levels: Mapping[str, Sequence[str]], info: DatasetInfo) -> dict[str, str | None]:
    """Return the conditions to propose: columns of the same name, and the label as the model's first column.

    Parameters
    ----------
    levels
        The model's conditions with their levels.
    info
        The new data.
    """
    found: dict[str, str | None] = {column: column for column in info.conditions if column in levels}
    free = [column for column in levels if column not in found]
    if info.label is not None and info.label not in found:
        found = {info.label: free[0] if free else None, **found}
    return found
