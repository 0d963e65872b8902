"""Gene sets from MSigDB and Enrichr, through gseapy; never for longer than it was told to wait."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genediff.core.errors import InputError
from genediff.knowledge.gene_sets import make_gene_sets

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.knowledge.library import Library

Provider = Literal["msigdb", "enrichr"]
HOSTS: dict[Provider, str] = {"msigdb": "data.broadinstitute.org", "enrichr": "maayanlab.cloud"}
LICENCES: dict[Provider, str] = {
    "msigdb": "MSigDB's terms, https://www.gsea-msigdb.org/gsea/msigdb_license_terms.jsp (KEGG, BioCarta: their own)",
    "enrichr": "the terms of the library's own source, https://maayanlab.cloud/Enrichr/#libraries",
}
CONNECT_SECONDS = 3.0
WAIT_SECONDS = 20.0

# A process of its own, since a call that hangs cannot be ended in a thread.
_PROGRAM = """
import json, sys
provider, name, where, target = sys.argv[1:]
import gseapy
if provider == "msigdb":
    sets = gseapy.Msigdb().get_gmt(category=name, dbver=where)
else:
    sets = gseapy.get_library(name=name, organism=where)
with open(target, "w", encoding="utf-8") as file:
    json.dump({str(key): list(map(str, genes)) for key, genes in (sets or {}).items()}, file)
"""


def download_gene_sets(
    library: Library,
    name: str,
    *,
    provider: Provider = "enrichr",
    version: str = "2024.1.Hs",
    organism: str = "Human",
    timeout: float = WAIT_SECONDS,
    progress: Callable[[float, str], None] | None = None,
) -> str:
    """Download a collection, keep it in the library and return its id; one that is there already is not fetched again.

    Parameters
    ----------
    library
        Where it is kept.
    name
        Enrichr's name of a library ("KEGG_2021_Human"), or MSigDB's of a collection ("h.all", "c2.cp.kegg_legacy").
    provider
        Whom to ask.
    version
        Of MSigDB, which also says the species (Hs, Mm).
    organism
        Of Enrichr.
    timeout
        Seconds to wait for the answer.
    progress
        Told (share done, what is being done).

    Raises
    ------
    InputError
        At once when there is no connection; else when the answer takes too long, or there is no such collection.
    """
    if provider not in HOSTS:
        raise InputError(f"There is no provider {provider!r} of gene sets; known: {', '.join(HOSTS)}.")
    where = version if provider == "msigdb" else organism
    title = f"{name} ({provider} {where})"
    for item in library.list("gene_sets"):
        if item.title == title and not item.shipped:
            return item.id
    tell = progress or (lambda share, message: None)
    tell(0.0, f"Looking for {HOSTS[provider]}")
    require_connection(HOSTS[provider])
    tell(0.2, f"Waiting for {name}, at most {timeout:.0f} s")
    sets = _fetch([provider, name, where], timeout)
    if not sets:
        raise InputError(f"{provider} has no gene sets {name!r} for {where}; check the name at {HOSTS[provider]}.")
    tell(0.9, "Keeping it")
    source = f"{provider}, {name}, {where}, by gseapy"
    return library.add_gene_sets(make_gene_sets(title, sets, source=source, licence=LICENCES[provider]))


def require_connection(host: str, *, timeout: float = CONNECT_SECONDS) -> None:
    """Find out within seconds whether a server can be reached.

    Raises
    ------
    InputError
        When it cannot.
    """
    reached = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError):
            socket.create_connection((host, 443), timeout=timeout).close()
            reached.set()

    # The timeout of a socket does not hold for looking up the name, so a thread is waited for and then left alone.
    asking = threading.Thread(target=connect, daemon=True)
    asking.start()
    asking.join(timeout)
    if not reached.is_set():
        raise InputError(
            f"{host} cannot be reached, so nothing was downloaded; upload a GMT file instead, or try with a connection."
        )


def _fetch(arguments: list[str], timeout: float, *, program: str = _PROGRAM) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "sets.json"
        try:
            done = subprocess.run(
                [sys.executable, "-c", program, *arguments, str(target)],
                timeout=timeout, capture_output=True, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{arguments[0]} did not answer within {timeout:.0f} seconds; try again later, or upload a GMT file."
            ) from None
        if done.returncode != 0 or not target.is_file():
            lines = done.stderr.strip().splitlines()
            said = lines[-1][:200] if lines else "no answer"
            raise InputError(f"{arguments[0]} gave no gene sets {arguments[1]!r} ({said}); check the name.")
        found: dict[str, list[str]] = json.loads(target.read_text(encoding="utf-8"))
        return found
