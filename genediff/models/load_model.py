"""Rebuild a model from its folder; an adapter is put together with its base, which is looked for in the library."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.knowledge import Knowledge
from genediff.models.adapted_weights import adapted_state
from genediff.models.adapter_info import ADAPTER_FILE, ADAPTER_WEIGHTS_FILE, AdapterInfo, read_adapter
from genediff.models.model_info import KNOWLEDGE_FILE, MODEL_FILE, WEIGHTS_FILE, ModelSpec, read_spec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from genediff.models.generative_model import GenerativeModel


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


def load_model(folder: Path, *, device: str = "auto") -> GenerativeModel:
    """Rebuild a model from its folder; InputError when files are missing, damaged or do not belong together.

    An adapted model is put together with its base, which must be in the same library.
    """
    from genediff.core.checkpoint import read_tensors
    from genediff.distributed.device import choose_device
    from genediff.models.generative_model import GenerativeModel

    if (folder / ADAPTER_FILE).is_file():
        return load_adapted(folder).to(choose_device(device)).eval()
    spec = read_spec(folder)
    model = GenerativeModel(spec, knowledge=read_knowledge(folder / KNOWLEDGE_FILE))
    put_weights(model, read_tensors(folder / WEIGHTS_FILE), folder.name)
    return model.to(choose_device(device)).eval()


def put_weights(model: GenerativeModel, tensors: Mapping[str, Tensor], name: str) -> None:
    """Load weights into a model, after refusing those that would generate garbage.

    Parameters
    ----------
    name
        What sentences call the model.

    Raises
    ------
    InputError
        When names or shapes are others than the configuration says, whole numbers stand for fractions, or a weight is
        NaN or infinite.
    """
    expected = model.state_dict()
    both = [key for key in tensors if key in expected]
    differ = (key for key in both if tensors[key].is_floating_point() != expected[key].is_floating_point())
    if (wrong := next(differ, None)) is not None:
        kind = str(tensors[wrong].dtype).removeprefix("torch.")
        raise InputError(
            f"the weights in {name} are of another type than its configuration says ({wrong} holds {kind}), so a file "
            "was changed; export it again"
        )
    if wrong := not_finite(tensors):
        raise InputError(
            f"the weights in {name} hold values that are not numbers (NaN or infinite, in {wrong}), so it can "
            "generate no cells; train it again, or export it again"
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(
            f"the weights in {name} do not fit its configuration, so one of its files was changed; export it again"
        ) from None


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity."""
    return next(
        (key for key, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()), None
    )


def read_knowledge(path: Path) -> Knowledge:
    """Return what a model folder knows of gene sets and networks; InputError when the file is damaged."""
    return Knowledge.from_json(path.read_text()) if path.exists() else Knowledge()


def load_adapted(folder: Path) -> GenerativeModel:
    """Return an adapted model on the CPU, adapter and base in one.

    Raises
    ------
    InputError
        When the base is missing or another one, or files do not fit together.
    """
    from genediff.core.checkpoint import read_tensors

    info, spec = read_adapter(folder), read_spec(folder)
    if info is None:
        raise InputError(f"{folder.name} holds no adapter; export it again")
    base = find_base(folder, info)
    tensors = read_tensors(folder / ADAPTER_WEIGHTS_FILE)
    return put_together(base, spec, tensors, scale=info.scale, known=info.known_levels)


def put_together(
    base: Path, spec: ModelSpec, tensors: Mapping[str, Tensor], *, scale: float, known: tuple[int, ...]
) -> GenerativeModel:
    """Return the model that a base becomes with an adapter's tensors, on the CPU.

    Parameters
    ----------
    base
        Folder of the base.
    spec
        Of the adapted model: genes as in the base, conditions grown.
    """
    from genediff.core.checkpoint import read_tensors
    from genediff.models.generative_model import GenerativeModel
    from genediff.models.load_model import read_knowledge

    model = GenerativeModel(spec, knowledge=read_knowledge(base / KNOWLEDGE_FILE))
    try:
        state = adapted_state(
            read_tensors(base / WEIGHTS_FILE),
            tensors,
            scale=scale,
            known=known,
            n_levels=[len(names) for names in spec.levels.values()],
            width=spec.run.model.width,
        )
        put_weights(model, state, spec.id)
    except (RuntimeError, KeyError):
        raise InputError(
            f"the adapter {spec.id!r} and its base {base.name!r} do not fit together, so a file of one was changed; "
            "export and import the adapter again"
        ) from None
    return model
