"""What is known of an adapter without loading it: JSON only, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
ADAPTER_FILE = "adapter.json"
ADAPTER_WEIGHTS_FILE = "adapter.safetensors"
GAIN_FILE = "gain.json"


class AdapterInfo(BaseModel):
    """What an adapter changes of which model.

    ``base_hash`` is the SHA-256 of the base's weights file, so that a model of the same name is not taken for it.
    ``known_levels`` are, for each condition, how many of its levels the base knows (they come first); the others are
    ``new_levels``. ``not_measured`` are genes of the model that the new data lack, ``n_left_out`` counts genes of the
    data that the model lacks, and ``profile_share`` is the share of the base's counts that the shared genes hold.
    ``held_out`` is the loss on held-out cells of the new data by stage, before and after.
    """

    model_config = ConfigDict(frozen=True)

    format_version: int = FORMAT_VERSION
    base_id: str
    base_title: str
    base_hash: str
    rank: int
    alpha: float
    targets: tuple[str, ...]
    known_levels: tuple[int, ...]
    new_levels: dict[str, tuple[str, ...]]
    not_measured: tuple[str, ...]
    n_left_out: int
    profile_share: float
    library: tuple[float, float]
    n_trained: int
    held_out: dict[str, tuple[float, float]] = {}

    @property
    def scale(self) -> float:
        """What the product of an adapter's two matrices is multiplied by."""
        return self.alpha / self.rank


def read_adapter(folder: Path) -> AdapterInfo | None:
    """Return what the adapter in a model folder is, or None for a model that stands alone.

    Raises
    ------
    InputError
        When the file is damaged or of a newer format.
    """
    path = folder / ADAPTER_FILE
    if not path.is_file():
        return None
    try:
        raw = read_object(path)
        if raw["format_version"] > FORMAT_VERSION:
            raise InputError(
                f"the adapter {folder.name} has format {raw['format_version']} and this genediff reads up to "
                f"{FORMAT_VERSION}; update genediff"
            )
        return AdapterInfo.model_validate(raw)
    except MALFORMED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{ADAPTER_FILE} in {folder.name} does not describe an adapter; export it again") from None
