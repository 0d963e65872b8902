"""Moving a token of generated cells: nothing at zero, more with more, and the control moves by itself."""

from __future__ import annotations

import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.inspection.tokens.activations import activations
from genediff.inspection.tokens.steering import Steered, start_cells, steer
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Steered, Steered]:
    workspace = Workspace()
    dataset = workspace.open_dataset(DEMO_DATASET)
    model = load_model(workspace.model_folder(DEMO_MODEL), device="cpu")
    found = activations(model, dataset, tmp_path_factory.mktemp("tokens"))
    start = start_cells(model, dataset, n_cells=40)
    asked: list[float] = []
    own, control = (
        steer(
            model, dataset, found.loadings, start, token, place=lambda pcs: pcs[:, :2], amounts=(-3.0, 0.0, 1.0, 3.0),
            progress=asked.append,
        )
        for token in (0, 3)
    )  # fmt: skip
    assert asked[: len(asked) // 2] == sorted(asked[: len(asked) // 2])
    return own, control


def test_nothing_changes_at_zero_and_more_with_more(steered: tuple[Steered, Steered]) -> None:
    for one in steered:
        assert one.change.shape[0] == 4 and one.xy is not None and one.xy.shape == (4, 40, 2)
        np.testing.assert_allclose(one.change[1], 0, atol=1e-5)
        size = np.abs(one.change).mean(1)  # (amount,)
        assert size[3] > size[2] > 1e-3
        # Genes that rise on one side fall on the other, on the whole.
        assert one.change[0] @ one.change[3] < 0
    own, control = steered
    np.testing.assert_allclose(own.xy[1], control.xy[1], atol=1e-4)  # the same cells


def test_tokens_move_cells_each_in_its_own_way(steered: tuple[Steered, Steered]) -> None:
    own, control = steered
    assert abs(np.corrcoef(own.change[3], control.change[3])[0, 1]) < 0.9
    assert min(own.nearest.min(), control.nearest.min()) >= 0


def test_a_model_without_tokens_of_clean_cells_is_refused_in_words(tmp_path) -> None:
    workspace = Workspace()
    dataset = workspace.open_dataset(DEMO_DATASET)
    model = load_model(workspace.model_folder("pbmc3k-grn"), device="cpu")
    with pytest.raises(InputError, match="latent space"):
        start_cells(model, dataset)
