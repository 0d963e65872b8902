from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from genediff.core.errors import InputError
from genediff.evaluation import CopiedCells, IndependentGenes, make_baseline
from genediff.evaluation.baselines import overdispersion_by_moments
from genediff.nn.dispersion import overdispersion_by_likelihood

if TYPE_CHECKING:
    from genediff.data import Dataset


def _asked(n: int) -> pd.DataFrame:
    return pd.DataFrame({"type": np.repeat(["alpha", "gamma"], n)})


def test_overdispersion_is_that_of_a_general_optimiser() -> None:
    rng = np.random.default_rng(0)
    library = rng.lognormal(6, 0.3, 400)
    share = np.array([0.002, 0.01, 0.05])
    true = np.array([1.0, 0.5, 2.0])
    mean = library[:, None] * share
    counts = rng.poisson(mean * rng.gamma(1 / true, true, mean.shape)).astype(np.float32)
    found = overdispersion_by_likelihood(counts, library, share)
    for gene in range(3):

        def loss(log_phi: float, gene: int = gene) -> float:
            r = np.exp(-log_phi)
            return -stats.nbinom.logpmf(counts[:, gene], r, r / (r + mean[:, gene])).sum()

        best = np.exp(optimize.minimize_scalar(loss, bounds=(-6, 4), method="bounded").x)
        assert found[gene] == pytest.approx(best, rel=0.15)  # half a step of the grid
    np.testing.assert_allclose(overdispersion_by_moments(counts, library, share), true, rtol=0.5)


def test_genes_drawn_one_by_one_keep_means_and_lose_correlations(simulated: Dataset) -> None:
    cells = IndependentGenes().fit(simulated, label="type").generate(_asked(1500), seed=0)
    codes = simulated.codes("type", "train")
    for name, code in (("alpha", 0), ("gamma", 2)):
        made = cells.X[(cells.obs["type"] == name).to_numpy()].toarray()
        real = simulated.counts("train")[codes == code].toarray()
        np.testing.assert_allclose(made.mean(0), real.mean(0), rtol=0.5, atol=0.15)
        links = np.abs(np.corrcoef(np.log1p(real.T)))[np.triu_indices(real.shape[1], 1)]
        strong = np.argsort(-links)[:50]
        made_links = np.abs(np.corrcoef(np.log1p(made.T)))[np.triu_indices(real.shape[1], 1)]
        assert made_links[strong].mean() < 0.4 * links[strong].mean()


def test_without_counts_values_are_gaussian_with_zeros(without_counts: Dataset) -> None:
    cells = IndependentGenes().fit(without_counts, label="type").generate(_asked(1500), seed=0)
    made = cells.X[:1500].toarray()
    real = without_counts.x("train")[without_counts.codes("type", "train") == 0].toarray()
    np.testing.assert_allclose((made == 0).mean(0), (real == 0).mean(0), atol=0.05)
    np.testing.assert_allclose(made.mean(0), real.mean(0), atol=0.1)
    assert made.min() >= 0


def test_copies_are_training_cells_of_the_label_each_once(simulated: Dataset) -> None:
    cells = CopiedCells().fit(simulated, label="type").generate(_asked(20), seed=0)
    training = {tuple(row) for row in simulated.counts("train")[simulated.codes("type", "train") == 2].toarray()}
    copies = [tuple(row) for row in cells.X[20:].toarray()]
    assert set(copies) <= training
    assert len(set(copies)) == 20


def test_unknown_names_say_what_is_known(simulated: Dataset) -> None:
    with pytest.raises(InputError, match="independent_nb"):
        make_baseline("gan")
    with pytest.raises(InputError, match="alpha, beta, gamma"):
        CopiedCells().fit(simulated, label="type").generate(pd.DataFrame({"type": ["delta"]}))


def test_sub_clusters_hold_what_varies_within_a_label(simulated: Dataset) -> None:
    """Independent genes know of nothing within a label; a mixture has its programmes, for seconds of k-means."""
    from sklearn.decomposition import PCA

    real = simulated.counts("train")[simulated.codes("type", "train") == 0].toarray()
    first = PCA(1).fit(np.log1p(real))
    spread = {}
    for name in ("subclusters", "independent_nb"):
        cells = make_baseline(name).fit(simulated, label="type").generate(_asked(400), seed=0)
        made = cells.X.toarray()
        assert (made == np.rint(made)).all() and list(cells.obs["type"][:400].unique()) == ["alpha"]
        spread[name] = first.transform(np.log1p(made[:400])).var()
    own = first.transform(np.log1p(real)).var()
    assert spread["independent_nb"] < 0.6 * own
    assert spread["subclusters"] > spread["independent_nb"] + 0.3 * (own - spread["independent_nb"])


def test_permuted_genes_keep_every_gene_and_no_cell(simulated: Dataset) -> None:
    made = make_baseline("permuted").fit(simulated, label="type").generate(_asked(2000), seed=0).X.toarray()
    real = simulated.counts("train").toarray()
    np.testing.assert_allclose(made.mean(0), real.mean(0), rtol=0.25, atol=0.1)
    off = np.corrcoef(np.log1p(made), rowvar=False)[np.triu_indices(made.shape[1], 1)]
    assert np.abs(off).mean() < 0.03
