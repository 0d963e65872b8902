"""What is known of a data set without opening its matrices: one JSON file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from genediff.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 3
"""2: ``by_gene`` in blocks of cells. 3: the UMAP in a file of its own. Data sets of earlier versions are read too."""
INFO_FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetInfo:
    """The face of a data set, as lists and pages show it.

    ``has_counts`` is False where the file held no raw counts anywhere; ``values`` then says what it held
    ("lognorm", "normalised" or "scaled"). ``notes`` are sentences on what was left out and why.
    """

    id: str
    name: str
    source: str
    n_cells: int
    n_genes: int
    n_genes_total: int
    has_counts: bool
    values: str
    species: str
    label: str | None
    conditions: tuple[str, ...]
    batch: str | None
    perturbation: str | None
    control: str | None
    split_sizes: dict[str, int]
    target_sum: float | None
    config: dict[str, Any]
    created: str
    content_hash: str
    notes: tuple[str, ...]
    has_umap: bool
    shipped: bool
    folder: Path

    @classmethod
    def read(cls, folder: Path, *, shipped: bool = False) -> DatasetInfo:
        """Read ``dataset.json`` of a data set's folder.

        Raises
        ------
        InputError
            When the file is missing, damaged, or of a newer version of GeneDiff.
        """
        path = folder / INFO_FILE
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            version = stored.pop("format_version")
            if version > FORMAT_VERSION:
                raise InputError(
                    f"The data set in {folder} was written by a newer GeneDiff (format {version}); update GeneDiff."
                )
            known = {field.name for field in fields(cls)}
            values = {name: value for name, value in stored.items() if name in known}
            values |= {"shipped": shipped, "folder": folder}
            values |= {name: tuple(values[name]) for name in ("conditions", "notes")}
            return cls(**values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"The folder {folder} holds no readable data set; import the file again.") from None

    def write(self) -> None:
        """Write ``dataset.json`` in one step, so that a reader never sees half of it."""
        stored = {"format_version": FORMAT_VERSION, **asdict(self)}
        del stored["shipped"], stored["folder"]
        partial = self.folder / (INFO_FILE + ".part")
        partial.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, self.folder / INFO_FILE)

    def renamed(self, name: str) -> DatasetInfo:
        """Return a copy under another name."""
        return replace(self, name=name)
