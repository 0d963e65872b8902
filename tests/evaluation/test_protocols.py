"""Generated cells by the protocols of CFGen and scLDM, with what leaks in them."""

from __future__ import annotations

from types import SimpleNamespace

import anndata
import numpy as np
import pytest

from genediff.core.errors import InputError
from genediff.evaluation import protocols
from genediff.workspace import DEMO_DATASET, Workspace

CODES = np.repeat([0, 1, 2], [40, 30, 1])


def counts(seed: int, *, shift: float = 1.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    mean = np.exp(np.random.default_rng(9).normal(size=(3, 60)))[CODES]
    mean[:, :10] *= shift
    return draw.poisson(3 * mean * np.exp(0.3 * draw.normal(size=(len(CODES), 1)))).astype(float)


def test_cfgen_s_figures_are_those_of_its_formulas() -> None:
    """Against plain loops: W1 by POT's solver, the biased MMD by hand, types of one cell left out."""
    ot = pytest.importorskip("ot")
    one, other = counts(1), counts(2)
    found = protocols._cfgen(one, CODES, other, CODES)
    x, truth = (np.log1p(c / c.sum(1, keepdims=True) * 1e4) for c in (one, other))
    axes = np.linalg.svd(truth - truth.mean(0), full_matrices=False)[2][:30].T
    here, there = (x - truth.mean(0)) @ axes, (truth - truth.mean(0)) @ axes
    w1, w2, mmd = [], [], []
    for code in (0, 1):
        a, b = here[CODES == code], there[CODES == code]
        cost = ot.dist(a, b, metric="euclidean")
        w1.append(ot.emd2([], [], cost))
        w2.append(np.sqrt(ot.emd2([], [], cost**2)))
        total = 0.0
        for sigma in (0.01, 0.1, 1, 10, 100):
            kernel = lambda u, v, s=sigma: np.mean(np.exp(-ot.dist(u, v) / (2 * s**2)))  # noqa: E731
            total += kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)
        mmd.append(total)
    assert found["W1"] == pytest.approx(np.mean(w1)) and found["W2"] == pytest.approx(np.mean(w2))
    assert found["RBF MMD"] == pytest.approx(np.mean(mmd))


def test_worse_cells_score_worse_and_scldm_s_kernel_on_counts_says_nothing() -> None:
    real, near, far = counts(1), counts(2), counts(3, shift=4.0)
    for figures in (protocols._cfgen, protocols._scldm):
        good, bad = figures(near, CODES, real, CODES), figures(far, CODES, real, CODES)
        assert all(bad[name] > good[name] for name in good if name != "RBF MMD, counts")
    good, bad = (protocols._scldm(cells, CODES, real, CODES)["RBF MMD, counts"] for cells in (near, far))
    assert good == pytest.approx(2 / len(CODES)) and bad == pytest.approx(2 / len(CODES))


def test_wrong_library_sizes_do_not_show_in_cfgen_s_protocol() -> None:
    real, near = counts(1), counts(2)
    tenfold = protocols._cfgen(10 * near, CODES, real, CODES)
    assert tenfold["W2"] == pytest.approx(protocols._cfgen(near, CODES, real, CODES)["W2"])


def test_no_spread_is_given_of_one_draw(tmp_path) -> None:
    """Real vs. real was "± 2.5e-15": the same validation cells five times over."""
    dataset = Workspace(tmp_path).open_dataset(DEMO_DATASET)
    cells = anndata.AnnData(dataset.counts("train")[:1000], obs=dataset.obs.iloc[dataset.rows("train")[:1000]].copy())
    cells.var_names = list(dataset.genes)
    found = protocols.evaluate_protocol(cells, dataset, "cfgen", seeds=(0, 1), max_cells=100)
    spread = {(row, metric): sd for row, metric, _, sd in found.rows}
    assert spread["Generated", "W2"] > 0 and spread["Real vs. real", "W2"] > 0  # 100 of many
    once = protocols.evaluate_protocol(cells, dataset, "cfgen", seeds=(0, 1))
    assert {sd for _, _, _, sd in once.rows} == {None} and "±" not in once.to_text().split("test cells")[0]


def test_what_a_protocol_cannot_do_is_said() -> None:
    with pytest.raises(InputError, match="no protocol 'scvi'; known: cfgen, scldm"):
        protocols.evaluate_protocol(None, SimpleNamespace(info=None), "scvi")  # type: ignore[arg-type]
