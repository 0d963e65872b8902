"""A model of perturbations as one file to hand on, checked like any model when it comes back."""

from __future__ import annotations

import io
import shutil
import socket
import sys
import zipfile
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

from genediff.core.errors import InputError
from genediff.core.isolated import Isolated, serve
from genediff.core.json_files import MALFORMED, read_object
from genediff.knowledge import Knowledge
from genediff.models.archive import (
    BROKEN,
    DAMAGED,
    checked_members,
    extract,
    free_folder,
    import_model,
    named,
    write_id,
)
from genediff.models.check_model import check_weights
from genediff.models.response_info import RESPONSE_FILE, WEIGHTS_FILE, ResponseInfo

if TYPE_CHECKING:
    from genediff.models.model_info import ModelInfo

KNOWLEDGE_FILE = "knowledge.json"
CARD_FILE = "card.md"
PRIORS_FILE = "priors.json"
FILES = (RESPONSE_FILE, WEIGHTS_FILE, KNOWLEDGE_FILE, PRIORS_FILE, CARD_FILE)
"""What the folder of a model of perturbations may hold."""

_TENSORS = {"loadings": 2, "scale": 1, "means": 2}  # that it cannot do without, and how many axes they have


def export_response(folder: Path) -> bytes:
    """Return the folder of a model of perturbations as a zip of safetensors, JSON and Markdown."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            if (folder / name).is_file():
                archive.write(folder / name, f"{folder.name}/{name}")
    return made.getvalue()


def import_any(source: Path | BinaryIO, models: Path, responses: Path, *, name: str = "") -> ModelInfo | ResponseInfo:
    """Put an exported model of either kind into the library: of cells, or of perturbations.

    Parameters are those of :func:`genediff.models.archive.import_model`, and so is what is refused.
    """
    called = named(source, name)
    try:
        with zipfile.ZipFile(source) as archive:
            of_perturbations = RESPONSE_FILE in checked_members(archive, called)
    except BROKEN:
        raise InputError(DAMAGED.format(name=called)) from None
    if of_perturbations:
        return import_response(source, responses, name=called)
    return import_model(source, models, name=called)


def import_response(source: Path | BinaryIO, responses: Path, *, name: str = "") -> ResponseInfo:
    """Put an exported model of perturbations into the folder of models of perturbations.

    Nothing in the file is run, nothing outside a folder of its own is written, and nothing is left behind when the
    file is refused. The cells that it was trained on are not in the file: predictions need them in the workspace.

    Raises
    ------
    InputError
        When it is no exported model of perturbations, is damaged, or has members that do not belong.
    """
    name = named(source, name)
    partial = responses / f".import-{token_hex(4)}"
    try:
        try:
            with zipfile.ZipFile(source) as archive:
                members = checked_members(archive, name)
                if missing := [file for file in (RESPONSE_FILE, WEIGHTS_FILE) if file not in members]:
                    raise InputError(
                        f"{name} holds no model of perturbations ({missing[0]} is missing); choose a file that the "
                        "Models page gave."
                    )
                extract(archive, members, FILES, partial)
        except BROKEN:
            raise InputError(DAMAGED.format(name=name)) from None
        n_bytes = sum(file.stat().st_size for file in partial.iterdir())
        request: dict[str, object] = {"path": str(partial.absolute()), "name": name}
        target = free_folder(responses, CHECKER.ask(request, name=name, n_bytes=n_bytes))
        write_id(partial / RESPONSE_FILE, target.name)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ResponseInfo.read(target)


def _own_id(request: dict[str, object]) -> str:
    """Return the id of an unpacked model, after refusing one that could not be used."""
    import torch

    from genediff.core.checkpoint import read_tensors
    from genediff.perturbation.model.response_store import read_priors

    folder, name = Path(str(request["path"])), str(request["name"])
    check_weights(folder / WEIGHTS_FILE, name)
    try:
        info = ResponseInfo.read(folder)
    except InputError as problem:
        if "newer" in str(problem) or "update" in str(problem):
            raise InputError(f"{name} was written by a newer genediff; update this one to read it.") from None
        raise InputError(f"{RESPONSE_FILE} in {name} does not describe a model of perturbations.") from None
    tensors = read_tensors(folder / WEIGHTS_FILE)
    plain = (torch.float16, torch.float32, torch.float64)
    for key, axes in _TENSORS.items():
        found = tensors.get(key)
        if found is None or found.ndim != axes or found.dtype not in plain or not found.isfinite().all():
            raise InputError(f"The weights in {name} lack “{key}”, or it is damaged; download the model again.")
    if info.network:
        try:
            network = Knowledge.from_json((folder / KNOWLEDGE_FILE).read_text(encoding="utf-8")).network
        except (OSError, ValueError, KeyError, TypeError):
            network = None
        if network is None:
            raise InputError(f"{name} lacks the network that its model runs along; download the model again.")
    try:
        read_priors(folder / PRIORS_FILE, tensors)
    except MALFORMED:
        raise InputError(f"{PRIORS_FILE} in {name} does not fit its weights; download the model again.") from None
    return str(read_object(folder / RESPONSE_FILE).get("id", ""))


CHECKER = Isolated(_own_id, "genediff.perturbation.model.response_archive", forks=False)
"""The one of this process; nothing starts before it is first used."""

if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), _own_id)
