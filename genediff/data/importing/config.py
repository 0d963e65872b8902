"""What the user chooses when cells are imported."""

from __future__ import annotations

import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genediff.core.errors import InputError
from genediff.data.importing.recipe import Recipe

MISSING = "(missing)"
"""Stands for cells without a value wherever levels of an obs column are named."""


class ImportConfig(BaseModel):
    """Choices of an import; together with the file's content they give the data set its id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("", description="What the data set is called; the file's name when empty.")
    label: str | None = Field(None, description="The obs column with cell types; the split keeps its proportions.")
    conditions: tuple[str, ...] = Field((), description="Further obs columns that a model may be conditioned on.")
    batch: str | None = Field(None, description="The obs column that says which sample or batch a cell is from.")
    perturbation: str | None = Field(None, description="The obs column with knock-outs, drugs or other treatments.")
    control: str | None = Field(None, description="The level of the perturbation column that means untreated.")
    recipe: Recipe | None = Field(
        None, description="How levels of the perturbation columns are read; by general rules when empty."
    )
    n_genes: int = Field(2000, ge=2, description="How many of the most variable genes are kept for models.")
    keep_genes: tuple[str, ...] = Field((), description="Genes that are kept whatever their variability.")
    keep_targets: bool = Field(
        True,
        description="Keep the genes that perturbations act on, whatever their variability, where the file has them.",
    )
    target_sum: float | None = Field(
        10_000.0, gt=0, description="Counts per cell after normalising; the median of the training cells when empty."
    )
    min_genes_per_cell: int = Field(0, ge=0, description="Cells with fewer genes than this are left out.")
    min_cells_per_gene: int = Field(3, ge=1, description="Genes seen in fewer training cells are never chosen.")
    exclude_levels: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description=f"Levels of obs columns whose cells are left out; {MISSING} for no value."
    )
    round_counts: bool = Field(
        False, description="Round corrected counts with decimals (SoupX, CellBender) to whole numbers."
    )
    table_rows: Literal["cells", "genes"] | None = Field(
        None, description="What the rows of a table of text are, where its names do not tell."
    )
    split_column: str | None = Field(None, description="An obs column that already says train, validation, test.")
    fractions: tuple[float, float, float] = Field(
        (0.6, 0.2, 0.2), description="Shares of training, validation and test cells."
    )
    seed: int = Field(0, ge=0, description="Decides which cell goes where, and the UMAP.")
    umap: bool = Field(True, description="Draw a UMAP (it takes most of the time of an import).")
    n_pcs: int = Field(50, ge=2, le=200, description="Principal components that are kept.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(
                f"the shares of training, validation and test cells are {self.fractions}; "
                "each must be above 0 and they must add up to 1"
            )
        if self.recipe is not None and self.perturbation not in (self.recipe.columns[0], self.recipe.column):
            raise ValueError(f"the recipe reads the column {self.recipe.columns[0]!r}, not {self.perturbation!r}")
        if self.control is not None and self.perturbation is None:
            raise ValueError("a control level is named but no perturbation column; name both")
        return self

    @classmethod
    def parse(cls, values: dict[str, object]) -> ImportConfig:
        """Build a config from plain values; what is wrong with them is one sentence.

        Raises
        ------
        InputError
            When a name is unknown or a value out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what = first["msg"].removeprefix("Value error, ")
            raise InputError(f"The import cannot start: {f'{where}: ' if where else ''}{what}.") from None

    @property
    def condition_columns(self) -> tuple[str, ...]:
        """Every obs column a model may be conditioned on: label, perturbation, the named ones, batch."""
        named = (self.label, self.perturbation, *self.conditions, self.batch)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def fingerprint(self) -> str:
        """Return what identifies the result: every choice but the name, as canonical JSON."""
        # Without perturbations there is nothing to choose, and ids stay what they were before there was a choice.
        idle = {"keep_targets"} if self.perturbation is None else set()
        idle |= {name for name in ("recipe", "round_counts", "table_rows") if not getattr(self, name)}
        return json.dumps(self.model_dump(mode="json", exclude={"name"} | idle), sort_keys=True)
