"""Find the base of an adapter in the library, and put the two together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from genediff.adaptation.weights import adapted_state
from genediff.adapter_info import ADAPTER_WEIGHTS_FILE, AdapterInfo, read_adapter
from genediff.errors import InputError
from genediff.model_info import KNOWLEDGE_FILE, MODEL_FILE, WEIGHTS_FILE, ModelSpec, read_spec
from genediff.workspace import ASSETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from genediff.model import GeneDiff


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 of the weights in a model folder."""
    with (folder / WEIGHTS_FILE).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_base(folder: Path, info: AdapterInfo) -> Path:
    """Return the folder of an adapter's base: beside the adapter, or among the models that ship.

    The weights decide, not the id: an imported base may have been given another one.

    Raises
    ------
    InputError
        When the base is not there, or is another model than the one that was adapted.
    """
    library = (folder.parent, ASSETS / "models")
    named = [place / info.base_id for place in library]
    others = [path.parent for place in library for path in sorted(place.glob(f"[!.]*/{WEIGHTS_FILE}"))]
    there = [path for path in dict.fromkeys((*named, *others)) if (path / WEIGHTS_FILE).is_file()]
    for path in there:
        if (path / MODEL_FILE).is_file() and weights_hash(path) == info.base_hash:
            return path
    if any(path in there for path in named):
        raise InputError(
            f"the model {info.base_id!r} in the library is not the one that {folder.name!r} was adapted from (its "
            "weights differ); import the original first"
        )
    raise InputError(
        f"{folder.name!r} is an adapter and its base {info.base_title!r} ({info.base_id}) is not in the library; "
        "import or restore that model first"
    )


def load_adapted(folder: Path) -> GeneDiff:
    """Return an adapted model on the CPU, adapter and base in one.

    Raises
    ------
    InputError
        When the base is missing or another one, or files do not fit together.
    """
    from genediff.checkpoint import read_tensors

    info, spec = read_adapter(folder), read_spec(folder)
    if info is None:
        raise InputError(f"{folder.name} holds no adapter; export it again")
    base = find_base(folder, info)
    tensors = read_tensors(folder / ADAPTER_WEIGHTS_FILE)
    return put_together(base, spec, tensors, scale=info.scale, known=info.known_levels)


def put_together(
    base: Path, spec: ModelSpec, tensors: Mapping[str, Tensor], *, scale: float, known: tuple[int, ...]
) -> GeneDiff:
    """Return the model that a base becomes with an adapter's tensors, on the CPU.

    Parameters
    ----------
    base
        Folder of the base.
    spec
        Of the adapted model: genes as in the base, conditions grown.
    """
    from genediff.checkpoint import read_tensors
    from genediff.model import GeneDiff, read_knowledge

    model = GeneDiff(spec, knowledge=read_knowledge(base / KNOWLEDGE_FILE))
    try:
        state = adapted_state(
            read_tensors(base / WEIGHTS_FILE),
            tensors,
            scale=scale,
            known=known,
            n_levels=[len(names) for names in spec.levels.values()],
            width=spec.run.model.width,
        )
        model.load_state_dict(state)
    except (RuntimeError, KeyError):
        raise InputError(
            f"the adapter {spec.id!r} and its base {base.name!r} do not fit together, so a file of one was changed; "
            "export and import the adapter again"
        ) from None
    return model
