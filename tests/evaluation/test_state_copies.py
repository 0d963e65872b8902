"""Copies of training cells' states with new counts: the shipped model's tokens tell them from new cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse

from genediff.evaluation.memorisation import alarm
from genediff.evaluation.neighbours import nearest_distance, train_ratio
from genediff.evaluation.state_copies import state_copies
from genediff.models.load_model import load_model
from genediff.workspace import DEMO_DATASET, DEMO_MODEL, Workspace

if TYPE_CHECKING:
    from genediff.data import Dataset
    from genediff.models.generative_model import GenerativeModel


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[GenerativeModel, Dataset]:
    place = Workspace(tmp_path_factory.mktemp("home"))
    return load_model(place.model_folder(DEMO_MODEL)), place.open_dataset(DEMO_DATASET)


def _redrawn(model: GenerativeModel, counts: sparse.csr_matrix) -> np.ndarray:
    """Encode cells, decode their states, and draw counts anew with their own library sizes."""
    measured = torch.from_numpy(counts.toarray()).float()
    library = measured.sum(1)
    x = torch.log1p(measured * (model.spec.target_sum / library)[:, None])
    with torch.no_grad():
        logits = model.autoencoder.tokenizer.decode(model.autoencoder.tokenizer.encode(model.standardise(x)))
        return model.autoencoder.head.sample(logits, library, generator=torch.Generator().manual_seed(7)).numpy()


def test_states_of_training_cells_are_found_behind_new_counts(shipped) -> None:
    """A generator that copies states and redraws counts passed: nearest-train ratio 1.01, "no sign of copies"."""
    model, dataset = shipped
    rows = np.random.default_rng(1).permutation(len(dataset.rows("train")))[:528]
    copies = _redrawn(model, dataset.counts("train")[rows])
    pcs = np.asarray(dataset.project(dataset.normalise(sparse.csr_matrix(copies))), float)
    training, test = (np.asarray(dataset.project(dataset.x(split)), float) for split in ("train", "test"))
    ratio = train_ratio(nearest_distance(pcs, training), nearest_distance(test, training))
    assert ratio > 0.95  # the counts themselves say nothing
    found = state_copies(model, sparse.csr_matrix(copies), dataset)
    assert found.share > 0.5 and found.share > 3 * found.error
    assert alarm(ratio, 0.01, n=528, states=found).level == "copied"


def test_held_out_cells_are_no_copies(shipped) -> None:
    model, dataset = shipped
    for cells in (dataset.counts("test"), sparse.csr_matrix(_redrawn(model, dataset.counts("test")))):
        found = state_copies(model, cells, dataset)
        assert found.share < 3 * found.error
        assert alarm(1.0, 0.01, n=528, states=found).level == "none"
