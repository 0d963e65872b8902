"""Whether a stranger's model can be used, found out in a process of its own: a configuration may ask for any memory."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from genediff.core.errors import InputError
from genediff.core.isolated import Isolated, serve
from genediff.models.adapter_info import ADAPTER_FILE, ADAPTER_WEIGHTS_FILE
from genediff.models.model_info import WEIGHTS_FILE, read_spec


def check_model(folder: Path, name: str) -> None:
    """Refuse a model that fails when it is used; ``name`` is the file that it came in.

    Raises
    ------
    InputError
        When its weights are damaged or no numbers, do not fit its configuration, or need more memory than they should.
    """
    n_bytes = sum(file.stat().st_size for file in folder.iterdir())
    CHECKER.ask({"path": str(folder.absolute()), "name": name}, name=name, n_bytes=n_bytes)


def check_weights(path: Path, name: str) -> None:
    """Refuse weights that are empty, damaged or no numbers."""
    from safetensors import SafetensorError, safe_open

    from genediff.models.load_model import not_finite

    try:
        with safe_open(path, framework="pt") as tensors:
            if not tensors.keys():
                raise InputError(f"The weights in {name} are empty; export the model again.")
            wrong = next((key for key in tensors.keys() if not_finite({key: tensors.get_tensor(key)})), None)
    except SafetensorError:
        raise InputError(f"The weights in {name} are damaged; export the model again.") from None
    if wrong is not None:
        raise InputError(f"The weights in {name} hold values that are not numbers (in {wrong}); train it again.")


def _check(request: dict[str, object]) -> str:
    folder, name = Path(str(request["path"])), str(request["name"])
    if (folder / ADAPTER_FILE).is_file():  # its base need not be here yet
        check_weights(folder / ADAPTER_WEIGHTS_FILE, name)
    else:
        check_weights(folder / WEIGHTS_FILE, name)
        _rebuild(folder, name)
    return ""


def _rebuild(folder: Path, name: str) -> None:
    from safetensors import safe_open

    from genediff.models.load_model import load_model

    n_genes = len(read_spec(folder).genes)
    with safe_open(folder / WEIGHTS_FILE, framework="pt") as tensors:  # before memory is taken for all its genes
        if not any(n_genes in tensors.get_slice(key).get_shape() for key in tensors.keys()):
            raise InputError(f"The weights in {name} are not those of {n_genes:,} genes; export it again.")
    try:
        load_model(folder, device="cpu")
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a configuration that contradicts itself, in whatever way
        raise InputError(
            f"{name} holds no model that can be rebuilt ({type(error).__name__}: its configuration and its files do "
            "not fit together); export it again."
        ) from error


CHECKER = Isolated(_check, "genediff.models.check_model", forks=False)
"""The one of this process; nothing starts before it is first used."""

if __name__ == "__main__":
    import genediff.models.generative_model  # noqa: F401  once, before a process is forked for each model

    serve(socket.socket(fileno=int(sys.argv[1])), _check)
