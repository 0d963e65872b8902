from __future__ import annotations

import pytest
import torch

from genediff.diffusion.guidance import additive, drop_conditions, joint

NULL = torch.tensor([3, 2])


def velocity(x, t, codes):
    """A velocity that is a plain sum over columns, so that guidance can be done by hand; "no label" adds nothing."""
    tables = (torch.tensor([1.0, 2.0, 4.0, 0.0]), torch.tensor([10.0, 20.0, 0.0]))
    return (tables[0][codes[:, 0]] + tables[1][codes[:, 1]])[:, None].expand_as(x) + 0.5


CODES = torch.tensor([[0, 1], [2, 0], [3, 2]])
X, T = torch.zeros(3, 2), torch.zeros(3)


@pytest.mark.parametrize("rule", [joint, additive])
def test_weight_one_is_the_conditional_velocity_where_columns_add_up(rule) -> None:
    torch.testing.assert_close(rule(velocity, CODES, NULL, 1.0)(X, T), velocity(X, T, CODES))


@pytest.mark.parametrize("rule", [joint, additive])
def test_weight_zero_forgets_the_condition(rule) -> None:
    torch.testing.assert_close(rule(velocity, CODES, NULL, 0.0)(X, T), torch.full((3, 2), 0.5))


def test_weight_two_doubles_the_pull() -> None:
    expected = 0.5 + 2 * (velocity(X, T, CODES) - 0.5)
    torch.testing.assert_close(joint(velocity, CODES, NULL, 2.0)(X, T), expected)


def test_weight_one_takes_a_single_pass() -> None:
    sizes = []

    def counting(x, t, codes):
        sizes.append(len(x))
        return velocity(x, t, codes)

    joint(counting, CODES, NULL, 1.0)(X, T)
    assert sizes == [3]
    joint(counting, CODES, NULL, 1.5)(X, T)
    assert sizes == [3, 6]


def test_conditions_are_dropped_per_cell_and_at_the_stated_rate() -> None:
    """A whole batch that loses its condition at once is a known trap; the rate must also hold."""
    codes = torch.zeros(20_000, 1, dtype=torch.long)
    out = drop_conditions(codes, NULL[:1], rate=0.1, rule="joint", generator=torch.Generator().manual_seed(0))
    assert (out == 3).float().mean() == pytest.approx(0.1, abs=0.01)
    assert out[:50].unique().numel() == 2


def test_additive_training_sees_each_column_alone() -> None:
    codes = torch.zeros(20_000, 2, dtype=torch.long)
    out = drop_conditions(codes, NULL, rate=0.1, rule="additive", generator=torch.Generator().manual_seed(0))
    hidden = out == NULL
    alone = [(hidden[:, 1] & ~hidden[:, 0]).float().mean(), (hidden[:, 0] & ~hidden[:, 1]).float().mean()]
    assert alone == pytest.approx([0.225, 0.225], abs=0.02)  # 0.9 x 0.5 / 2
