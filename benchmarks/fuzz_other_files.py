"""Models, gene sets, networks, embeddings, orthologs, stories and recipes with random damage: used, or one sentence.

    python -m benchmarks.fuzz_other_files [N] [FIRST]

Every seed makes one file out of a small valid one: bytes are flipped, cut off or overwritten, before or after it is
packed, or a field of its JSON is given another value. It prints what went wrong, and how many files ended how.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz_files import damage, refused, run
from genediff.core.errors import InputError
from genediff.core.installation import ASSETS
from genediff.data.importing.recipe import Recipe
from genediff.knowledge.gene_embedding import read_embedding
from genediff.knowledge.gmt import read_gmt
from genediff.knowledge.read_network import read_network
from genediff.knowledge.read_orthologs import read_orthologs
from genediff.learn import parse_story
from genediff.models.archive import export_model
from genediff.perturbation.model.response_archive import export_response, import_any
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GENES = ["STAT1", "IRF1", "JAK2", "CD3D", "LYZ", "CXCL10", "MS4A1", "NKG7"]
VALUES: list[Any] = [None, -1, 0, 10**9, 1e308, float("nan"), "", "x", [], ["x"], {}, {"x": 1}, True, "\ud800"]


def _rows(separator: str) -> str:
    rng = np.random.default_rng(0)
    return "".join(separator.join([gene, *(f"{value:.3f}" for value in rng.normal(size=3))]) + "\n" for gene in GENES)


def _npz(path: Path) -> None:
    np.savez(path, genes=np.array(GENES), values=np.random.default_rng(0).normal(size=(len(GENES), 3)))


def _text(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = text.encode()
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)

    return write


def _shipped(folder: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(min((ASSETS / folder).glob(f"*{path.suffix}")).read_bytes())


EDGES = "source\ttarget\tweight\n" + "".join(f"{a}\t{b}\t1\n" for a in GENES[:3] for b in GENES[3:])
SETS = "".join(f"SET{n}\tof genes\t" + "\t".join(GENES[n:]) + "\n" for n in range(4))
PAIRS = "human\tmouse\n" + "".join(f"{gene}\t{gene.title()}\n" for gene in GENES)
VALID: dict[str, Callable[[Path], object]] = {
    "model.zip": lambda path: export_model(ASSETS / "models" / "pbmc3k-grn", path),
    "response.zip": lambda path: path.write_bytes(export_response(next((ASSETS / "responses").iterdir()))),
    "sets.gmt": _text(SETS),
    "sets.gmt.gz": _text(SETS),
    "edges.tsv": _text(EDGES),
    "edges.tsv.gz": _text(EDGES),
    "embedding.csv": _text(_rows(",")),
    "embedding.npz": _npz,
    "orthologs.tsv": _text(PAIRS),
    "story.yaml": _shipped("stories"),
    "recipe.json": _shipped("recipes"),
}


def make(seed: int, folder: Path) -> tuple[Path, str]:
    """Write the damaged file of a seed, and say what was done to it."""
    rng = np.random.default_rng(seed)
    kind = list(VALID)[seed % len(VALID)]
    path = folder / kind
    VALID[kind](path)
    if kind.endswith((".zip", ".json")) and rng.random() < 0.6:
        return path, f"{kind} {_edit_json(path, rng)}"
    if kind.endswith(".gz") and rng.random() < 0.6:
        plain = folder / "plain"
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        what = damage(plain, seed)
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        return path, f"{kind} packed after {what}"
    return path, f"{kind} {damage(path, seed)}"


def _edit_json(path: Path, rng: np.random.Generator) -> str:
    """Change, add or take away a field somewhere in a JSON file, or in one of those of an archive."""
    if path.suffix == ".json":
        content = json.loads(path.read_text())
        what = _change(content, rng)
        path.write_text(json.dumps(content))
        return what
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = sorted(name for name in members if name.endswith(".json"))
    name = names[rng.integers(len(names))]
    content = json.loads(members[name])
    what = _change(content, rng)
    members[name] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for member, kept in members.items():
            archive.writestr(member, kept)
    return f"{name} {what}"


def _change(content: Any, rng: np.random.Generator, place: str = "") -> str:
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[rng.integers(len(keys))]
    inner = content[key]
    if isinstance(inner, dict | list) and inner and rng.random() < 0.7:
        return _change(inner, rng, f"{place}/{key}")
    if rng.random() < 0.2:
        del content[key]
        return f"{place}/{key} deleted"
    content[key] = value = VALUES[rng.integers(len(VALUES))]
    return f"{place}/{key} = {value!r}"


def outcome(path: Path) -> str:
    """Say how the use of a file ended; raises whatever is not one sentence."""
    try:
        _use(path)
    except InputError as error:
        return refused(error)
    return "used"


def _use(path: Path) -> None:
    name = path.name
    if name.endswith(".zip"):
        workspace = Workspace(path.parent / "home")
        info = import_any(path, workspace.models, workspace.responses)
        listed = {one.id for one in (*workspace.list_models(), *workspace.list_responses())}
        assert info.id in listed, f"{info.id} was imported and is not listed"
        return
    readers: dict[str, Callable[[Path], object]] = {
        "sets": read_gmt,
        "edges": read_network,
        "embedding": read_embedding,
        "orthologs": read_orthologs,
        "story": lambda path: parse_story(path.read_bytes().decode("utf-8", "replace"), name=path.name),
        "recipe": Recipe.read,
    }
    readers[name.partition(".")[0]](path)


if __name__ == "__main__":
    run(__doc__, make, outcome)
