"""Models of perturbations out as one file and in again; whatever does not belong is refused and leaves nothing."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load, save

from genediff.core.errors import InputError
from genediff.models.response_info import ResponseInfo
from genediff.perturbation import ALL_CELLS
from genediff.perturbation.model.response_archive import export_response, import_any
from genediff.perturbation.model.response_store import load_response
from genediff.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = "simulated-screen-pairs"


@pytest.fixture
def workspace(own_workspace: Path) -> Workspace:
    return Workspace(own_workspace)


@pytest.fixture
def packed(workspace: Workspace) -> bytes:
    return export_response(workspace.response_folder(SHIPPED))


def _changed(packed: bytes, changes: dict[str, bytes | None]) -> io.BytesIO:
    """Return the archive with other contents of some members; None leaves one out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(made, "w") as new:
        names = [member.filename for member in old.infolist()]
        for name in [*names, *(one for one in changes if one not in names)]:
            content = changes.get(name, old.read(name) if name in names else b"")
            if content is not None:
                new.writestr(name, content)
    made.seek(0)
    return made


def test_what_was_taken_away_comes_back_and_predicts_the_same(workspace, packed):
    info = import_any(io.BytesIO(packed), workspace.models, workspace.responses, name="pairs.zip")
    assert (
        isinstance(info, ResponseInfo)
        and not info.shipped
        and info.id != ""
        and info.folder.parent == (workspace.responses)
    )
    first, folder = workspace.response_folder(SHIPPED), workspace.response_folder(info.id)
    for name in ("response.safetensors", "knowledge.json", "card.md"):
        assert (folder / name).read_bytes() == (first / name).read_bytes()
    dataset = workspace.open_dataset(info.dataset_id)
    one, again = load_response(first, dataset), load_response(folder, dataset)
    pair = one.task.part("test")[0].perturbation
    assert len(pair.targets) == 2
    np.testing.assert_array_equal(one.delta(pair, ALL_CELLS), again.delta(pair, ALL_CELLS))


def test_a_second_one_stands_beside_the_first(workspace, packed):
    ids = {import_any(io.BytesIO(packed), workspace.models, workspace.responses).id for _ in range(2)}
    assert len(ids) == 2 and ids <= {info.id for info in workspace.list_responses()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({f"{SHIPPED}/run.pkl": b"x"}, "may hold a pickle"),
        ({"../response.json": b"{}"}, "outside its folder"),
        ({f"{SHIPPED}/go.py": b"import os"}, "no part of a model"),
        ({f"{SHIPPED}/response.safetensors": None}, "response.safetensors is missing"),
        ({f"{SHIPPED}/response.safetensors": b"not tensors"}, "damaged"),
        ({f"{SHIPPED}/response.json": b"[]"}, "does not describe a model of perturbations"),
        ({f"{SHIPPED}/knowledge.json": None}, "lacks the network"),
    ],
)
def test_what_does_not_belong_is_refused_in_one_sentence_and_leaves_nothing(workspace, packed, changes, words):
    with pytest.raises(InputError, match=words) as told:
        import_any(_changed(packed, changes), workspace.models, workspace.responses, name="given.zip")
    assert str(told.value).endswith(".") and "\n" not in str(told.value)
    assert not list(workspace.responses.iterdir())


def test_weights_that_are_no_numbers_and_a_newer_format_are_refused(workspace, packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        tensors = load(archive.read(f"{SHIPPED}/response.safetensors"))
        told = json.loads(archive.read(f"{SHIPPED}/response.json"))
    tensors["scale"] = np.full_like(tensors["scale"], np.nan)
    with pytest.raises(InputError, match="not numbers .in scale"):
        import_any(
            _changed(packed, {f"{SHIPPED}/response.safetensors": save(tensors)}), workspace.models, workspace.responses
        )
    newer = json.dumps({**told, "format_version": 99}).encode()
    with pytest.raises(InputError, match="newer genediff"):
        import_any(_changed(packed, {f"{SHIPPED}/response.json": newer}), workspace.models, workspace.responses)
