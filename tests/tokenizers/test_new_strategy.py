"""A tokenization as a newcomer would write it, with nothing of the package but `base`: tokens are principal components.

The first one who tried met five obstacles: no `fit` on training cells; statistics that were empty, without a word,
where a saved model was read; options and a penalty to be copied from a neighbour; a contract that asked of every
strategy how far those that exist come in 90 steps; and a list in the README to be edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

import genediff as gd
from genediff.tokenizers import TOKENIZERS, Material, Posterior, Tokenizer, TokenizerConfig, TokenLayout, option

from . import test_contract as contract

if TYPE_CHECKING:
    from pathlib import Path

    from lightning_fabric import Fabric

    from genediff.tokenizers.statistics import Statistics

    from .conftest import World


@dataclass(frozen=True)
class ComponentsConfig(TokenizerConfig):
    """Options of the principal components strategy."""

    n_tokens: int = option(8, title="Tokens", help="How many groups of components.", low=1, high=256)
    n_channels: int = option(4, title="Channels", help="Components per token.", low=1, high=64)


class Components(Tokenizer):
    """Scores on the principal axes of the training cells, whitened; consecutive components share a token."""

    name: ClassVar[str] = "components"
    title: ClassVar[str] = "Principal components"
    sentence: ClassVar[str] = "Linear scores on the axes of largest variance."
    reference: ClassVar[str] = "doi:10.1080/14786440109462720"  # Pearson 1901
    Config: ClassVar[type] = ComponentsConfig

    axes: Tensor
    scale: Tensor
    config: ComponentsConfig

    def __init__(self, material: Material, config: ComponentsConfig) -> None:
        super().__init__(material, config)
        n_genes, size = len(material.genes), config.n_tokens * config.n_channels
        self.register_buffer("axes", torch.zeros(n_genes, size))  # (gene, component)
        self.register_buffer("scale", torch.ones(size))
        self.spread = nn.Parameter(torch.full((config.n_tokens, config.n_channels), -1.0))
        self.patterns = nn.Linear(size, n_genes)

    def fit(self, training: Statistics) -> None:
        """Find the axes; the decoder starts at their transpose."""
        _, s, axes = torch.linalg.svd(training.cells, full_matrices=False)
        kept = min(len(s), len(self.scale))
        self.axes[:, :kept] = axes[:kept].T
        self.scale[:kept] = (s[:kept] / len(training.cells) ** 0.5).clamp(min=1e-2)
        with torch.no_grad():
            self.patterns.weight.copy_(0.3 * self.axes * self.scale)
            self.patterns.bias.zero_()

    @property
    def layout(self) -> TokenLayout:
        """Tokens PC1-4, PC5-8, …; all attend to all."""
        d = self.config.n_channels
        names = tuple(f"PC{i * d + 1}-{(i + 1) * d}" for i in range(self.config.n_tokens))
        return TokenLayout(names, d)

    def posterior(self, x: Tensor) -> Posterior:
        """Map standardised expression (cell, gene) to its whitened scores."""
        mean = (x @ self.axes / self.scale).unflatten(1, self.spread.shape)  # (cell, token, channel)
        return Posterior(mean, self.spread.clamp(-4, 2).exp().expand_as(mean))

    def decode(self, tokens: Tensor) -> Tensor:
        """Map tokens (cell, token, channel) to one logit per gene, (cell, gene)."""
        return self.patterns(tokens.flatten(1))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(TOKENIZERS, Components.name, Components)


def test_it_is_fitted_on_training_cells_before_the_first_step(world: World) -> None:
    """The axes are those of scikit-learn on the same cells."""
    tokenizer = contract.build(world, "components")
    known = PCA(4, svd_solver="full").fit(world.x.numpy()).components_
    assert np.abs(np.diag(known @ tokenizer.axes[:, :4].numpy())).min() > 0.99


def test_what_fit_found_is_there_in_a_saved_model(world: World, tmp_path: Path) -> None:
    contract.test_a_saved_model_gives_the_same_cells(world, "components", "latent", tmp_path)


@pytest.mark.parametrize("space", [one for one in Components.spaces if one != "counts"])
def test_the_contract_holds(world: World, space: str, fabric: Fabric) -> None:
    """Every question of the contract, asked of a strategy that the contract has never seen."""
    contract.test_shapes_and_names(world, "components")
    contract.test_genes_go_by_their_names(world, "components")
    contract.test_a_seed_decides_weights_and_cells(world, "components", space)
    contract.test_gradients_reach_every_weight(world, "components", space, fabric)
    contract.test_time_and_condition_matter_to_every_token(world, "components", space)
    contract.test_64_cells_are_memorised(world, "components", space, fabric)
    contract.test_what_it_needs_is_asked_for(world, "components")


def test_a_notebook_chooses_trains_and_decodes_it(world: World) -> None:
    chosen = gd.tokenizers.Components(n_tokens=3, n_channels=2)
    assert repr(chosen) == "components(n_tokens=3, n_channels=2)"
    cells = gd.read_h5ad(world.cells, label="cell_type", umap=False)
    model = gd.GeneDiff(chosen, steps=3, tokenizer_steps=3, batch_size=16, device="cpu")
    losses = [step.loss for step in model.fit(cells) if step.loss is not None]
    assert len(losses) == 6 and np.isfinite(losses).all()
    tokenizer = model.network.tokenizer
    assert tokenizer.layout.names == ("PC1-2", "PC3-4", "PC5-6")
    assert tokenizer.axes.abs().sum() > 0
    x = torch.randn(4, len(model.genes))
    assert tokenizer.decode(tokenizer.encode(x)).shape == (4, len(model.genes))
    assert tuple(model.generate(5, seed=1).var_names) == model.genes


def test_the_train_page_draws_its_card_and_its_options() -> None:
    page = AppTest.from_function(form, default_timeout=600).run()
    assert not page.exception
    assert any(Components.sentence in one.value for one in page.caption)
    drawn = [one.label for one in page.number_input]
    assert [name for name in drawn if name in ("Tokens", "Channels", "KL weight")] == [
        "Tokens",
        "Channels",
        "KL weight",
    ]
    assert page.text[0].value == "components {'n_tokens': 16}"


def form() -> None:
    import streamlit as st

    from genediff.training.presets import PRESETS
    from genediff.ui.train import train_form
    from genediff.workspace import Workspace

    info = Workspace().open_dataset("pbmc3k").info
    train_form.strategy_cards()
    base = train_form.start(info, PRESETS["quick"], "components", "latent", (), {})
    st.session_state.setdefault("quick-components-tokens-n_tokens", 16)
    run = train_form.options(PRESETS["quick"], base)
    st.text(f"{run.model.tokenizer} {run.model.tokenizer_options}")
