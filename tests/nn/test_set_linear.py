from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from genediff.nn.set_linear import Members, SetDecoder, SetEncoder

GENES = 30


def some_sets(n: int = 12, *, seed: int = 0, by_size: bool = True) -> list[np.ndarray]:
    """Overlapping sets of 1 to 9 of the first 25 genes; the last five genes are in none."""
    draw = np.random.default_rng(seed)
    sets = [draw.choice(25, size=int(draw.integers(1, 10)), replace=False) for _ in range(n)]
    return sorted(sets, key=len) if by_size else sets


def encode_loop(x: Tensor, weight: Tensor, sets: list[np.ndarray]) -> Tensor:
    tokens, row = [], 0
    for genes in sets:
        tokens.append(sum(x[:, g, None] * weight[row + k] for k, g in enumerate(genes)))
        row += len(genes)
    return torch.stack(tokens, 1)


def decode_loop(tokens: Tensor, weight: Tensor, sets: list[np.ndarray]) -> Tensor:
    columns: list[list[Tensor]] = [[] for _ in range(GENES)]
    row = 0
    for s, genes in enumerate(sets):
        for k, g in enumerate(genes):
            columns[g].append(tokens[:, s] @ weight[row + k])
        row += len(genes)
    nothing = torch.zeros(len(tokens), dtype=tokens.dtype)
    return torch.stack([sum(said) / len(said) ** 0.5 if said else nothing for said in columns], 1)


@pytest.mark.parametrize("by_size", [True, False], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("kind", [SetEncoder, SetDecoder])
def test_it_is_the_plain_double_loop_in_values_and_gradients(kind, by_size) -> None:
    torch.manual_seed(0)
    sets = some_sets(by_size=by_size)
    layer = kind(Members(sets, GENES), 3)
    given = torch.randn(5, GENES) if kind is SetEncoder else torch.randn(5, len(sets), 3)
    given.requires_grad_()
    out = layer(given)
    loop = encode_loop if kind is SetEncoder else decode_loop
    expected = loop(given, layer.weight, sets)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    probe = torch.randn_like(out)
    ours = torch.autograd.grad((out * probe).sum(), [given, layer.weight])
    theirs = torch.autograd.grad((expected * probe).sum(), [given, layer.weight])
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-5)


def test_the_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(1)
    sets = some_sets(4)
    members = Members(sets, GENES)
    encoder, decoder = SetEncoder(members, 2).double(), SetDecoder(members, 2).double()
    x = torch.randn(2, GENES, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: decoder(torch.tanh(encoder(x))), x)


def test_a_token_touches_its_members_and_no_other_gene() -> None:
    torch.manual_seed(2)
    sets = some_sets()
    members = Members(sets, GENES)
    encoder, decoder = SetEncoder(members, 2), SetDecoder(members, 2)
    member = torch.zeros(len(sets), GENES, dtype=torch.bool)
    for s, genes in enumerate(sets):
        member[s, genes] = True
    spoken = torch.autograd.functional.jacobian(decoder, torch.randn(1, len(sets), 2))[0, :, 0]  # (gene, set, channel)
    assert torch.equal(spoken.ne(0).any(2).T, member)
    heard = torch.autograd.functional.jacobian(encoder, torch.randn(1, GENES))[0, :, :, 0]  # (set, channel, gene)
    assert torch.equal(heard.ne(0).any(1), member)


def test_permuting_genes_permutes_what_is_decoded() -> None:
    torch.manual_seed(3)
    sets, order = some_sets(), np.random.default_rng(0).permutation(GENES)
    place = np.argsort(order)  # gene g of old order stands at place[g] of the new one
    encoder, decoder = SetEncoder(Members(sets, GENES), 2), SetDecoder(Members(sets, GENES), 2)
    moved = Members([place[genes] for genes in sets], GENES)
    encoder_moved, decoder_moved = SetEncoder(moved, 2), SetDecoder(moved, 2)
    encoder_moved.load_state_dict(encoder.state_dict())
    decoder_moved.load_state_dict(decoder.state_dict())
    x = torch.randn(4, GENES)
    tokens = encoder(x)
    torch.testing.assert_close(encoder_moved(x[:, order]), tokens)
    torch.testing.assert_close(decoder_moved(tokens), decoder(tokens)[:, order])


def test_a_gene_in_many_sets_starts_as_variable_as_a_gene_in_one() -> None:
    """The merge rule: a sum over n sets divided by √n."""
    torch.manual_seed(4)
    sets = [np.array([0]), *(np.array([1, 2 + s]) for s in range(16))]
    decoder = SetDecoder(Members(sets, 18), 64)
    spread = decoder(torch.randn(4000, len(sets), 64)).std(0)
    assert spread[1].item() == pytest.approx(1.0, abs=0.15)
    assert spread[0].item() == pytest.approx(1.0, abs=0.35)


def test_memory_of_a_pass_does_not_grow_with_sets_times_tokens() -> None:
    """The plain decoder indexes tokens in a loop, and its backward writes all tokens once for every set."""
    torch.manual_seed(5)
    n_sets, cells, channels = 300, 16, 32
    draw = np.random.default_rng(0)
    members = Members(sorted((draw.choice(200, int(draw.integers(5, 30)), False) for _ in range(n_sets)), key=len), 200)
    layers = SetEncoder(members, channels), SetDecoder(members, channels)
    x = torch.randn(cells, 200, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        layers[1](layers[0](x)).sum().backward()
    asked = sum(max(0, event.self_cpu_memory_usage) for event in seen.key_averages())
    tokens, weights = 4 * cells * n_sets * channels, 4 * members.n_rows * channels
    rows = 4 * members.n_rows * cells
    assert asked < 12 * (tokens + weights + rows)  # the indexing loop asks for 300 times the tokens


def test_half_precision_around_it_does_not_reach_it() -> None:
    members = Members(some_sets(), GENES)
    encoder, decoder = SetEncoder(members, 2), SetDecoder(members, 2)
    x = torch.randn(3, GENES)
    plain = decoder(encoder(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(decoder(encoder(x)), plain)
        assert decoder(encoder(x).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("sets", "said"),
    [([[0, 1], []], "set 1 is empty"), ([[3, 3]], "set 0 is empty or holds a gene twice"), ([[30]], "beyond the 30")],
)
def test_sets_that_are_not_sets_are_said(sets, said) -> None:
    with pytest.raises(ValueError, match=said):
        Members([np.array(genes, dtype=int) for genes in sets], GENES)
