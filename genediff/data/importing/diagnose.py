"""What a stranger's file holds, found out in a process of its own."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from genediff.core.isolated import Isolated, serve
from genediff.data.importing.doctor import Diagnosis, examine
from genediff.data.importing.stored_file import size_of
from genediff.knowledge.gene_names import load_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.data.importing.read_table import Rows

_PLAIN = TypeAdapter(Diagnosis)


def diagnose(
    path: str | Path, *, rows: Rows | None = None, progress: Callable[[float, str], None] | None = None
) -> Diagnosis:
    """Look at a file of cells without importing it, in a process of its own with limits of memory and time.

    Parameters
    ----------
    path
        The file; see ``read_cells`` for formats.
    rows
        What the rows of a table are ("cells" or "genes"), where the file does not tell.
    progress
        Called with (share done, what is being done).

    Raises
    ------
    InputError
        When the file cannot be read at all, or not within the limits. What is wrong with a readable file is among
        ``problems``.
    """
    path = Path(path)
    if progress is not None:
        progress(0.0, f"Opening {path.name}")
    request: dict[str, object] = {"path": str(path.absolute()), "rows": rows}
    n_bytes = size_of(path) if path.exists() else 0
    return _PLAIN.validate_json(READER.ask(request, name=path.name, n_bytes=n_bytes))


def _examine(request: dict[str, object]) -> str:
    rows: Rows | None = request["rows"]  # type: ignore[assignment]
    return _PLAIN.dump_json(examine(str(request["path"]), rows=rows)).decode()


READER = Isolated(_examine, __name__ if __name__ != "__main__" else "", prepare=load_names)
"""The one of this process; nothing starts before it is first used."""

if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), _examine, prepare=load_names)
