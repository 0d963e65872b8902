from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from genediff.core.checkpoint import finish_replacement, write_folder
from genediff.core.errors import InputError
from genediff.models.config import ModelConfig, RunConfig
from genediff.models.generative_model import GenerativeModel
from genediff.models.load_model import load_model
from genediff.models.model_info import ModelInfo, ModelSpec
from genediff.tokenizers.statistics import Statistics
from genediff.training.training_card import model_card
from genediff.ui.run_views.run_card import LOSSES


def spec(**model: object) -> ModelSpec:
    config = ModelConfig.model_validate(
        {
            "tokenizer_options": {"n_tokens": 3, "n_channels": 2, "hidden": 16, "decoder_hidden": 8},
            "width": 16,
            "depth": 1,
            "heads": 2,
            "conditions": ("kind",),
            **model,
        }
    )
    return ModelSpec(
        id="m",
        title="A model",
        created="2026-01-01T00:00:00+00:00",
        dataset_id="d",
        dataset_name="cells",
        run=RunConfig(dataset_id="d", model=config),
        genes=("g0", "g1", "g2", "g3"),
        levels={"kind": ("zebra", "ant")},
        combinations=(((0,), 30), ((1,), 10), ((-1,), 10)),
        has_counts=True,
        target_sum=100.0,
    )


def model(seed: int = 0, **changes: object) -> GenerativeModel:
    torch.manual_seed(seed)
    known = Statistics(*[torch.ones(4)] * 4, torch.full((4,), 0.25).log(), torch.tensor([4.0, 0.3]))
    made = GenerativeModel(spec(**changes), known)
    for p in made.denoiser.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return made


def saved(folder, made: GenerativeModel):
    texts = {"model.json": made.spec.model_dump_json(), "card.md": model_card(made.spec)}
    write_folder(folder, dict(made.state_dict()), texts, name="model")
    return folder


@pytest.mark.parametrize("space", [{}, {"space": "gene", "predict": "data"}], ids=["latent", "gene"])
def test_a_saved_model_generates_the_same_cells(tmp_path, space) -> None:
    made = model(**space)
    again = load_model(saved(tmp_path / "m", made), device="cpu")
    ours, theirs = (m.generate(20, conditions={"kind": "ant"}, seed=3, n_steps=3) for m in (made, again))
    np.testing.assert_array_equal(ours.X.todense(), theirs.X.todense())
    assert list(theirs.var_names) == ["g0", "g1", "g2", "g3"]
    assert again.conditions == {"kind": ("zebra", "ant")}  # the order of training, not of the alphabet


def test_a_seed_decides_the_cells_and_the_batch_size_does_not_change_their_law() -> None:
    made = model()
    a, b, c = (made.generate(30, seed=s, n_steps=2, conditions={"kind": "ant"}).X.todense() for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_conditions_come_out_as_they_went_in() -> None:
    asked = pd.DataFrame({"kind": ["ant", None, "zebra", "ant"]})
    cells = model().generate(conditions=asked, seed=0, n_steps=1)
    assert cells.obs["kind"].astype(object).where(cells.obs["kind"].notna(), None).tolist() == asked["kind"].tolist()
    assert (cells.obs["library"] > 0).all()


def test_condition_and_time_matter() -> None:
    made = model()
    x, t = torch.randn(4, 7), torch.full((4,), 0.3)
    at = made.denoiser(x, t, torch.zeros(4, 1, dtype=torch.long))
    assert not torch.allclose(at, made.denoiser(x, t, torch.ones(4, 1, dtype=torch.long)))
    assert not torch.allclose(at, made.denoiser(x, t + 0.3, torch.zeros(4, 1, dtype=torch.long)))


def test_unconditional_draws_follow_the_training_mix() -> None:
    kinds = model().generate(2000, seed=0, n_steps=1).obs["kind"]
    assert (kinds == "zebra").mean() == pytest.approx(0.6, abs=0.04)
    assert kinds.isna().mean() == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"n": 3, "conditions": {"kid": "ant"}}, "no condition 'kid'; it was trained with: kind"),
        ({"n": 3, "conditions": {"kind": "bee"}}, "'bee' is not a level of 'kind'; known: zebra, ant"),
        ({"conditions": {"kind": "ant"}}, "give the number of cells"),
        ({"n": 2, "conditions": {"kind": ["ant"] * 3}}, "as many levels as cells"),
        ({}, "say how many cells"),
        ({"n": 2, "sampler": "magic"}, "samplers are euler, heun"),
        ({"n": 2, "n_steps": 0}, "steps 1 to 1,000"),
    ],
)
def test_what_cannot_be_generated_is_said(call, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        model().generate(**call)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 18, "heads": 4}, "not a multiple of the 4 heads"),
        ({"likelihood": "gaussian"}, "choose nb or zinb"),
        ({"tokenizer": "latnt"}, "unknown tokenizer 'latnt'; known: 'grn', 'grn_latent', 'latent'"),
        ({"tokenizer_options": {"n_token": 3}}, "no option 'n_token'; known: beta, "),
    ],
)
def test_a_configuration_that_makes_no_sense_is_said(changes, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        model(**changes)


def test_damaged_model_folders_are_said(tmp_path) -> None:
    folder = saved(tmp_path / "m", model())
    with pytest.raises(InputError, match="holds no model"):
        ModelInfo.read(tmp_path)
    (folder / "model.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match="damaged or not a safetensors file"):
        load_model(folder)
    raw = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**raw, "format_version": 99}))
    with pytest.raises(InputError, match="update genediff"):
        ModelInfo.read(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match="not readable JSON"):
        ModelInfo.read(folder)
    other = saved(tmp_path / "n", model(width=32))
    (other / "model.json").write_text(json.dumps(raw))
    with pytest.raises(InputError, match="do not fit its configuration"):
        load_model(other)


def test_a_replacement_cut_short_leaves_the_old_folder(tmp_path) -> None:
    """A worker killed between the two renames must not lose its checkpoint."""
    folder = tmp_path / "state"
    write_folder(folder, {"a": torch.zeros(1)}, {"n.json": "1"}, name="state")
    folder.rename(tmp_path / "state.old")
    assert finish_replacement(folder)
    assert (folder / "n.json").read_text() == "1"


def test_gradients_reach_every_parameter_of_the_flow() -> None:
    for space in ({}, {"space": "gene", "predict": "data"}):
        made = model(**space)
        x, codes = torch.randn(8, made.state_size), torch.randint(0, 3, (8, 1))
        codes[:3, 0] = torch.tensor([0, 1, 2])
        made.denoiser(x, torch.rand(8), codes).square().mean().backward()
        silent = [n for n, p in made.denoiser.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        # In gene space the flow reads the tokens' means; their spread belongs to the autoencoder of latent space.
        assert [n for n in silent if "spread" not in n] == []


def test_a_model_whose_tokenizer_held_the_option_of_ambient_rna_is_still_read() -> None:
    """Models that were trained before ambient RNA belonged to the count head say so in their token options."""
    old = ModelConfig.model_validate({"tokenizer_options": {"n_tokens": 3, "ambient": False}})
    assert (old.ambient, old.tokenizer_options) == (False, {"n_tokens": 3})
    assert ModelConfig.model_validate({"tokenizer_options": {"hears": "members"}}).tokenizer_options == {
        "encoder_input": "members"
    }
    assert ModelConfig.model_validate_json(old.model_dump_json()) == old
    assert model(ambient=False).autoencoder.head.ambient is None
    assert model().autoencoder.head.ambient is not None


def test_the_loss_of_the_autoencoder_is_that_of_a_cell_as_its_axis_says() -> None:
    """The axis said "per gene" of a sum over genes: the losses of two halves of the genes add up to that of all."""
    made = model()
    draw = torch.Generator().manual_seed(0)
    n = len(made.genes)
    measured = torch.poisson(torch.full((5, n), 3.0), generator=draw)
    layout = made.tokenizer.layout
    noise = torch.randn(5, layout.n_tokens, layout.n_channels, generator=draw)
    given = (torch.randn(5, n, generator=draw), measured, measured.sum(1), noise, 0.0)
    first = torch.arange(n) < n // 2
    with torch.no_grad():
        whole, *halves = (made.autoencoder(*given, present) for present in (None, first, ~first))
    torch.testing.assert_close(whole, halves[0] + halves[1])
    assert LOSSES["autoencoder"] == "Autoencoder (nats per cell)"
