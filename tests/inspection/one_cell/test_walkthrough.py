"""A cell followed through a model is what the model itself makes of it at each station."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.diffusion.objective import Objective
from genediff.diffusion.paths import PATHS
from genediff.inspection.one_cell.cell_reconstruction import reconstruct
from genediff.inspection.one_cell.dataset_context import Cell, DatasetContext, cell_of
from genediff.inspection.one_cell.walkthrough import walk
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel


@pytest.fixture(scope="module")
def station() -> tuple[GenerativeModel, Dataset, DatasetContext, Cell]:
    workspace = Workspace()
    dataset = workspace.open_dataset(DEMO_DATASET)
    context = DatasetContext.of(dataset)
    model = load_model(workspace.model_folder(DEMO_MODEL), device="cpu")
    return model, dataset, context, cell_of(dataset, context, str(dataset.obs.index[7]))


@pytest.mark.parametrize("path", sorted(PATHS))
def test_the_estimate_of_the_data_is_exact_where_the_velocity_is(path: str) -> None:
    objective = Objective(PATHS[path]())
    x_1, x_0 = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    t = torch.linspace(0.05, 0.95, 6)
    c = objective.path(t[:, None])
    found = objective.data_at(c.d_alpha * x_1 + c.d_sigma * x_0, c.alpha * x_1 + c.sigma * x_0, t)
    torch.testing.assert_close(found, x_1, atol=1e-4, rtol=1e-4)


def test_without_noise_the_tokens_stay_and_decode_as_elsewhere(station) -> None:
    model, _, context, cell = station
    found = walk(model, cell, noise=0.0)
    np.testing.assert_allclose(found.noisy, found.tokens, atol=1e-5)
    np.testing.assert_allclose(found.denoised, found.tokens, atol=1e-4)
    np.testing.assert_allclose(found.decoded, reconstruct(model, context, cell).x_back, atol=1e-3)
    assert found.kept.all() and (found.alpha, found.sigma) == (1.0, 0.0)
    np.testing.assert_allclose(found.attention.sum(2), 1, atol=1e-5)
    assert found.attention.shape[1:] == (len(found.places),) * 2 and found.places[-1] == "library size"


def test_fewer_tokens_and_more_noise_leave_less_of_the_cell(station) -> None:
    model, _, _, cell = station

    def r(of: np.ndarray) -> float:
        return float(np.corrcoef(of, cell.x)[0, 1])

    all_tokens, none = walk(model, cell, noise=0.2), walk(model, cell, noise=0.2, n_kept=0)
    assert r(all_tokens.decoded) > r(none.decoded) + 0.02
    assert not none.kept.any() and walk(model, cell, n_kept=3).kept.sum() == 3
    alike = [
        np.corrcoef(walk(model, cell, noise=noise).denoised.ravel(), all_tokens.tokens.ravel())[0, 1]
        for noise in (0.1, 0.5, 1.0)
    ]
    assert alike[0] > alike[1] > alike[2]


def test_a_label_steers_what_noise_alone_becomes(station) -> None:
    model, dataset, _, cell = station
    column = str(dataset.info.label)
    levels = model.conditions[column]
    first, second = (walk(model, cell, labels={column: level}, noise=1.0).denoised for level in levels[:2])
    assert np.abs(first - second).max() > 0.1
    unknown, without = walk(model, cell, labels={column: "nothing like it"}), walk(model, cell)
    np.testing.assert_array_equal(unknown.denoised, without.denoised)


def test_a_model_without_latent_tokens_is_refused_in_words(station) -> None:
    workspace = Workspace()
    model = load_model(workspace.model_folder("pbmc3k-grn"), device="cpu")
    with pytest.raises(InputError, match="latent space"):
        walk(model, station[3])
