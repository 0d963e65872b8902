"""What came out of a transfer: rows of figures, tokens with their names, and the words for both."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from genediff.core.json_files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

ROWS = {
    "own": "The model on its own cells",
    "own_hidden": "… reading only the genes that the other cells have",
    "own_average": "… their average alone, no cell read",
    "new": "The model on the other cells",
    "new_levels": "… with each gene's level set by their training cells",
    "new_own_average": "… the average of the model's own cells, no cell read",
    "new_average": "… the average of these cells, no cell read",
    "native": "A model trained on these cells",
}


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval: Student's t times the standard deviation over bootstrap samples of the cells."""

    value: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        """Return the figure and its interval as text."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Row:
    """How one reader describes some cells: a key of ROWS, its figures, and the cells they were taken on.

    Of what was counted in a cell a random half is read and the other half judged.

    ``correlation`` is Pearson's r between measured and expected log expression over cells, the mean over genes; ``nll``
    the negative log-likelihood in nats per cell and gene; ``gain`` how many of these nats are saved against the
    average of the same data, cell by cell (None for the averages themselves).
    """

    key: str
    correlation: Estimate
    nll: Estimate
    gain: Estimate | None
    n_cells: int


@dataclass(frozen=True, eq=False)
class Transfer:
    """A model on other cells.

    Attributes
    ----------
    model_title, dataset_name, native_title
        Names; the last is empty without a model trained on these cells.
    n_genes, n_shared, n_judged
        Genes of the model; those that the other cells have; those in which all readers are judged.
    matched
        How genes were matched, in words.
    rows
        Readers of the model's own held-out cells and of the other held-out cells.
    depth
        Median of what was counted per cell in the judged genes, in the own and the other cells; NaN where unknown.
    tokens
        One row per named token, see `transferred_names.names_kept`; None where no token has a name.
    level
        "little", "part" or "most": how much was lost.
    sentence
        The verdict in words.
    """

    model_id: str
    model_title: str
    dataset_id: str
    dataset_name: str
    native_title: str
    n_genes: int
    n_shared: int
    n_judged: int
    matched: str
    rows: tuple[Row, ...]
    depth: tuple[float, float]
    tokens: pd.DataFrame | None
    level: str
    sentence: str

    def row(self, key: str) -> Row | None:
        """Return a row by its key, None where it was not measured."""
        return next((row for row in self.rows if row.key == key), None)

    def table(self) -> list[list[str]]:
        """Return a heading and one line per reader, as text."""
        head = ["reader", "correlation", "nats per gene", "saved against the average", "cells"]
        return [head, *([
            ROWS[row.key],
            row.correlation.text(3),
            row.nll.text(4),
            "–" if row.gain is None else row.gain.text(4),
            f"{row.n_cells:,}",
        ] for row in self.rows)]  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = {name: value for name, value in self.__dict__.items() if name not in ("rows", "tokens")}
        found["rows"] = [asdict(row) | {"title": ROWS[row.key]} for row in self.rows]
        found["tokens"] = [] if self.tokens is None else json.loads(self.tokens.to_json(orient="records"))
        return found

    def save(self, path: Path) -> None:
        """Write the report as JSON, in one step."""
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")

    def to_text(self) -> str:
        """Return verdict and figures for a terminal."""
        lines = self.table()
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rows = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([self.sentence, "", *rows, "", self.matched])
