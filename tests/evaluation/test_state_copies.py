"""Copies of training cells' states with new counts: tokens tell them from new cells, and so does the split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse

from genediff.evaluation.memorisation import StateCopies, alarm
from genediff.evaluation.near_training import excess, near_training
from genediff.evaluation.neighbours import nearest_distance, train_ratio
from genediff.evaluation.real_cells import Source
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
    assert alarm(ratio, 0.01, n=528, states=[found]).level == "copied"


def test_held_out_cells_are_no_copies(shipped) -> None:
    model, dataset = shipped
    for cells in (dataset.counts("test"), sparse.csr_matrix(_redrawn(model, dataset.counts("test")))):
        found = state_copies(model, cells, dataset)
        assert abs(found.share) < 3 * found.error
        assert alarm(1.0, 0.01, n=528, states=[found]).level == "none"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_the_share_of_copies_among_new_cells_is_estimated(shipped, share: float) -> None:
    """Among redrawn held-out cells 50% of copies read -25%, and "a share below 35% would be missed" stood beside it."""
    model, dataset = shipped
    new = dataset.counts("test")
    n = round(share * new.shape[0])
    rows = np.random.default_rng(2).permutation(len(dataset.rows("train")))[:n]
    mixed = sparse.vstack([dataset.counts("train")[rows], new[n:]], format="csr")
    found = state_copies(model, sparse.csr_matrix(_redrawn(model, mixed)), dataset)
    assert abs(found.share - share) < 2 * found.error
    assert (found.excess > 0) == (share > 0)


def test_the_sensitivity_of_the_better_test_is_stated() -> None:
    """The threshold of the test that is a lower bound was given, below which all copies can be missed."""
    blind, fair = StateCopies(0.0, 0.1, is_lower_bound=True), StateCopies(0.1, 0.15)
    assert "a share of 58% would be detected in 8 of 10" in alarm(1.0, 0.01, n=500, states=[fair, blind]).sentence
    assert "can miss many" in alarm(1.0, 0.01, n=500, states=[blind]).sentence
    assert "can miss many" in alarm(1.0, 0.01, n=500, states=[StateCopies(0.1, 0.3)]).sentence  # all copies, even
    assert (
        "could not be distinguished" in alarm(1.0, 0.01, n=500, states=[StateCopies(-0.6, 0.15)]).sentence
    )  # off real cells


def _noisy_copies(counts: sparse.csr_matrix, kept: float) -> sparse.csr_matrix:
    """Draw counts anew from each cell's own profile, mixed with the mean of all."""
    draw, values = np.random.default_rng(0), counts.toarray().astype(float)
    profile = kept * values / values.sum(1, keepdims=True) + (1 - kept) * values.sum(0) / values.sum()
    drawn = [draw.multinomial(int(n), p / p.sum()) for n, p in zip(values.sum(1), profile, strict=True)]
    return sparse.csr_matrix(np.stack(drawn).astype(np.float32))


@pytest.mark.parametrize(("split", "level"), [("train", "copied"), ("test", "none")])
def test_copies_are_found_without_a_model(shipped, split: str, level: str) -> None:
    """Of a file, or of a model without an autoencoder, nothing was tested: ratio .96, "no sign of memorised cells"."""
    _, dataset = shipped
    counts = dataset.counts(split)[np.random.default_rng(1).permutation(len(dataset.rows(split)))[:528]]
    found = near_training(Source(dataset, _noisy_copies(counts, 0.7), True, np.full(528, -1)), dataset)
    assert found is not None and alarm(0.96, 0.01, n=528, states=[found]).level == level


def test_new_cells_lie_nearest_to_training_cells_as_often_as_chance_says() -> None:
    """2,000 splits of the same cells: the share is 0 on average, its error is right, and few exceed three errors.

    Copies in six of ten cells are found where three in four real cells are of training.
    """
    draw = np.random.default_rng(4)
    shares, errors, found = [], [], []
    for number in range(2000):
        real, is_training = draw.normal(size=(200, 3)), draw.permutation(200) < 150
        cells = draw.normal(size=(80, 3)) * 0.7
        new = excess(((cells[:, None] - real) ** 2).sum(2).argmin(1), is_training)
        shares.append(new.share)
        errors.append(new.error)
        if number < 200:
            copied = real[is_training][:120] + draw.normal(scale=0.02, size=(120, 3))
            both = np.concatenate([cells, copied])
            found.append(excess(((both[:, None] - real) ** 2).sum(2).argmin(1), is_training).excess > 0)
    assert abs(np.mean(shares)) < 3 * np.std(shares) / np.sqrt(2000)
    assert np.std(shares) == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.08)
    assert np.mean(np.array(shares) > 3 * np.array(errors)) < 0.005
    assert np.mean(found) > 0.6
