from __future__ import annotations

import numpy as np
import pytest

from genediff.evaluation.matching import Target, choose_target, match, n_draws

REAL = np.repeat([0, 1, 2], [100, 60, 40])


def _mix(codes: np.ndarray) -> list[int]:
    return np.bincount(codes, minlength=3).tolist()


def test_many_cells_are_thinned_to_the_real_mix_anew_for_each_seed() -> None:
    generated = np.repeat([0, 1, 2], [300, 300, 300])
    target = choose_target(generated, REAL, max_cells=1000)
    assert not target.reweighted
    rows, real = match(generated, REAL, target, seed=0)
    assert _mix(generated[rows]) == _mix(REAL[real]) == [100, 60, 40]
    assert len(set(rows.tolist())) == 200
    again, other = match(generated, REAL, target, seed=0)[0], match(generated, REAL, target, seed=1)[0]
    assert (again == rows).all() and (other != rows).any()


def test_max_cells_and_few_generated_cells_shrink_every_label_alike() -> None:
    assert choose_target(REAL, REAL, max_cells=100).sizes == ((0, 50), (1, 30), (2, 20))
    few = np.repeat([0, 1, 2], [50, 30, 20])
    assert choose_target(few, REAL, max_cells=1000).sizes == ((0, 50), (1, 30), (2, 20))


def test_another_mix_is_compared_label_by_label() -> None:
    generated = np.repeat([0, 1, 2], [150, 60, 4])
    target = choose_target(generated, REAL, max_cells=1000)
    assert target.reweighted
    rows, real = match(generated, REAL, target, seed=0)
    assert _mix(generated[rows]) == _mix(REAL[real]) == [100, 60, 4]


def test_a_label_never_generated_stays_among_the_real_cells() -> None:
    generated = np.repeat([0, 1], [100, 60])
    rows, real = match(generated, REAL, choose_target(generated, REAL, max_cells=1000), seed=0)
    assert len(rows) == len(real) == 160
    assert _mix(REAL[real])[2] > 15


def test_rare_labels_do_not_shrink_the_rest() -> None:
    real = np.repeat([0, 1], [197, 3])
    generated = np.repeat([0, 1], [200, 1])
    target = choose_target(generated, real, max_cells=1000)
    assert target == Target(((0, 197), (1, 3)))
    rows, _ = match(generated, real, target, seed=0)
    assert len(rows) == 198


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        choose_target(np.array([], dtype=int), REAL, max_cells=10)


def test_with_cells_enough_every_part_has_generated_cells_of_its_own() -> None:
    """The "±" was of folds and subsamples of one draw (.004), and cells drawn anew differed by .02."""
    generated, real = np.repeat([0, 1], [500, 250]), np.repeat([0, 1], [100, 50])
    target = choose_target(generated, real, max_cells=2000)
    assert n_draws(generated, real, target, most=5) == 5
    parts = [match(generated, real, target, seed=seed, part=(seed, 5))[0] for seed in range(5)]
    assert len(set(np.concatenate(parts))) == 750
    assert n_draws(generated[::4], real, target, most=5) == 1
