"""A model as one file to hand on: a zip of safetensors, JSON and Markdown, and nothing that could run."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import BinaryIO

from genediff.core.disk_errors import disk_errors, draft
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.core.json_files import read_object, write_json
from genediff.models.adapter_info import ADAPTER_FILE, ADAPTER_WEIGHTS_FILE, GAIN_FILE
from genediff.models.check_model import check_model
from genediff.models.model_info import (
    CARD_FILE,
    EVALUATION_FILE,
    KNOWLEDGE_FILE,
    MEASURES_FILE,
    MODEL_FILE,
    WEIGHTS_FILE,
    ModelInfo,
    read_spec,
)

ADAPTER_FILES = (ADAPTER_WEIGHTS_FILE, ADAPTER_FILE, GAIN_FILE)
FILES = (WEIGHTS_FILE, MODEL_FILE, CARD_FILE, EVALUATION_FILE, KNOWLEDGE_FILE, MEASURES_FILE, *ADAPTER_FILES)
"""What a model folder may hold."""

SUFFIXES = (".safetensors", ".json", ".md")
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".npy", ".npz")
MAX_BYTES = 8 << 30
MAX_TEXT_BYTES = 64 << 20

PICKLE = (
    "{name} may hold a pickle, which can run code when it is opened, so it is refused; "
    "use a model that was exported by genediff (.zip of safetensors and JSON)."
)


DAMAGED = "{name} is not a zip file or is damaged; choose a file exported by genediff."
BROKEN = (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error)


def export_model(folder: Path, target: Path) -> Path:
    """Write the model in `folder` to the zip file `target` and return its path.

    Raises
    ------
    InputError
        When the folder holds no model, or the file cannot be written.
    """
    read_spec(folder)
    with disk_errors(), draft(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in FILES:
            if (folder / name).is_file():
                # Weights do not shrink; texts do.
                how = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
                archive.write(folder / name, f"{folder.name}/{name}", compress_type=how)
    return target


def import_model(source: Path | BinaryIO, models: Path, *, name: str = "") -> ModelInfo:
    """Put an exported model into the folder of models, such as `Workspace.models`.

    Nothing in the file is run, nothing outside a folder of its own is written, and nothing is left behind when the
    file is refused.

    Parameters
    ----------
    source
        The zip file: its path, or an open binary file such as an upload.
    name
        The file's name, for uploads.

    Raises
    ------
    InputError
        When it is not an exported model: a pickle, another kind of file, damaged, or with members that do not belong.
    """
    name = named(source, name)
    partial = models / f".import-{token_hex(4)}"
    try:
        _unpack(source, partial, name)
        try:
            spec = read_spec(partial)
            check_model(partial, name)
        except InputError as problem:  # it names the user's file, and not the folder that it was unpacked to
            raise InputError(str(problem).replace(partial.name, name).removesuffix(".") + ".") from None
        target = free_folder(models, spec.id)
        write_id(partial / MODEL_FILE, target.name)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ModelInfo.read(target)


def named(source: Path | BinaryIO, name: str) -> str:
    """Return what a file is called, after refusing pickles and files that are not there."""
    name = name or (source.name if isinstance(source, Path) else "the file")
    if Path(name).suffix.lower() in PICKLES:
        raise InputError(PICKLE.format(name=name))
    if isinstance(source, Path) and not source.is_file():
        raise InputError(f"There is no file {source}.")
    return name


def _unpack(source: Path | BinaryIO, target: Path, name: str) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = checked_members(archive, name)
            weights = ADAPTER_WEIGHTS_FILE if ADAPTER_FILE in members else WEIGHTS_FILE
            if missing := [file for file in (MODEL_FILE, weights) if file not in members]:
                raise InputError(
                    f"{name} holds no model ({missing[0]} is missing); choose a file exported by genediff."
                )
            extract(archive, members, FILES, target)
    except BROKEN:
        raise InputError(DAMAGED.format(name=name)) from None


def extract(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], files: tuple[str, ...], to: Path) -> None:
    """Write those of some files that are there into a new folder."""
    to.mkdir(parents=True)
    for file in files:
        if file in members:
            with archive.open(members[file]) as packed, (to / file).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)


def checked_members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Return the members that are files, by their names, after refusing an archive with any that does not belong."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    for member in files:  # first of all: a .pt file is a zip too, and the reader should hear what is wrong with it
        if PurePosixPath(member.filename).suffix.lower() in PICKLES:
            raise InputError(PICKLE.format(name=f"{member.filename} in {name}"))
    for member in archive.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.filename or len(path.parts) > 2:
            raise InputError(f"{name} has a member outside its folder ({member.filename}), so it is refused.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{name} has a link among its members ({member.filename}), so it is refused.")
        if member.flag_bits & 1:
            raise InputError(f"{name} is encrypted; export the model without a password.")
    for member in files:
        suffix = PurePosixPath(member.filename).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(
                f"{name} holds {member.filename}, which is no part of a model "
                f"({', '.join(SUFFIXES)} are), so it is refused."
            )
        if suffix != ".safetensors" and member.file_size > MAX_TEXT_BYTES:
            raise InputError(f"{member.filename} in {name} is too large to be part of a model, so it is refused.")
    if sum(member.file_size for member in files) > MAX_BYTES:
        raise InputError(f"{name} unpacks to more than {MAX_BYTES >> 30} GB, so it is refused.")
    by_name = {PurePosixPath(member.filename).name: member for member in files}
    if len(by_name) < len(files):
        raise InputError(f"{name} holds a file twice, so it is refused; export one model at a time.")
    return by_name


def free_folder(models: Path, wanted: str) -> Path:
    """Return a folder that is not there yet, named by the model's own id where that can be had.

    Ids of what ships are taken too: a shipped model that was exported and comes back would be a second one of its id.
    """
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in wanted)
    base = plain.strip("-_")[:60] or "model"
    number, target = 1, models / base
    while target.exists() or (ASSETS / models.name / target.name).exists():
        number += 1
        target = models / f"{base}-{number}"
    return target


def write_id(path: Path, model_id: str) -> None:
    """Write the id under which a model stands in the library into its JSON file."""
    write_json(path, {**read_object(path), "id": model_id})
