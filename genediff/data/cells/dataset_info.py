"""What is known of a data set without opening its matrices: one JSON file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path  # noqa: TC003  pydantic reads it at run time
from typing import Any

from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object, validated, write_json
from genediff.data.cells.store import DAMAGED, is_whole

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
            stored = read_object(path)
            version = stored.pop("format_version")
            if version > FORMAT_VERSION:
                raise InputError(
                    f"The data set in {folder} was written by a newer GeneDiff (format {version}); update GeneDiff."
                )
            known = {field.name for field in fields(cls)}
            values = {name: value for name, value in stored.items() if name in known}
            values |= {"shipped": shipped, "folder": folder}
            info = validated(cls, values)
        except MALFORMED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"The folder {folder} holds no readable data set; import the file again.") from None
        if not is_whole(folder):
            raise InputError(DAMAGED.format(folder=folder.name))
        return info

    def write(self) -> None:
        """Write ``dataset.json`` in one step, so that a reader never sees half of it."""
        stored = {"format_version": FORMAT_VERSION, **asdict(self)}
        del stored["shipped"], stored["folder"]
        write_json(self.folder / INFO_FILE, stored)

    def renamed(self, name: str) -> DatasetInfo:
        """Return a copy under another name."""
        return replace(self, name=name)
