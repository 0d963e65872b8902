"""The folder that holds a user's data sets, models, runs and uploads, beside what ships with GeneDiff.

The workspace of one user of a server (`genediff.core.users`) also finds what lies in the one that all users share. Like
what ships it can only be read from there; where both have a thing of one id, the user's own is meant.
"""

from __future__ import annotations

import re
import shutil
from secrets import token_hex
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from genediff.core.disk_errors import disk_errors
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS, home
from genediff.core.json_files import read_object, write_json
from genediff.core.users import shared_root
from genediff.data.cells.dataset_info import INFO_FILE, DatasetInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from genediff.data.cells.dataset import Dataset
    from genediff.knowledge.library import Library
    from genediff.learn import StoryLibrary
    from genediff.models.model_info import ModelInfo
    from genediff.models.response_info import ResponseInfo

Kind = Literal["datasets", "models", "comparisons", "responses"]
DEMO_DATASET = "pbmc3k"
DEMO_MODEL = "pbmc3k-quick"
"""What the app opens with; further shipped models come after it."""
DEMO_SCREEN = "simulated-screen"
DEMO_RESPONSE = "simulated-screen-pairs"
"""The shipped screen, and the model of perturbations that was trained on it."""
_MODEL_FILE = "model.json"
_COMPARISON_FILE = "comparison.json"
_RESPONSE_FILE = "response.json"
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*")


class Workspace:
    """Data sets, models and runs of a user. Folders come into being when they are first asked for.

    Parameters
    ----------
    root
        The folder; ``home()`` when not given.
    assets
        Where shipped data sets and models lie.
    """

    def __init__(self, root: Path | None = None, *, assets: Path = ASSETS) -> None:
        self.root = (root if root is not None else home()).resolve()
        self._assets = assets
        above = shared_root(self.root)
        self.shared = None if above is None else Workspace(above, assets=assets)

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    @property
    def datasets(self) -> Path:
        """Folder of imported data sets."""
        return self._folder("datasets")

    @property
    def models(self) -> Path:
        """Folder of trained and uploaded models."""
        return self._folder("models")

    @property
    def runs(self) -> Path:
        """Folder of runs."""
        return self._folder("runs")

    @property
    def uploads(self) -> Path:
        """Folder of files that came through the browser."""
        return self._folder("uploads")

    @property
    def knowledge(self) -> Path:
        """Folder of gene sets and networks that the user added or downloaded."""
        return self._folder("knowledge")

    @property
    def selections(self) -> Path:
        """Folder of named selections of cells, one folder for each data set."""
        return self._folder("selections")

    def library(self) -> Library:
        """Return the gene sets and networks to choose from: what ships, and the user's own."""
        from genediff.knowledge.library import Library

        return Library(self.knowledge, self._assets / "knowledge")

    @property
    def comparisons(self) -> Path:
        """Folder of comparisons."""
        return self._folder("comparisons")

    @property
    def responses(self) -> Path:
        """Folder of models of perturbations."""
        return self._folder("responses")

    @property
    def stories(self) -> Path:
        """Folder of the user's own stories."""
        return self._folder("stories")

    def story_library(self) -> StoryLibrary:
        """Return the stories: what ships, and the user's own."""
        from genediff.learn import StoryLibrary

        shared = () if self.shared is None else (self.shared.stories,)
        return StoryLibrary(self.stories, self.trash / "stories", (self._assets / "stories", *shared))

    @property
    def trash(self) -> Path:
        """Folder of what was deleted and can be restored."""
        return self._folder("trash")

    def _folder(self, name: str) -> Path:
        folder = self.root / name
        try:
            with disk_errors():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The workspace {self.root} cannot be written ({error.strerror}); set GENEDIFF_HOME to another folder."
            ) from None
        return folder

    # -------------------------------------------------------------------------------------------------- data sets

    def list_datasets(self) -> list[DatasetInfo]:
        """Return shipped data sets, shared ones, then the user's own, newest first.

        Folders that cannot be read are passed over, also in the lists of models.
        """
        shipped = [DatasetInfo.read(folder, shipped=True) for folder in self._shipped("datasets")]
        return [*shipped, *self._newest_first("datasets", DatasetInfo.read)]

    def dataset_folder(self, dataset_id: str) -> Path:
        """Return the folder of a data set.

        Raises
        ------
        InputError
            When there is none of that id; the known ones are named.
        """
        return self._find("datasets", dataset_id)[0]

    def open_dataset(self, dataset_id: str) -> Dataset:
        """Open a data set, shipped or own.

        Raises
        ------
        InputError
            When there is none of that id.
        """
        from genediff.data.cells.dataset import Dataset

        folder, shipped = self._find("datasets", dataset_id)
        return Dataset.open(folder, shipped=shipped)

    def rename_dataset(self, dataset_id: str, name: str) -> None:
        """Give a data set another name; its id stays."""
        folder = self._own("datasets", dataset_id, "renamed")
        DatasetInfo.read(folder).renamed(_checked_name(name)).write()

    def delete_dataset(self, dataset_id: str) -> None:
        """Put a data set into the trash; ``restore_dataset`` brings it back."""
        self._to_trash("datasets", dataset_id)

    def restore_dataset(self, dataset_id: str) -> None:
        """Bring a deleted data set back."""
        self._from_trash("datasets", dataset_id)

    # ----------------------------------------------------------------------------------------------------- models

    def list_models(self) -> list[ModelInfo]:
        """Return shipped models, shared ones, then the user's own, newest first."""
        from genediff.models.model_info import ModelInfo

        shipped = [ModelInfo.read(folder, shipped=True) for folder in self._shipped("models")]
        shipped.sort(key=lambda info: (info.id != DEMO_MODEL, info.id))
        return [*shipped, *self._newest_first("models", ModelInfo.read)]

    def model_folder(self, model_id: str) -> Path:
        """Return the folder of a model.

        Raises
        ------
        InputError
            When there is none of that id; the known ones are named.
        """
        return self._find("models", model_id)[0]

    def rename_model(self, model_id: str, title: str) -> None:
        """Give a model another title; its id stays."""
        _retitle(self._own("models", model_id, "renamed") / _MODEL_FILE, title)

    def delete_model(self, model_id: str) -> None:
        """Put a model into the trash; ``restore_model`` brings it back."""
        self._to_trash("models", model_id)

    def restore_model(self, model_id: str) -> None:
        """Bring a deleted model back."""
        self._from_trash("models", model_id)

    # ------------------------------------------------------------------------------------------------ comparisons

    def comparison_folders(self) -> list[tuple[Path, bool]]:
        """Return the folders of the user's own comparisons, then of others, each with whether it can only be read."""
        own = [(folder, False) for folder in _folders(self.comparisons, _COMPARISON_FILE)]
        others = [*self._shared("comparisons")[::-1], *self._shipped("comparisons")]
        return own[::-1] + [(folder, True) for folder in others]

    def comparison_folder(self, comparison_id: str) -> tuple[Path, bool]:
        """Return the folder of a comparison and whether it can only be read.

        Raises
        ------
        InputError
            When there is none of that id; the known ones are named.
        """
        return self._find("comparisons", comparison_id)

    def delete_comparison(self, comparison_id: str) -> None:
        """Put a comparison into the trash; its runs and models stay."""
        self._to_trash("comparisons", comparison_id)

    def restore_comparison(self, comparison_id: str) -> None:
        """Bring a deleted comparison back."""
        self._from_trash("comparisons", comparison_id)

    # ------------------------------------------------------------------------------------- models of perturbations

    def list_responses(self) -> list[ResponseInfo]:
        """Return shipped models of perturbations, shared ones, then the user's own, newest first."""
        from genediff.models.response_info import ResponseInfo

        shipped = [ResponseInfo.read(folder, shipped=True) for folder in self._shipped("responses")]
        return [*shipped, *self._newest_first("responses", ResponseInfo.read)]

    def response_folder(self, response_id: str) -> Path:
        """Return the folder of a model of perturbations.

        Raises
        ------
        InputError
            When there is none of that id; the known ones are named.
        """
        return self._find("responses", response_id)[0]

    def rename_response(self, response_id: str, title: str) -> None:
        """Give a model of perturbations another title; its id stays."""
        _retitle(self._own("responses", response_id, "renamed") / _RESPONSE_FILE, title)

    def delete_response(self, response_id: str) -> None:
        """Put a model of perturbations into the trash; ``restore_response`` brings it back."""
        self._to_trash("responses", response_id)

    def restore_response(self, response_id: str) -> None:
        """Bring a deleted model of perturbations back."""
        self._from_trash("responses", response_id)

    # ------------------------------------------------------------------------------------------------ all of them

    def list_trash(self, kind: Kind) -> list[str]:
        """Return the ids of deleted data sets or models that can be restored."""
        return [folder.name for folder in _folders(self.trash / kind, _marker(kind))]

    def damaged(self, kind: Kind) -> dict[str, str]:
        """Return what lies among the user's own things and cannot be read: by id, a sentence on why.

        Lists pass it over; `delete_damaged` takes it away.
        """
        found = {}
        for folder in sorted(self._folder(kind).iterdir()):
            if folder.name.startswith(".") or not folder.is_dir():
                continue
            try:
                self._read(kind, folder)
            except InputError as problem:
                found[folder.name] = str(problem)
        return found

    def delete_damaged(self, kind: Kind, item_id: str) -> None:
        """Move a damaged thing out of the way, into the trash."""
        if item_id not in self.damaged(kind):
            raise InputError(f"{item_id!r} is not among the damaged things, so it is left where it is.")
        target = self.trash / "damaged" / f"{kind}-{item_id}-{token_hex(3)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self._folder(kind) / item_id, target)

    def _read(self, kind: Kind, folder: Path) -> object:
        from genediff.models.model_info import ModelInfo
        from genediff.models.response_info import ResponseInfo

        if kind == "datasets":
            return DatasetInfo.read(folder)
        if kind == "models":
            return ModelInfo.read(folder)
        if kind == "responses":
            return ResponseInfo.read(folder)
        try:
            return read_object(folder / _marker(kind))
        except (OSError, ValueError):
            raise InputError(f"{_marker(kind)} in {folder.name} cannot be read; delete it and run it again.") from None

    def empty_trash(self) -> None:
        """Remove for good what was deleted, and what can be computed again."""
        shutil.rmtree(self.trash)
        shutil.rmtree(self.root / "cache", ignore_errors=True)

    def origin(self, folder: Path) -> Literal["own", "shared", "shipped"]:
        """Say whose a thing of this workspace is, by its folder."""
        if folder.is_relative_to(self.root):
            return "own"
        is_shared = self.shared is not None and folder.is_relative_to(self.shared.root)
        return "shared" if is_shared else "shipped"

    def _shipped(self, kind: Kind) -> list[Path]:
        return _folders(self._assets / kind, _marker(kind))

    def _shared(self, kind: Kind) -> list[Path]:
        """Return what lies in the shared workspace, but for what the user has or what ships under the same id."""
        if self.shared is None:
            return []
        taken = {folder.name for folder in (*_folders(self._folder(kind), _marker(kind)), *self._shipped(kind))}
        return [folder for folder in _folders(self.shared.root / kind, _marker(kind)) if folder.name not in taken]

    def _newest_first(self, kind: Kind, read: Callable[..., Info]) -> list[Info]:
        """Read what is shared, then the user's own; what cannot be read is passed over."""
        own = _folders(self._folder(kind), _marker(kind))
        return [*_newest_first(self._shared(kind), read, shipped=True), *_newest_first(own, read, shipped=False)]

    def _find(self, kind: Kind, wanted: str) -> tuple[Path, bool]:
        # Compared with names that exist, never joined to a path: an id from a URL cannot lead elsewhere.
        own = {folder.name: (folder, False) for folder in _folders(self._folder(kind), _marker(kind))}
        known = {**own, **{folder.name: (folder, True) for folder in (*self._shared(kind), *self._shipped(kind))}}
        if wanted not in known:
            word = {"datasets": "data set", "responses": "model of perturbations"}.get(kind, kind.removesuffix("s"))
            names = ", ".join(sorted(known)) or "none yet"
            raise InputError(f"There is no {word} {wanted!r} in this workspace; known: {names}.")
        return known[wanted]

    def _own(self, kind: Kind, wanted: str, what: str) -> Path:
        folder, shipped = self._find(kind, wanted)
        if shipped:
            why = "ships with GeneDiff" if folder.is_relative_to(self._assets) else "is shared on this server"
            raise InputError(f"{wanted!r} {why} and cannot be {what}.")
        return folder

    def _to_trash(self, kind: Kind, wanted: str) -> None:
        folder = self._own(kind, wanted, "deleted")
        target = self.trash / kind / folder.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(target)
        shutil.move(folder, target)

    def _from_trash(self, kind: Kind, wanted: str) -> None:
        if wanted not in self.list_trash(kind):
            raise InputError(f"{wanted!r} is not in the trash, so it cannot be restored.")
        target = self._folder(kind) / wanted
        if target.exists():
            raise InputError(f"{wanted!r} is there again already; delete that one first to restore the older one.")
        shutil.move(self.trash / kind / wanted, target)


def _retitle(path: Path, title: str) -> None:
    write_json(path, {**read_object(path), "title": _checked_name(title)})


def _marker(kind: Kind) -> str:
    markers: dict[Kind, str] = {
        "datasets": INFO_FILE,
        "models": _MODEL_FILE,
        "comparisons": _COMPARISON_FILE,
        "responses": _RESPONSE_FILE,
    }
    return markers[kind]


class _Dated(Protocol):
    @property
    def created(self) -> str: ...


Info = TypeVar("Info", bound=_Dated)


def _newest_first(folders: Iterable[Path], read: Callable[..., Info], *, shipped: bool) -> list[Info]:
    found = []
    for folder in folders:
        try:
            found.append(read(folder, shipped=shipped))
        except InputError:
            continue
    return sorted(found, key=lambda info: info.created, reverse=True)


def _folders(parent: Path, marker: str) -> list[Path]:
    if not parent.is_dir():
        return []
    found = (path for path in parent.iterdir() if _SAFE_ID.fullmatch(path.name) and (path / marker).is_file())
    return sorted(found, key=lambda path: path.name)


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise InputError("A name needs between 1 and 120 letters.")
    return name
