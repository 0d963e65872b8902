"""Models in and out as one file; whatever could run, or write elsewhere, is refused and leaves nothing behind."""

from __future__ import annotations

import io
import json
import pickle
import stat
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genediff.core.errors import InputError
from genediff.knowledge import Knowledge
from genediff.models.archive import export_model, import_model
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.load_model import load_model
from genediff.models.model_info import ModelSpec
from genediff.workspace import DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def workspace(own_workspace: Path) -> Workspace:
    return Workspace(own_workspace)


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    spec = ModelSpec(
        id="mine",
        title="Mine",
        created="2026-01-01T00:00:00+00:00",
        dataset_id="d",
        dataset_name="cells",
        run=RunConfig(dataset_id="d", model=ModelConfig(tokenizer="mlp", space="gene", width=16, depth=1)),
        genes=("A", "B"),
        levels={"cell_type": ("B cell",)},
        combinations=(((0,), 5),),
        has_counts=True,
        target_sum=100.0,
    )
    made = workspace.models / "mine"
    made.mkdir()
    (made / "model.json").write_text(spec.model_dump_json())
    (made / "card.md").write_text("# Mine\n")
    weights = GenerativeModel(spec, knowledge=Knowledge()).state_dict()
    save_file({name: tensor.numpy() for name, tensor in weights.items()}, made / "model.safetensors")
    return made


def _bad(folder: Path, edit: Callable[[dict[str, np.ndarray], str], None]) -> dict[str, bytes]:
    """Return a model's files with its first large weight changed."""
    weights = load_file(folder / "model.safetensors")
    edit(weights, next(name for name, values in weights.items() if values.ndim == 2))
    save_file(weights, folder / "model.safetensors")
    return _members(folder)


def _as_integers(weights: dict[str, np.ndarray], name: str) -> None:
    weights[name] = weights[name].astype(np.int32)


def _with_nan(weights: dict[str, np.ndarray], name: str) -> None:
    weights[name][0, 0] = np.nan


def _too_narrow(weights: dict[str, np.ndarray], name: str) -> None:
    weights[name] = weights[name][:, 1:].copy()


def _one_lacks(weights: dict[str, np.ndarray], name: str) -> None:
    del weights[name]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (_as_integers, "another type"),
        (_with_nan, "not numbers"),
        (_too_narrow, "do not fit"),
        (_one_lacks, "do not fit"),
    ],
)
def test_weights_that_would_generate_garbage_are_refused(workspace, folder, tmp_path, edit, why):
    """Whole numbers and NaN were taken and gave garbage cells; wrong shapes were a traceback once they were used."""
    bad = _zip(tmp_path / "own.zip", _bad(folder, edit))
    with pytest.raises(InputError, match=why) as refused:
        import_model(bad, workspace.models)
    assert "own.zip" in str(refused.value) and [path.name for path in workspace.models.iterdir()] == ["mine"]
    with pytest.raises(InputError, match=why):
        load_model(folder)


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _members(folder: Path) -> dict[str, bytes]:
    return {f"m/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_round_trip(workspace, folder, tmp_path):
    (folder / "evaluation.json").write_text(json.dumps({"headline": {"c2st_pcs": 0.5}}))
    (folder / "notes.txt").write_text("not part of a model, so it stays at home")
    archive = export_model(folder, tmp_path / "mine.zip")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.zip"]
    again = import_model(archive, workspace.models)
    assert again.id == "mine-2"
    assert again.title == "Mine"
    assert again.metrics == {"c2st_pcs": 0.5}
    assert json.loads((again.folder / "model.json").read_text())["id"] == "mine-2"
    assert (again.folder / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert {path.name for path in again.folder.iterdir()} == {
        "model.json",
        "model.safetensors",
        "card.md",
        "evaluation.json",
    }


def test_an_upload_is_an_open_file(workspace, folder, tmp_path):
    content = export_model(folder, tmp_path / "mine.zip").read_bytes()
    workspace.delete_model("mine")
    assert import_model(io.BytesIO(content), workspace.models, name="mine.zip").id == "mine"


class Dangerous:
    """Unpickling this would leave a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (self.mark.touch, ())


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl", "model.ckpt", "MODEL.PT", "model.zip", "model"])
def test_pickles_are_refused_unopened(workspace, tmp_path, name):
    mark, path = tmp_path / "mark", tmp_path / name
    path.write_bytes(pickle.dumps(Dangerous(mark)))
    with pytest.raises(InputError, match="pickle|not a zip file"):
        import_model(path, workspace.models)
    assert not mark.exists()
    assert list(workspace.models.iterdir()) == []


def test_torch_files_are_refused_under_another_name(workspace, tmp_path):
    """A .pt file is itself a zip with a pickle in it."""
    import torch

    torch.save({"weight": torch.zeros(2)}, tmp_path / "model.zip")
    with pytest.raises(InputError, match=r"data\.pkl in model\.zip may hold a pickle"):
        import_model(tmp_path / "model.zip", workspace.models)


REFUSED = {
    "pickle beside": ({"m/extra.pkl": b"x"}, "may hold a pickle"),
    "code beside": ({"m/model.py": b"x"}, "no part of a model"),
    "above": ({"../model.md": b"x"}, "outside its folder"),
    "absolute": ({"/etc/model.md": b"x"}, "outside its folder"),
    "backslashes": ({"..\\..\\model.md": b"x"}, "outside its folder"),
    "drive": ({"C:model.md": b"x"}, "outside its folder"),
    "deep": ({"m/n/model.md": b"x"}, "outside its folder"),
    "twice": ({"card.md": b"x"}, "twice"),
    "damaged weights": ({"m/model.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}{}{}"}, "weights in .* damaged"),
    "damaged description": ({"m/model.json": b"{"}, "not readable JSON"),
    "newer format": ({"m/model.json": b'{"format_version": 99}'}, "update genediff"),
    "no description": ({"m/model.json": None}, "model.json is missing"),
    "no weights": ({"m/model.safetensors": None}, "model.safetensors is missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_belong_is_refused_and_leaves_nothing(workspace, folder, tmp_path, case):
    changes, message = REFUSED[case]
    members = {name: content for name, content in {**_members(folder), **changes}.items() if content is not None}
    before = sorted(path for path in tmp_path.rglob("*"))
    path = _zip(tmp_path / "model.zip", members)
    with pytest.raises(InputError, match=message) as refused:
        import_model(path, workspace.models)
    assert "\n" not in str(refused.value) and ".import-" not in str(refused.value)
    assert sorted(found for found in tmp_path.rglob("*") if found != path) == before


@pytest.mark.parametrize(
    ("genes", "why"),
    [
        (["STAT1"] * 3, r"model\.json in model\.zip does not describe a model .field genes"),
        ([f"G{number}" for number in range(300_000)], r"weights in model\.zip are not those of 300,000 genes"),
    ],
    ids=["one gene thrice", "more genes than weights"],
)
def test_genes_that_the_weights_are_not_of_are_refused(workspace, folder, tmp_path, genes, why):
    """Memory was taken for all the genes that a small file declares: 2.7 GB for a million of them."""
    members = _members(folder)
    place = next(name for name in members if name.endswith("model.json"))
    members[place] = json.dumps({**json.loads(members[place]), "genes": genes}).encode()
    with pytest.raises(InputError, match=why):
        import_model(_zip(tmp_path / "model.zip", members), workspace.models)
    assert [path.name for path in workspace.models.iterdir()] == [folder.name]


def test_links_are_refused(workspace, folder, tmp_path):
    path = _zip(tmp_path / "model.zip", _members(folder))
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("m/evaluation.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="link among its members"):
        import_model(path, workspace.models)


def test_a_cut_file_is_refused(workspace, folder, tmp_path):
    path = export_model(folder, tmp_path / "model.zip")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a zip file or is damaged"):
        import_model(path, workspace.models)


def test_a_flipped_byte_is_noticed(workspace, folder, tmp_path):
    path = export_model(folder, tmp_path / "model.zip")
    content = path.read_bytes()
    place = content.index((folder / "model.safetensors").read_bytes()[-64:])
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    with pytest.raises(InputError, match="damaged"):
        import_model(path, workspace.models)


def test_an_id_from_a_file_is_no_path(workspace, folder, tmp_path):
    members = _members(folder)
    members["m/model.json"] = json.dumps({**json.loads(members["m/model.json"]), "id": "../../evil"}).encode()
    info = import_model(_zip(tmp_path / "model.zip", members), workspace.models)
    assert info.folder.parent == workspace.models
    assert info.id == "evil"


def test_a_folder_without_a_model_cannot_be_exported(tmp_path):
    with pytest.raises(InputError, match="holds no model"):
        export_model(tmp_path, tmp_path / "x.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_shipped_model_that_comes_back_gets_an_id_of_its_own(workspace, tmp_path):
    """Two models of one id broke the Models page."""
    shipped = workspace.model_folder(DEMO_MODEL)
    info = import_model(export_model(shipped, tmp_path / "shipped.zip"), workspace.models)
    assert info.id == f"{DEMO_MODEL}-2"
    ids = [one.id for one in workspace.list_models()]
    assert len(ids) == len(set(ids))
