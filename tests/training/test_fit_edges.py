"""What regulators say of their targets in a straight line is found in the closed form, and only where it is there."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from genediff.diffusion.thinning import read_molecules, unread_loss
from genediff.evaluation.held_out_nats import paired_gain
from genediff.models.count_denoiser import CountDenoiser
from genediff.models.count_mixture import fit_count_mixture
from genediff.nn.edge_linear import EdgeLinear
from genediff.nn.edge_lists import Graph
from genediff.training.fit_edges import _normal_equations, _Read, fit_edges

N_GENES, N_REGULATORS, SLOPE = 40, 8, 0.35
ENDS = np.array([(r, t) for t in range(N_REGULATORS, N_GENES) for r in (t % N_REGULATORS, (t + 3) % N_REGULATORS)]).T
SIGNS = np.where(np.arange(ENDS.shape[1]) % 3 == 0, -1, 1)


def cells(n: int, *, seed: int) -> torch.Tensor:
    """Counts in which each target follows two regulators."""
    draw = np.random.default_rng(seed)
    level = 0.7 * draw.normal(size=(n, N_REGULATORS))
    logs = np.zeros((n, N_GENES))
    logs[:, :N_REGULATORS] = level
    for (source, target), sign in zip(ENDS.T, SIGNS, strict=True):
        logs[:, target] += SLOPE * sign * level[:, source]
    rates = np.exp(logs)
    return torch.from_numpy(draw.poisson(400 * rates / rates.sum(1, keepdims=True)).astype(np.float32))


def fitted(ends: np.ndarray) -> SimpleNamespace:
    """A denoiser as far as its start and its linear edges go."""
    train, held = cells(600, seed=1), cells(200, seed=2)
    codes, held_codes = (torch.zeros((len(one), 0), dtype=torch.long) for one in (train, held))
    start = fit_count_mixture(csr_matrix(train.numpy()), codes, [], cluster_sizes=(0,))
    linear = EdgeLinear(Graph(torch.from_numpy(ends), N_GENES, loops=False), start=0.0)
    denoiser = SimpleNamespace(
        linear=linear,
        surprise=CountDenoiser.surprise,
        start_log_shares=start.log_shares,
        log_profile=torch.zeros(N_GENES),
    )
    of = SimpleNamespace(
        train=csr_matrix(train.numpy()), validation=csr_matrix(held.numpy()), n_validation=len(held), train_codes=codes,
        validation_codes=held_codes,
    )  # fmt: skip
    fit_edges(denoiser, of, np.arange(len(train)), seed=0)
    return denoiser


def gained(denoiser: SimpleNamespace) -> tuple[float, float]:
    whole = cells(400, seed=3)
    read = read_molecules(whole, torch.full((len(whole),), 200.0), generator=torch.Generator().manual_seed(4))
    start = denoiser.start_log_shares(read, whole.sum(1), torch.zeros((len(whole), 0), dtype=torch.long))
    with torch.no_grad():
        moved = (start + denoiser.linear(denoiser.surprise(read, start))).log_softmax(1)
    gain = paired_gain((unread_loss(start, whole, read) - unread_loss(moved, whole, read)).numpy())
    return gain.low, gain.high


def test_planted_edges_are_found_with_their_signs_and_help_test_cells() -> None:
    """Steps on 16 cells at a time learned nothing of them: edges moved as far by chance as they were strong."""
    denoiser = fitted(ENDS)
    source, target = denoiser.linear.graph.edges.numpy()
    sign = {(int(a), int(b)): s for (a, b), s in zip(ENDS.T, SIGNS, strict=True)}
    weights = denoiser.linear.weight.detach().numpy()
    right = np.sign(weights) == [sign[int(a), int(b)] for a, b in zip(source, target, strict=True)]
    assert right.mean() > 0.95
    assert gained(denoiser)[0] > 0.001


@pytest.mark.parametrize("seed", range(3))
def test_edges_that_do_not_act_add_nothing_that_hurts(seed: int) -> None:
    draw = np.random.default_rng(seed)
    planted = {(int(a), int(b)) for a, b in ENDS.T}
    free = [(a, b) for b in range(N_REGULATORS, N_GENES) for a in range(N_REGULATORS) if (a, b) not in planted]
    others = np.array([free[place] for place in draw.choice(len(free), ENDS.shape[1], replace=False)]).T
    low, high = gained(fitted(others))
    assert high > -1e-4  # not significantly worse than without
    assert low < 0.001


def test_the_answer_is_that_of_ridge_regression() -> None:
    """One target of two: the normal equations, written out."""
    draw = np.random.default_rng(0)
    edges = EdgeLinear(Graph(torch.tensor([[0, 1, 2, 0], [3, 3, 3, 1]]), 4, loops=False), start=0.0)
    surprise, start = (torch.from_numpy(draw.normal(size=(50, 4)).astype(np.float32)) for _ in range(2))
    unread, start = torch.from_numpy(draw.poisson(5.0, (50, 4)).astype(np.float32)), start.log_softmax(1)
    (_, *_), (part, left, right) = _normal_equations(edges, _Read(surprise, start, unread))
    expected, x = unread.sum(1) * start[:, 3].exp(), surprise[:, :3]
    assert edges.graph.edges[0, part].tolist() == [0, 1, 2]
    torch.testing.assert_close(left, x.T @ torch.diag(expected) @ x)
    torch.testing.assert_close(right, x.T @ (unread[:, 3] - expected))
