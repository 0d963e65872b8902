from __future__ import annotations

import pytest
import torch

from genediff.nn.dit import Block, Stack
from genediff.nn.embeddings import ConditionEmbedding, TimeEmbedding


@pytest.mark.parametrize("heads", [0, 4])
def test_a_block_starts_as_the_identity(heads: int) -> None:
    x, c = torch.randn(3, 5, 16), torch.randn(3, 16)
    torch.testing.assert_close(Block(16, heads)(x, c), x)


def test_tokens_are_treated_alike() -> None:
    """Without places, permuting the tokens permutes the output."""
    torch.manual_seed(0)
    stack = Stack(16, 2, 4).double()
    for p in stack.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x, c, order = torch.randn(2, 6, 16).double(), torch.randn(2, 16).double(), torch.randperm(6)
    torch.testing.assert_close(stack(x, c)[:, order], stack(x[:, order], c))


def test_attention_mixes_tokens_and_the_mlp_block_does_not() -> None:
    torch.manual_seed(0)
    for heads, mixes in ((4, True), (0, False)):
        block = Block(16, heads)
        for p in block.parameters():
            torch.nn.init.normal_(p, std=0.3)
        x = torch.randn(1, 4, 16, requires_grad=True)
        (gradient,) = torch.autograd.grad(block(x, torch.randn(1, 16))[0, 0].sum(), x)
        assert bool(gradient[0, 1:].abs().sum() > 0) is mixes


def test_times_are_told_apart_finely() -> None:
    torch.manual_seed(0)
    embed = TimeEmbedding(32)
    t = torch.linspace(0, 1, 101)
    distances = torch.cdist(embed(t), embed(t)) + 9 * torch.eye(101)
    assert distances.min() > 1e-3


def test_no_label_is_a_row_of_its_own_and_columns_add_up() -> None:
    embed = ConditionEmbedding([2, 3], 8)
    both, first, second = embed(torch.tensor([[1, 2], [1, 3], [2, 2]]))
    none = embed(torch.tensor([[2, 3]]))[0]
    torch.testing.assert_close(both + none, first + second)
