"""What an adaptation may change, what it must not, and that it helps."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from genediff.core.checkpoint import read_tensors
from genediff.core.errors import InputError
from genediff.models.adapter_info import read_adapter
from genediff.models.alignment import align
from genediff.models.archive import export_model, import_model
from genediff.models.load_model import load_model, put_together
from genediff.models.model_info import read_spec
from genediff.training.adapt import AdaptConfig, starting_conditions
from genediff.workspace import Workspace
from tests.training.adapt.conftest import import_as

SPACES = ("latent", "gene")


@pytest.mark.parametrize("space", SPACES)
def test_what_is_frozen_stays_bitwise_and_what_learns_moves(adapted, bases, space):
    adaptation, _ = adapted[space]
    before = read_tensors(bases[space] / "model.safetensors")
    learned = {name.removeprefix("set.") for name in adaptation.tensors() if name.startswith("set.")}
    checked = 0
    for name, p in adaptation.model.named_parameters():
        plain = name.replace(".base_layer", "")
        if ".lora_" in name or plain in learned or ".condition.tables." in name:
            continue
        assert torch.equal(p, before[plain]), name
        checked += 1
    assert checked > 20
    name = "denoiser.backbone.steering.condition.tables.0.weight"
    table, old = adaptation.model.state_dict()[name], before[name]
    n_known = len(old) - 1
    assert torch.equal(table[:n_known], old[:-1]) and torch.equal(table[-1], old[-1])
    assert not torch.equal(table[n_known], old[-1]), "the row of the new label has learned"
    tensors = adaptation.tensors()
    moved = [name for name in tensors if name.startswith("up.") and tensors[name].abs().max() > 0]
    assert len(moved) > 0.8 * len(adaptation.targets)


@pytest.mark.parametrize("space", SPACES)
def test_genes_that_were_not_measured_teach_nothing(adapted, bases, space):
    adaptation, _ = adapted[space]
    missing = ~adaptation.cells.present
    assert int(missing.sum()) == 2
    before, after = read_tensors(bases[space] / "model.safetensors"), adaptation.tensors()
    names = [n for n, t in after.items() if n.startswith("set.") and t.shape == missing.shape]
    assert names
    for name in names:
        old = before[name.removeprefix("set.")]
        assert torch.equal(after[name][missing], old[missing]), name
        assert not torch.equal(after[name][~missing], old[~missing]), name


@pytest.mark.parametrize("space", SPACES)
def test_an_adapter_without_tensors_generates_what_its_base_does(make, bases, tmp_path, space):
    adaptation = make(tmp_path, space)
    base = load_model(bases[space], device="cpu")
    tensors = {n: t for n, t in adaptation.tensors().items() if n != "set.library_scale"}  # B = 0, rows as "no label"
    same = put_together(bases[space], adaptation.spec, tensors, scale=2.0, known=adaptation.levels.known)
    known = base.conditions["cell_type"]
    for asked in ({"cell_type": known[0]}, {"cell_type": known[-1]}, {}):
        a, b = (m.generate(20, conditions=asked, seed=3).X.toarray() for m in (base, same))
        assert np.array_equal(a, b), asked
    unlabelled = base.generate(20, conditions={}, seed=3).X.toarray()
    assert np.array_equal(same.generate(20, conditions={"cell_type": "new type"}, seed=3).X.toarray(), unlabelled)


@pytest.mark.parametrize("space", SPACES)
def test_saved_and_loaded_it_generates_the_same_and_is_small(adapted, bases, space):
    adaptation, folder = adapted[space]
    loaded = load_model(folder, device="cpu")
    weights = {p.name for p in folder.glob("*.safetensors")}
    assert weights == {"adapter.safetensors"}
    tensors = adaptation.tensors()
    again = put_together(bases[space], loaded.spec, tensors, scale=2.0, known=adaptation.levels.known)
    a, b = (m.generate(30, seed=1).X.toarray() for m in (loaded, again))
    assert np.array_equal(a, b)
    assert sum(t.numel() for t in tensors.values()) == adaptation.n_trained < again.n_parameters
    assert "LoRA adapter of rank 4" in (folder / "card.md").read_text()


def test_merged_weights_are_what_peft_computes(adapted):
    adaptation, folder = adapted["latent"]
    loaded = load_model(folder, device="cpu")
    state, t = torch.randn(5, loaded.state_size), torch.linspace(0.1, 0.9, 5)
    codes = torch.tensor([[0, 0], [1, 1], [2, 0], [loaded.null[0], loaded.null[1]], [0, 1]])
    with torch.no_grad():
        expected, found = adaptation.model.eval().denoiser(state, t, codes), loaded.denoiser(state, t, codes)
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_new_label_and_an_old_one_are_generated(adapted):
    _, folder = adapted["latent"]
    model = load_model(folder, device="cpu")
    levels = model.conditions["cell_type"]
    assert levels[-1] == "new type" and set(model.conditions["batch"]) == {"day 1", "day 2"}
    for asked in ({"cell_type": "new type", "batch": "day 1"}, {"cell_type": levels[0]}):
        cells = model.generate(25, conditions=asked, seed=0)
        assert cells.X.sum() > 0 and (cells.obs["cell_type"] == asked["cell_type"]).all()
    drawn = model.generate(200, seed=0)
    assert set(drawn.obs["batch"]) == {"day 1", "day 2"}, "combinations are those of the new data"


@pytest.mark.parametrize("space", SPACES)
def test_it_helps_on_shifted_cells(adapted, space):
    adaptation, _ = adapted[space]
    stage = "autoencoder" if space == "latent" else "flow"
    before, after = adaptation.held_out[stage]
    assert after < 0.97 * before


def test_the_order_of_the_new_genes_does_not_matter(make, adapted, new_cells, world, tmp_path):
    order = np.random.default_rng(0).permutation(new_cells.n_vars)
    turned = import_as(new_cells[:, order].copy(), world, "turned")
    adaptation = make(tmp_path, dataset=turned)
    for _ in adaptation.run():
        pass
    first, second = adapted["latent"][0].tensors(), adaptation.tensors()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_stopped_it_leaves_nothing(make, tmp_path):
    adaptation = make(tmp_path / "run")
    steps: list[int] = []
    for event in adaptation.run(stop=lambda: 3 in steps):
        steps.append(event.step)
    assert steps[-1] == 3
    assert not (tmp_path / "run").exists()
    assert all(not event.total_steps for event in make(tmp_path / "run").run(stop=lambda: True))
    assert not (tmp_path / "run").exists()


def test_too_few_shared_genes_are_counted():
    genes = [f"G{i}" for i in range(100)]
    with pytest.raises(InputError, match="only 10 of the model's 100 genes .* at least 25 are needed"):
        align(genes, [f"G{i}" for i in range(90, 130)], name="other")
    found = align(genes, [f"G{i}" for i in range(50, 130)], name="other")
    assert (len(found.shared), len(found.not_measured), found.n_left_out) == (50, 50, 30)


def test_a_base_that_is_missing_or_another_is_said_in_one_sentence(adapted, bases, tmp_path):
    _, folder = adapted["latent"]
    alone = shutil.copytree(folder, tmp_path / "models" / "adapter")
    with pytest.raises(InputError, match="is not in the library; import or restore that model first"):
        load_model(alone)
    wrong = shutil.copytree(bases["gene"], tmp_path / "models" / "latent-base")
    with pytest.raises(InputError, match="is not the one that 'adapter' was adapted from"):
        load_model(alone)
    shutil.rmtree(wrong)
    shutil.copytree(bases["latent"], tmp_path / "models" / "under-another-name")
    assert load_model(alone, device="cpu").generate(3, seed=0).n_obs == 3


def test_an_adapter_is_exported_imported_renamed_and_listed_as_any_model(adapted, bases, tmp_path):
    _, folder = adapted["latent"]
    place = Workspace(tmp_path / "elsewhere")
    info = import_model(export_model(folder, tmp_path / "adapter.zip"), place.models)
    assert info.adapter is not None and info.adapter.base_id == "latent-base"
    with pytest.raises(InputError, match="not in the library"):
        load_model(info.folder)
    import_model(export_model(bases["latent"], tmp_path / "base.zip"), place.models)
    place.rename_model(info.id, "renamed")
    names = {model.title for model in place.list_models()}
    assert "renamed" in names
    a, b = (load_model(f, device="cpu").generate(5, seed=0).X.toarray() for f in (folder, info.folder))
    assert np.array_equal(a, b)


def test_an_adapter_is_no_base_and_unknown_conditions_are_named(make, adapted, bases, new_data, tmp_path):
    from genediff.training.adapt.adaptation import Adaptation

    _, folder = adapted["latent"]
    config = AdaptConfig(base_id=folder.name, dataset_id=new_data.info.id)
    with pytest.raises(InputError, match="is an adapter itself"):
        Adaptation(config, folder, new_data, folder=tmp_path, model_id="again")
    with pytest.raises(InputError, match="has no condition 'colour'"):
        make(tmp_path, conditions={"colour": None})
    with pytest.raises(InputError, match="the model has no condition 'species'"):
        make(tmp_path, conditions={"batch": "species"})
    with pytest.raises(InputError, match="continue the same condition"):
        make(tmp_path, conditions={"batch": "cell_type", "cell_type": "cell_type"})


def test_conditions_are_proposed(new_data):
    assert starting_conditions({"kind": ("a",)}, new_data.info) == {"cell_type": "kind"}
    assert starting_conditions({"cell_type": ("a",), "batch": ("b",)}, new_data.info) == {
        "cell_type": "cell_type",
        "batch": "batch",
    }
    assert starting_conditions({}, new_data.info) == {"cell_type": None}


def test_what_is_told_of_an_adapter(adapted):
    adaptation, folder = adapted["latent"]
    info = read_adapter(folder)
    assert info is not None and read_spec(folder).genes == adaptation.base_spec.genes
    assert len(info.not_measured) == 2 and info.n_left_out == 2 and 0.5 < info.profile_share < 1
    assert info.new_levels == {"cell_type": ("new type",), "batch": ("day 1", "day 2")}
