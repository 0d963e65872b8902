"""Scores without a model: against scipy, gseapy and the running sum by its definition; agreement and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import linregress, spearmanr

from genediff.inspection.pathways.agreement import agreement
from genediff.inspection.pathways.set_scores import ALPHA, membership, score_sets, ssgsea
from genediff.knowledge import GeneSets, make_gene_sets

GENES = [f"g{i}" for i in range(120)]


@pytest.fixture(scope="module")
def sets() -> GeneSets:
    draw = np.random.default_rng(0)
    return make_gene_sets("some", {f"s{i}": list(draw.choice(GENES, 8 + i, replace=False)) for i in range(6)})


@pytest.fixture(scope="module")
def x(sets: GeneSets) -> np.ndarray:
    """300 sparse cells in which each set has an activity of its own."""
    draw = np.random.default_rng(1)
    activity = draw.normal(size=(300, len(sets.sets)))
    level = activity @ np.asarray(membership(sets, GENES).todense()) * 0.8 - 0.5
    return np.log1p(draw.poisson(np.exp(level))).astype(np.float32)


def test_ulm_is_the_t_value_of_a_regression(x: np.ndarray, sets: GeneSets) -> None:
    found = score_sets("ulm", sp.csr_matrix(x), sets, GENES)
    np.testing.assert_allclose(found, score_sets("ulm", x, sets, GENES), atol=1e-4)
    z = (x - x.mean(0)) / x.std(0)
    member = membership(sets, GENES).toarray()
    for cell, one in ((0, 0), (17, 3), (200, 5)):
        fit = linregress(member[one], z[cell])
        assert found[one, cell] == pytest.approx(fit.slope / fit.stderr, rel=1e-3)


def test_ssgsea_is_the_sum_of_the_running_differences(sets: GeneSets) -> None:
    values = np.random.default_rng(2).normal(size=(4, 120))  # no ties
    found = score_sets("ssgsea", values, sets, GENES)
    for cell in range(4):
        order = np.argsort(-values[cell])
        ranks = np.arange(120, 0, -1)
        for i, members in enumerate(sets.members(GENES)):
            inside = np.isin(order, members)
            hits = np.cumsum(np.where(inside, ranks**ALPHA, 0)) / (ranks[inside] ** ALPHA).sum()
            misses = np.cumsum(~inside) / (~inside).sum()
            assert found[i, cell] == pytest.approx((hits - misses).sum() / 120, abs=1e-4)


def test_ssgsea_is_that_of_gseapy_where_nothing_ties(sets: GeneSets) -> None:
    import gseapy

    values = np.random.default_rng(3).normal(size=(6, 120))
    cells = [f"c{i}" for i in range(6)]
    done = gseapy.ssgsea(
        pd.DataFrame(values.T, index=GENES, columns=cells), gene_sets={k: list(v) for k, v in sets.sets.items()},
        sample_norm_method="rank", correl_norm_type="rank", min_size=1, outdir=None, no_plot=True, threads=1,
    )  # fmt: skip
    theirs = done.res2d.pivot(index="Term", columns="Name", values="ES").loc[list(sets.sets), cells].astype(float)
    np.testing.assert_allclose(score_sets("ssgsea", values, sets, GENES), theirs / 120, atol=2e-4)


def test_ssgsea_looks_at_ranks_only_and_ties_share_their_places(x: np.ndarray, sets: GeneSets) -> None:
    member = membership(sets, GENES)
    np.testing.assert_allclose(ssgsea(x, member), ssgsea(np.expm1(2 * x), member), atol=1e-5)
    order = np.random.default_rng(0).permutation(120)
    moved = ssgsea(x[:, order], member[:, order])
    np.testing.assert_allclose(ssgsea(x, member), moved, atol=1e-4)  # no order of genes hides in ties
    assert np.abs(ssgsea(np.zeros((1, 120)), member)).max() < 1e-5


def test_scores_agree_with_themselves(x: np.ndarray, sets: GeneSets) -> None:
    for kind in ("ssgsea", "ulm"):
        cells = sp.csr_matrix(x)
        own = score_sets(kind, cells, sets, GENES)
        found = agreement(own, cells, sets, GENES, kind=kind, draws=10)
        np.testing.assert_allclose(found.table["r"], 1.0, atol=1e-6)  # rounding may swap two cells that all but tie
        assert (found.table["verdict"] == "agrees").all()
        assert (found.table["chance"] < 0.6).all()
        np.testing.assert_allclose(found.scores, own, atol=1e-5)


def test_swapped_and_inactive_tokens_are_seen(x: np.ndarray, sets: GeneSets) -> None:
    own = score_sets("ssgsea", x, sets, GENES)
    draw = np.random.default_rng(0)
    shown = own / own.std(1, keepdims=True)
    shown[0] = draw.normal(size=300)  # follows nothing
    shown[1] = 0.6 * shown[2] + 0.35 * shown[1] + 0.3 * draw.normal(size=300)  # follows its neighbour, and itself a bit
    shown[5] = 1e-6 * shown[5]
    found = agreement(shown, x, sets, GENES, draws=20).table.set_index("token")
    assert found.loc["s0", "verdict"] == "no agreement"
    assert found.loc["s1", "verdict"] in ("ambiguous", "no agreement", "weak") and found.loc["s1", "rival"] == "s2"
    assert found.loc["s5", "verdict"] == "inactive"
    assert (found.loc[["s2", "s3", "s4"], "verdict"] == "agrees").all()
    r = spearmanr(shown[1], own[1]).statistic
    assert found.loc["s1", "r"] == pytest.approx(r, abs=1e-6)
    assert found.loc["s1", "low"] < r < found.loc["s1", "high"]


def test_agreement_between_types_is_told_from_agreement_inside_them(x: np.ndarray, sets: GeneSets) -> None:
    """A token that only knows the type follows the score over all cells, and not inside types."""
    kind = np.repeat([0, 1], 150)
    moved = x.copy()
    moved[150:, sets.members(GENES)[0]] += 1.0
    draw = np.random.default_rng(0)
    shown = score_sets("ssgsea", moved, sets, GENES)
    shown[0] = kind + 0.1 * draw.normal(size=300)
    row = agreement(shown, moved, sets, GENES, labels=kind, draws=10).table.iloc[0]
    assert row["r"] > 0.5
    assert abs(row["r_within"]) < 0.2
    assert row["verdict"] != "agrees"


def test_no_token_agrees_by_chance_or_by_a_trace() -> None:
    """Tokens "agreed" at r = .11: 5% per token without FDR, and any size of effect.

    1,200 tokens follow sets of random genes, not their own: p-values are uniform and none agrees; and tokens that hold
    a trace of their set, real but small, are weak.
    """
    draw = np.random.default_rng(5)
    genes = [f"g{i}" for i in range(400)]
    x = draw.poisson(1.0, (400, 400)).astype(float)
    members = {f"s{i}": tuple(draw.choice(genes, 20, replace=False)) for i in range(1200)}
    sets = make_gene_sets("many", members)
    foreign = np.stack([x[:, draw.choice(400, 20, replace=False)].mean(1) for _ in range(1200)])
    found = agreement(foreign, x, sets, genes, draws=20).table
    for level in (0.05, 0.2):
        assert (found["p"] < level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 1200), level
    assert (found["verdict"] == "agrees").mean() <= 0.001
    few = make_gene_sets("few", dict(list(members.items())[:30]))
    own = score_sets("ssgsea", x, few, genes)
    trace = 0.2 * own / own.std(1, keepdims=True) + draw.normal(size=own.shape)
    told = agreement(trace, x, few, genes, draws=40).table
    assert (told["fdr"] < 0.05).mean() > 0.5 and (told["verdict"] == "agrees").mean() <= 0.2


def test_a_twin_is_no_rival(x: np.ndarray, sets: GeneSets) -> None:
    twins = replace(sets, sets={**sets.sets, "twin": sets.sets["s0"][:-1]})
    found = agreement(score_sets("ssgsea", x, twins, GENES), x, twins, GENES, draws=5).table.set_index("token")
    assert found.loc["s0", "rival"] != "twin"
    assert found.loc["twin", "rival"] != "s0"


def test_unknown_scores_and_shapes_are_refused(x: np.ndarray, sets: GeneSets) -> None:
    with pytest.raises(ValueError, match="unknown score"):
        score_sets("gsva", x, sets, GENES)
    with pytest.raises(ValueError, match="one row per set"):
        agreement(np.zeros((2, 300)), x, sets, GENES)
