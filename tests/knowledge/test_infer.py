"""Networks from cells: planted edges are found, shuffled ones are not, and a known network is refined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genediff.core.errors import InputError
from genediff.knowledge import Library, make_network, resolve_knowledge
from genediff.knowledge.infer import in_context, infer_network, ridge_weights
from genediff.knowledge.refine import refine

GENES = (*(f"TF{i}" for i in range(8)), *(f"G{i}" for i in range(40)))
REGULATORS = GENES[:8]


def planted(seed: int = 0, n_cells: int = 400) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """Cells in which each gene answers to one or two of eight regulators, which go along with each other."""
    draw = np.random.default_rng(seed)
    levels = draw.normal(size=(n_cells, 8)) + 0.7 * draw.normal(size=(n_cells, 1))
    edges = []
    own = 0.8 * draw.normal(size=(n_cells, 40))
    for gene in range(40):
        for regulator in draw.choice(8, size=1 + gene % 2, replace=False):
            sign = draw.choice([-1, 1])
            own[:, gene] += sign * levels[:, regulator]
            edges.append((GENES[regulator], f"G{gene}", sign))
    x = np.maximum(np.concatenate([levels, own], axis=1) + 3, 0).astype(np.float32)
    return sparse.csr_matrix(x), pd.DataFrame(edges, columns=["source", "target", "sign"])


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(edges["source"], edges["target"], strict=True))


def test_planted_edges_are_found_and_shuffled_ones_are_not():
    x, edges = planted()
    found = infer_network(x, GENES, len(edges), regulators=REGULATORS).edges
    share = len(pairs(found) & pairs(edges)) / len(edges)
    control = make_network("truth", edges).shuffled(seed=0).edges
    assert share > 0.8
    assert len(pairs(found) & pairs(control)) / len(edges) < 0.4
    both = found.merge(edges, on=["source", "target"])
    assert (both["sign_x"] == both["sign_y"]).mean() > 0.95


def test_shuffled_cells_give_no_planted_edges():
    x, edges = planted()
    draw = np.random.default_rng(1)
    shuffled = np.stack([draw.permutation(column) for column in x.toarray().T], axis=1)
    found = infer_network(shuffled, GENES, len(edges), regulators=REGULATORS).edges
    assert len(pairs(found) & pairs(edges)) / len(edges) < 0.35  # 60 of 376 possible edges are planted: 0.16 by chance


def test_permuting_genes_permutes_the_network():
    x, _ = planted()
    order = np.random.default_rng(2).permutation(len(GENES))
    turned = tuple(GENES[i] for i in order)
    one = infer_network(x, GENES, 60, regulators=REGULATORS).edges
    other = infer_network(x[:, order], turned, 60, regulators=REGULATORS).edges
    assert pairs(one) == pairs(other)
    assert one["weight"].max() == 1.0 and (one["weight"] > 0).all() and one["weight"].is_monotonic_decreasing


def test_ridge_weights_are_those_of_scikit_learn():
    from sklearn.linear_model import Ridge

    x, _ = planted()
    z = x.toarray().astype(float)
    z = (z - z.mean(0)) / z.std(0)
    acting = np.arange(8)
    found = ridge_weights(z[:, acting].T @ z / len(z), acting, ridge=0.3)
    model = Ridge(alpha=0.3 * len(z), fit_intercept=False)
    np.testing.assert_allclose(found[:, 20], model.fit(z[:, :8], z[:, 20]).coef_, atol=1e-8)
    others = [0, 1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(found[others, 3], model.fit(z[:, others], z[:, 3]).coef_, atol=1e-8)
    assert (found[acting, acting] == 0).all()


def test_context_by_a_plain_loop():
    draw = np.random.default_rng(0)
    score, acting = draw.random((4, 9)), np.array([0, 2, 5, 8])
    found = in_context(score, acting)
    for row in range(4):
        for column in range(9):
            if column == acting[row]:
                assert found[row, column] == 0
                continue
            gene = [score[i, column] for i in range(4) if acting[i] != column]
            regulator = [score[row, j] for j in range(9) if j != acting[row]]
            z = [max(0.0, (score[row, column] - np.mean(v)) / np.std(v)) for v in (gene, regulator)]
            assert found[row, column] == pytest.approx(np.hypot(*z))


def test_who_may_act():
    x, _ = planted()
    known = infer_network(x, GENES, 50, regulators=REGULATORS[:3])
    assert set(known.edges["source"]) <= set(REGULATORS[:3]) and "3 known regulators" in known.source
    mouse = tuple(name.capitalize() for name in GENES)
    assert "8 known regulators" in infer_network(x, mouse, 50, regulators=REGULATORS).source
    anyone = infer_network(x, GENES, 50, regulators=["X"])
    assert "any of 48 genes" in anyone.source


@pytest.mark.parametrize(
    ("x", "n_edges", "said"),
    [
        (np.ones((20, 48)), 5, "fewer than two genes vary"),
        (np.ones((3, 48)), 5, "from 3 cells"),
        (np.random.default_rng(0).random((20, 48)), 0, "1 or more"),
    ],
)
def test_what_cannot_be_is_said(x, n_edges, said):
    with pytest.raises(InputError, match=said):
        infer_network(x, GENES, n_edges, regulators=REGULATORS)


def test_refined_is_the_union_and_says_where_edges_are_from(tmp_path):
    x, edges = planted()
    prior = make_network("prior", edges.head(20))
    library = Library(tmp_path / "own")
    wanted = library.add_network(prior)
    pick = {"gene_sets": None, "genes": GENES, "x": lambda: x, "seed": 0}
    inferred = resolve_knowledge(library, network="inferred:50", **pick).network
    refined = resolve_knowledge(library, network=f"{wanted}+inferred:50", **pick).network
    assert pairs(refined.edges) == pairs(prior.edges) | pairs(inferred.edges)
    by = refined.edges.groupby("provenance").apply(pairs, include_groups=False).to_dict()
    assert by["both"] == pairs(prior.edges) & pairs(inferred.edges) and len(by["both"]) > 5
    assert by["data"] == pairs(inferred.edges) - pairs(prior.edges)
    kept = refined.edges.merge(prior.edges, on=["source", "target"], suffixes=("", "_prior"))
    assert (kept["sign"] == kept["sign_prior"]).all() and (kept["weight"] == kept["weight_prior"]).all()


def test_a_sign_that_the_prior_does_not_know_comes_from_the_data():
    prior = make_network("p", pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [2.0]}))
    data = make_network(
        "d", pd.DataFrame({"source": ["A", "A"], "target": ["B", "C"], "weight": [0.5, 0.25], "sign": -1})
    )
    edges = refine(prior, data).edges.set_index("target")
    assert edges["sign"].tolist() == [-1, -1]
    assert edges.loc["B", "weight"] == 2.0
    assert edges.loc["C", "weight"] == pytest.approx(0.25 * 2.0 / 0.375)
