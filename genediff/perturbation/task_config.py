"""How a screen is read and divided, as plain values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from genediff.data.importing.perturbation_names import Mode

Part = Literal["train", "validation", "test"]
Scheme = Literal["cells", "unseen_single", "doubles", "context", "batch"]
ALL_CELLS = "all cells"
SCHEMES: dict[Scheme, str] = {
    "cells": "Held-out cells of perturbations that were seen",
    "unseen_single": "Genes that were never perturbed in training",
    "doubles": "Pairs that were never measured together in training",
    "context": "Perturbations in a cell type in which they were not seen",
    "batch": "A donor or batch that was not seen perturbed",
}
KINDS: dict[str, str] = {
    "cells": "new cells of perturbations in the training set",
    "unseen_single": "genes never perturbed in training",
    "doubles": "pairs never measured together in training",
    "context": "perturbations in a cell type without training cells",
    "batch": "a donor or batch without perturbed training cells",
}
"""What is predicted under each scheme, to stand after a number of cases."""
MODES: dict[str, str] = {
    "knock_out": "knock-out",
    "knock_down": "knock-down",
    "activation": "activation",
    "treatment": "treatment",
}


class TaskConfig(BaseModel):
    """How a data set is read and divided; with the data set it gives the same task again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None = Field(None, description="The obs column with perturbations; None: that of the import.")
    control: str | None = Field(None, description="Its level that means untreated; None: that of the import.")
    context: str | None = Field(
        None, description="The obs column that divides cells into contexts (cell type, donor); None: all cells are one."
    )
    scheme: Scheme = Field("cells", description="What is held out.")
    n_seen: Literal[0, 1, 2] = Field(2, description="For doubles: how many of a test pair's genes training saw singly.")
    hold_out: tuple[str, ...] = Field(
        (), description="Perturbations or contexts that are the test part; empty: drawn by the seed."
    )
    share: float = Field(
        0.2, gt=0, lt=0.5, description="Share of perturbations in the test, and in the validation part."
    )
    mode: Mode = Field("knock_out", description="What is done to target genes where the levels do not say it.")
    min_cells: int = Field(8, ge=2, description="Groups with fewer cells are left out.")
    seed: int = Field(0, ge=0, description="Decides what is held out.")
