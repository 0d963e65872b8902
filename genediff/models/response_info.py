"""What is known of a saved model of responses without loading its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from genediff.core.checkpoint import check_tensors
from genediff.core.errors import InputError
from genediff.core.json_files import MALFORMED, read_object
from genediff.models.response_config import ResponseConfig

FORMAT_VERSION = 1
RESPONSE_FILE = "response.json"
WEIGHTS_FILE = "response.safetensors"


class ResponseInfo(BaseModel):
    """One row of the library of models of responses.

    ``task`` are the fields of the complete ``TaskConfig``; ``gates`` and ``tested`` say by kind of question what was
    decided and how it did on the test part; ``width`` belongs to the intervals. ``content_hash`` names the data set's
    content, without which a model says nothing.
    """

    model_config = ConfigDict(frozen=True)

    format_version: int = FORMAT_VERSION
    id: str
    title: str
    created: str
    dataset_id: str
    dataset_name: str
    content_hash: str
    config: ResponseConfig
    task: dict[str, Any]
    gates: dict[str, dict[str, Any]]
    width: dict[str, float]
    tested: dict[str, dict[str, float]]
    network: str = ""
    n_trained: int = 0
    flow: dict[str, Any] = {}
    trained: dict[str, Any] = {}
    versions: dict[str, str] = {}
    shipped: bool = False
    folder: Path = Path()

    @classmethod
    def read(cls, folder: Path, *, shipped: bool = False) -> ResponseInfo:
        """Read the JSON file of a model's folder.

        Raises
        ------
        InputError
            When the folder holds none, one of a newer format, or one whose weights are missing or cut off.
        """
        path = folder / RESPONSE_FILE
        try:
            raw = read_object(path)
            version = raw["format_version"]
            if version > FORMAT_VERSION:
                raise InputError(
                    f"the model {folder.name} has format {version!r} and this genediff reads up to {FORMAT_VERSION}; "
                    "update genediff"
                )
            check_tensors(folder / WEIGHTS_FILE)
            return cls.model_validate({**raw, "id": folder.name, "shipped": shipped, "folder": folder})
        except FileNotFoundError:
            raise InputError(
                f"{folder.name} holds no model of perturbations ({RESPONSE_FILE} is missing); train one"
            ) from None
        except MALFORMED as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{RESPONSE_FILE} in {folder.name} does not describe a model of perturbations; train it again"
            ) from None

    def to_json(self) -> str:
        """Return the text of the file."""
        return self.model_dump_json(indent=1, exclude={"shipped", "folder"}) + "\n"
