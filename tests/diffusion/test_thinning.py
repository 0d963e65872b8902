from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from genediff.diffusion.thinning import depths, draw_molecules, likelihood_bound, read_cells, read_molecules, thin


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


COUNTS = torch.tensor([[3.0, 0, 7, 1], [0, 0, 0, 0], [20, 5, 0, 2]])


def test_at_both_ends_a_cell_is_empty_and_whole() -> None:
    assert thin(COUNTS, torch.zeros(3), generator=_generator()).eq(0).all()
    assert thin(COUNTS, torch.ones(3), generator=_generator()).equal(COUNTS)
    assert read_molecules(COUNTS, torch.zeros(3), generator=_generator()).eq(0).all()
    assert read_molecules(COUNTS, COUNTS.sum(1), generator=_generator()).equal(COUNTS)


def test_thinning_keeps_its_share_of_every_gene() -> None:
    cells = torch.tensor([[30.0, 0, 10, 60]]).repeat(4000, 1)
    kept = thin(cells, torch.full((4000,), 0.3), generator=_generator())
    torch.testing.assert_close(kept.mean(0), 0.3 * cells[0], atol=0.3, rtol=0)  # standard errors are below 0.06
    torch.testing.assert_close(kept.var(0), 0.21 * cells[0], atol=1.5, rtol=0.1)  # binomial: t (1 - t) x


def test_so_many_molecules_are_read_and_none_that_is_not_there() -> None:
    read = read_molecules(COUNTS.repeat(2000, 1), torch.tensor([4.0, 4, 9]).repeat(2000), generator=_generator())
    assert read.sum(1).reshape(-1, 3)[0].tolist() == [4, 0, 9]
    assert (read <= COUNTS.repeat(2000, 1)).all()
    expected = COUNTS * torch.tensor([4 / 11, 0, 9 / 27])[:, None]  # hypergeometric
    torch.testing.assert_close(read.reshape(2000, 3, 4).mean(0), expected, atol=0.15, rtol=0)


def test_molecules_follow_their_shares_and_cells_are_full_at_the_end() -> None:
    share = torch.tensor([0.5, 0.3, 0.2, 0.0])
    drawn = draw_molecules(share.log().expand(3000, 4), torch.full((3000,), 40), generator=_generator())
    assert drawn.sum(1).eq(40).all()
    torch.testing.assert_close(drawn.mean(0), 40 * share, atol=0.3, rtol=0)
    library = torch.tensor([1.0, 2, 17, 900])

    def log_shares(counts: Tensor, rows: Tensor) -> Tensor:
        assert (library[rows] > counts.sum(1)).all()  # full cells are left alone
        return torch.log(counts + 1)

    steps = list(read_cells(log_shares, library, n_genes=5, n_steps=8, generator=_generator()))
    assert steps[-1].sum(1).equal(library)
    assert all((after >= before).all() for before, after in itertools.pairwise(steps))
    start = torch.tensor([[3.0, 0, 0, 0, 4]])
    library = torch.tensor([100.0])
    *_, deeper = read_cells(log_shares, library, n_genes=5, n_steps=4, generator=_generator(), start=start)
    assert deeper.sum() == 100
    assert (deeper >= start).all()


def test_batches_grow_by_a_constant_factor() -> None:
    found = torch.stack(list(depths(torch.zeros(1), torch.tensor([2048.0]), 11)))[:, 0]
    assert found.tolist() == [2 ** (k + 1) for k in range(11)]
    onwards = torch.stack(list(depths(torch.tensor([500.0]), torch.tensor([8000.0]), 4)))[:, 0]
    assert onwards.tolist() == [1000, 2000, 4000, 8000]


def _order_matters(counts: Tensor, library: Tensor) -> Tensor:
    """Shares that no exchangeable process has: what was read last time is likelier, and gene 0 at odd depths."""
    return (counts.square() + 0.5 + (counts.sum(1, keepdim=True) % 2) * torch.tensor([1.0, 0, 0])).log().log_softmax(1)


def test_the_bound_is_the_mean_over_all_orders_of_reading() -> None:
    cell = torch.tensor([[2.0, 1, 1]])
    molecules = [0, 0, 1, 2]
    by_order = []
    for order in itertools.permutations(molecules):
        read, log_p = torch.zeros(1, 3), 0.0
        for gene in order:
            log_p += float(_order_matters(read, torch.tensor([4.0]))[0, gene])
            read[0, gene] += 1
        by_order.append(log_p)
    n_orders = math.factorial(4) // math.factorial(2)
    exact = -sum(by_order) / len(by_order) - math.log(n_orders)
    found = likelihood_bound(_order_matters, cell.repeat(20_000, 1), generator=_generator())
    assert abs(float(found.mean()) - exact) < 3 * float(found.std()) / 20_000**0.5
    distinct = dict(zip(itertools.permutations(molecules), by_order, strict=True))
    truth = math.log(sum(math.exp(p) for p in distinct.values()))
    assert exact > -truth  # Jensen: a bound, and here not a tight one
    few = likelihood_bound(_order_matters, cell.repeat(20_000, 1), generator=_generator(), n_depths=2)
    assert abs(float(few.mean()) - exact) < 3 * float(few.std()) / 20_000**0.5


def test_the_bound_is_exact_where_order_does_not_matter() -> None:
    share = torch.tensor([0.6, 0.3, 0.1])
    for cell in torch.tensor([[5.0, 2, 1], [0, 9, 3]]):
        found = likelihood_bound(
            lambda counts, library: share.log().expand_as(counts), cell.repeat(4000, 1), generator=_generator()
        )
        pmf = torch.distributions.Multinomial(int(cell.sum()), share).log_prob(cell)
        assert abs(float(found.mean() + pmf)) < 3 * float(found.std()) / 4000**0.5


def test_the_bound_of_a_polya_urn_is_its_likelihood() -> None:
    """Gamma rates and a Poisson for each gene, given the total: drawn one by one they are a Pólya urn."""
    alpha = torch.tensor([0.5, 2.0, 1.0])
    cell = torch.tensor([[4.0, 1, 0]])

    def urn(counts: Tensor, library: Tensor) -> Tensor:
        return torch.log((alpha + counts) / (alpha.sum() + counts.sum(1, keepdim=True)))

    found = likelihood_bound(urn, cell.repeat(8000, 1), generator=_generator())
    n, total = cell.sum(), alpha.sum()
    dirichlet_multinomial = (
        torch.lgamma(n + 1)
        + torch.lgamma(total)
        - torch.lgamma(n + total)
        + (torch.lgamma(cell[0] + alpha) - torch.lgamma(alpha) - torch.lgamma(cell[0] + 1)).sum()
    )
    assert abs(float(found.mean() + dirichlet_multinomial)) < 4 * float(found.std()) / 8000**0.5
