"""Pathway tokens, alone and beside free latent tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from genediff.core.errors import InputError
from genediff.knowledge import Knowledge, make_gene_sets
from genediff.tokenizers import Material
from genediff.tokenizers.base import Posterior
from genediff.tokenizers.hybrid import LatentPathway, LatentPathwayConfig
from genediff.tokenizers.pathway import Pathway, PathwayConfig

GENES = tuple(f"G{i}" for i in range(40))
SETS = {
    "large": GENES[4:16],  # shares G4 and G5 with "small"
    "small": GENES[:6],
    "tiny": GENES[20:22],
    "elsewhere": ("X1", "X2", "X3", "X4", "X5"),
}
REST = set(range(16, 40))


def material(sets: dict[str, tuple[str, ...]] = SETS, genes: tuple[str, ...] = GENES) -> Material:
    return Material(genes, Knowledge(make_gene_sets("ours", sets)))


def pathway(sets: dict[str, tuple[str, ...]] = SETS, **options: object) -> Pathway:
    torch.manual_seed(0)
    return Pathway(material(sets), PathwayConfig(n_channels=2, **options)).double()


def driven(tokenizer: Pathway | LatentPathway) -> torch.Tensor:
    """Return which gene each token drives, (token, gene)."""
    layout = tokenizer.layout
    tokens = torch.randn(1, layout.n_tokens, layout.n_channels, dtype=torch.double)
    change = torch.autograd.functional.jacobian(tokenizer.decode, tokens)[0, :, 0]  # (gene, token, channel)
    return change.ne(0).any(2).T


def heard(tokenizer: Pathway) -> torch.Tensor:
    """Return which gene each token hears, (token, gene)."""
    x = torch.randn(1, len(GENES), dtype=torch.double)
    change = torch.autograd.functional.jacobian(tokenizer.encode, x)[0, :, :, 0]  # (token, channel, gene)
    return change.ne(0).any(1)


@pytest.mark.parametrize("decoder", ["mlp", "linear"])
def test_a_named_token_has_its_own_genes_and_a_residual_token_those_in_no_set(decoder) -> None:
    tokenizer = pathway(n_residual=3, decoder=decoder, encoder_input="members")
    assert tokenizer.layout.names == ("small", "large", "residual 1", "residual 2", "residual 3")
    for reached in (driven(tokenizer), heard(tokenizer)):
        genes = [set(np.flatnonzero(row)) for row in reached]
        assert genes == [set(range(6)), set(range(4, 16)), REST, REST, REST]


def test_a_token_may_hear_the_cell_but_drives_its_own_genes() -> None:
    tokenizer = pathway(n_residual=3, encoder_input="cell")
    assert heard(tokenizer).all()
    assert torch.equal(driven(tokenizer), driven(pathway(n_residual=3, encoder_input="members")))


def test_sets_outside_the_bounds_become_residual_genes() -> None:
    assert pathway(smallest=2).layout.names[0] == "tiny"
    bounded = pathway(largest=8, n_residual=1)
    assert bounded.layout.names == ("small", "residual 1")
    assert driven(bounded)[1].sum() == 34


def test_where_every_gene_is_in_a_set_there_is_no_residual_token() -> None:
    assert pathway({"all": GENES}).layout.names == ("all",)


def test_without_a_usable_set_the_way_out_is_said() -> None:
    with pytest.raises(InputError, match="no set of 'ours' has 50 or more of the 40 genes"):
        pathway(smallest=50)
    with pytest.raises(InputError, match="need a collection of gene sets"):
        Pathway(replace(material(), knowledge=Knowledge()), PathwayConfig())


def test_the_penalty_is_beta_times_the_divergence() -> None:
    tokenizer = pathway(beta=0.25)
    shape = (3, tokenizer.layout.n_tokens, 2)
    at_rest = Posterior(torch.zeros(shape), torch.ones(shape))
    moved = Posterior(torch.full(shape, 2.0), torch.ones(shape))
    assert tokenizer.penalty(at_rest).abs().max() == 0
    expected = 0.25 * 2.0 * tokenizer.layout.size  # KL(N(2, 1), N(0, 1)) = 2
    torch.testing.assert_close(tokenizer.penalty(moved), torch.full((3,), expected))


def test_activity_is_the_mean_of_what_a_token_adds_to_its_genes() -> None:
    tokenizer = pathway(n_residual=1)
    tokens = torch.randn(5, 3, 2, dtype=torch.double)
    silent = tokens.clone()
    silent[:, 1] = 0
    added = (tokenizer.decode(tokens) - tokenizer.decode(silent))[:, 4:16].mean(1)
    at_zero = tokenizer.activity(silent)[:, 1]
    torch.testing.assert_close(tokenizer.activity(tokens)[:, 1] - at_zero, added)


def test_a_set_that_moves_is_seen_in_its_own_token() -> None:
    """Fit to cells in which two sets go up and down apart; with the sets' genes shuffled the names say little."""
    generator = torch.Generator().manual_seed(0)
    level = torch.randn(128, 2, generator=generator)
    x = 0.3 * torch.randn(128, 40, generator=generator)
    x[:, :10] += level[:, :1]
    x[:, 10:20] += level[:, 1:]
    planted = {"first": GENES[:10], "second": GENES[10:20]}
    mixed = {"first": GENES[:20:2], "second": GENES[1:20:2]}
    agreement = {}
    for title, sets in (("planted", planted), ("shuffled", mixed)):
        torch.manual_seed(0)
        tokenizer = Pathway(material(sets), PathwayConfig(n_channels=1, n_residual=1, context=16, decoder="linear"))
        optimizer = torch.optim.Adam(tokenizer.parameters(), lr=0.03)
        for _ in range(100):
            posterior = tokenizer.posterior(x)
            noise = torch.randn(posterior.mean.shape, generator=generator)
            error = (tokenizer.decode(posterior.draw(noise)) - x).square().sum(1) / (2 * 0.3**2)
            loss = (error + tokenizer.penalty(posterior)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        activity = tokenizer.activity(tokenizer.encode(x))[:, :2].detach()
        told = torch.corrcoef(torch.cat([activity, level], 1).T)[:2, 2:]
        agreement[title] = told.diagonal().min().item()
    assert agreement["planted"] > 0.9
    assert agreement["shuffled"] < 0.8


def hybrid(**options: object) -> LatentPathway:
    torch.manual_seed(0)
    return LatentPathway(material(), LatentPathwayConfig(n_channels=2, latent_hidden=16, **options)).double()


def test_the_hybrid_is_the_sum_of_its_parts() -> None:
    tokenizer = hybrid(n_latent=3, beta=0.5, price=4.0)
    layout = tokenizer.layout
    assert layout.names == ("small", "large", "z0", "z1", "z2")
    assert layout.parts == (("pathways", 2), ("free tokens", 3))
    x = torch.randn(7, 40, dtype=torch.double)
    posterior = tokenizer.posterior(x)
    named, free = tokenizer.parts
    torch.testing.assert_close(posterior.mean[:, :2], named.posterior(x).mean)
    torch.testing.assert_close(posterior.std[:, 2:], free.posterior(x).std)
    tokens = posterior.mean
    torch.testing.assert_close(tokenizer.decode(tokens), named.decode(tokens[:, :2]) + free.decode(tokens[:, 2:]))
    each = posterior.divergence().sum(2)
    expected = 0.5 * each[:, :2].sum(1) + 4.0 * 0.5 * each[:, 2:].sum(1)
    torch.testing.assert_close(tokenizer.penalty(posterior), expected)


def test_named_tokens_keep_to_their_genes_in_the_hybrid_and_free_ones_reach_all() -> None:
    reached = driven(hybrid(n_latent=2))
    assert [set(np.flatnonzero(row)) for row in reached[:2]] == [set(range(6)), set(range(4, 16))]
    assert reached[2:].all()


def test_a_silenced_part_tells_every_cell_the_same() -> None:
    tokenizer = hybrid(n_latent=3)
    tokens = torch.randn(6, 5, 2, dtype=torch.double)
    silenced = tokenizer.silenced(tokens, 0)
    assert silenced[:, :2].std(0).max() < 1e-12
    torch.testing.assert_close(silenced[:, 2:], tokens[:, 2:])


def test_what_parts_explain_adds_up_and_follows_what_they_say() -> None:
    tokenizer = hybrid(n_latent=3, decoder="linear")
    tokens = torch.randn(50, 5, 2, dtype=torch.double)
    wanted = tokenizer.decode(tokens).detach()

    def errors(logits: torch.Tensor) -> torch.Tensor:
        return (logits - wanted).square().sum(1)

    named, free = tokenizer.explained(tokens, errors)
    assert named.variance + free.variance == pytest.approx(1.0)
    assert named.cost > 0 < free.cost
    quiet = tokens.clone()
    quiet[:, 2:] = quiet[:, 2:].mean(0)
    wanted = tokenizer.decode(quiet).detach()
    named, free = tokenizer.explained(quiet, errors)
    assert (named.variance, free.variance) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert free.cost == pytest.approx(0.0, abs=1e-9)
    assert named.cost == pytest.approx((wanted - wanted.mean(0)).square().sum(1).mean().item())


def test_named_tokens_have_first_say_where_free_ones_are_left_out_in_training() -> None:
    """A signal that both parts could tell: left alone for half of the cells, the named part learns to tell it."""

    def share(alone: float) -> float:
        tokenizer = hybrid(n_latent=3, alone=alone)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(256, 1, generator=generator).double() * torch.linspace(-1, 1, 40).double()
        optimizer = torch.optim.Adam(tokenizer.parameters(), lr=1e-2)
        for _ in range(150):
            posterior = tokenizer.posterior(x)
            drawn = posterior.draw(torch.randn(posterior.mean.shape, generator=generator).double())
            loss = (tokenizer.decode(drawn) - x)[:, :16].square().sum(1) + 0.01 * tokenizer.penalty(posterior)
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
        with torch.no_grad():
            each = [part[:, :16] - part[:, :16].mean(0) for part in tokenizer.decode_parts(tokenizer.encode(x))]
            whole = sum(each)
            return float((each[0] * whole).sum() / whole.square().sum())

    assert share(0.5) > share(0.0) + 0.1


def test_nothing_is_left_out_but_in_training() -> None:
    tokenizer, tokens = hybrid(n_latent=3, alone=0.5), torch.randn(64, 5, 2, dtype=torch.double)
    named, free = tokenizer.decode_parts(tokens)
    with torch.no_grad():
        torch.testing.assert_close(tokenizer.decode(tokens), named + free)
    gone = (tokenizer.decode(tokens) - named - free).abs().sum(1) > 1e-9
    assert 0.2 < gone.double().mean() < 0.8
    torch.testing.assert_close(tokenizer.eval().decode(tokens), named + free)
