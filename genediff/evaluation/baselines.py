"""Simple generators that every model has to beat, and one that only copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np
from anndata import AnnData
from scipy import sparse
from scipy.special import gammaln

from genediff.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from genediff.data.dataset import Dataset

MOST_FITTED = 20_000
"""Training cells of a class that a fit takes; of more a sample: enough for one number per gene."""
OVERDISPERSIONS = np.geomspace(1e-3, 1e2, 48)
EVERYTHING = -1  # the one class of data without labels


class Baseline(Protocol):
    """A generator fitted on training cells; the rows beside a model's."""

    title: str

    def fit(self, dataset: Dataset, *, label: str | None, seed: int = 0) -> Self:
        """Learn from the training cells of a data set, label by label where there is a label."""

    def generate(self, conditions: pd.DataFrame, *, seed: int = 0) -> AnnData:
        """Generate one cell for each row of `conditions`, of the label in its label column."""


class PerClass:
    """What baselines share: training cells by label, and the labels that are asked for."""

    def _remember(self, dataset: Dataset, label: str | None) -> dict[int, np.ndarray]:
        self.dataset, self.label = dataset, label
        self.names = () if label is None else dataset.vocabulary(label)
        if label is None:
            return {EVERYTHING: np.arange(len(dataset.rows("train")))}
        codes = dataset.codes(label, "train")
        return {code: np.flatnonzero(codes == code) for code in range(len(self.names))}

    def _wanted(self, conditions: pd.DataFrame) -> dict[int, np.ndarray]:
        """Return the rows of `conditions` that ask for each class."""
        if self.label is None:
            return {EVERYTHING: np.arange(len(conditions))}
        asked = conditions[self.label].astype(str).to_numpy()
        if unknown := sorted(set(asked) - set(self.names)):
            raise InputError(f"No training cell has the label {unknown[0]!r}; known: {', '.join(self.names)}.")
        return {code: np.flatnonzero(asked == name) for code, name in enumerate(self.names) if name in asked}

    def _anndata(self, values: np.ndarray | sparse.csr_matrix, conditions: pd.DataFrame) -> AnnData:
        obs = conditions.copy()
        obs.index = [f"generated_{i}" for i in range(len(obs))]
        cells = AnnData(sparse.csr_matrix(values, dtype=np.float32), obs=obs)
        cells.var_names = list(self.dataset.genes)
        return cells


class IndependentGenes(PerClass):
    """Every gene drawn on its own, label by label: right means and variances, no gene knows of another.

    With counts: library size from a training cell of the label, then NB(mean = library * share of the gene), one
    overdispersion per gene and label. Without counts: zero or not by the share of zeros, and a Gaussian fitted to
    the values that are not zero.

    Parameters
    ----------
    overdispersion
        "likelihood" (the maximum), or "moments", which single odd cells rule and a classifier sees through far more
        easily.
    """

    title = "Drawn gene by gene"

    def __init__(self, overdispersion: Literal["likelihood", "moments"] = "likelihood") -> None:
        self.fit_overdispersion = _BY[overdispersion]

    def fit(self, dataset: Dataset, *, label: str | None, seed: int = 0) -> Self:
        """Fit to training cells, at most `MOST_FITTED` of each label; the seed is not used.

        Parameters
        ----------
        dataset, label
            Where the training cells and their classes come from.
        seed
            Of nothing, this fit has no randomness.
        """
        rows = self._remember(dataset, label)
        self.counts = dataset.info.has_counts
        values, sample = dataset.measured("train"), np.random.default_rng(0)
        self.parameters = {}
        for code, of_class in rows.items():
            if len(of_class) > MOST_FITTED:
                of_class = np.sort(sample.choice(of_class, MOST_FITTED, replace=False))
            if len(of_class):
                self.parameters[code] = self._fit_class(values[of_class].toarray())
        return self

    def _fit_class(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        if not self.counts:
            return _fit_gaussian(values)
        library = values.sum(1, dtype=np.float64)  # (cell,)
        share = values.sum(0, dtype=np.float64) / max(library.sum(), 1.0)  # (gene,)
        return library, share, self.fit_overdispersion(values, library, share)

    def generate(self, conditions: pd.DataFrame, *, seed: int = 0) -> AnnData:
        """Generate a cell for each row of `conditions`.

        Parameters
        ----------
        conditions
            A table with the label column (any table of the right length where there are no labels).
        seed
            Of the draw.
        """
        rng = np.random.default_rng(seed)
        values = np.zeros((len(conditions), len(self.dataset.genes)), dtype=np.float32)  # (cell, gene)
        draw = _draw_nb if self.counts else _draw_gaussian
        for code, rows in self._wanted(conditions).items():
            values[rows] = draw(self.parameters[code], len(rows), rng)
        return self._anndata(values, conditions)


class CopiedCells(PerClass):
    """Training cells handed out as generated ones: what memorisation looks like."""

    title = "Copied training cells"

    def fit(self, dataset: Dataset, *, label: str | None, seed: int = 0) -> Self:
        """Remember the training cells.

        Parameters
        ----------
        dataset, label
            Where the training cells and their classes come from.
        seed
            Of nothing, this fit has no randomness.
        """
        self.rows = self._remember(dataset, label)
        self.values = dataset.measured("train")
        return self

    def generate(self, conditions: pd.DataFrame, *, seed: int = 0) -> AnnData:
        """Copy a training cell for each row of `conditions`, each at most once while there are enough.

        Parameters
        ----------
        conditions
            A table with the label column (any table of the right length where there are no labels).
        seed
            Of the draw.
        """
        rng = np.random.default_rng(seed)
        chosen = np.zeros(len(conditions), dtype=np.int64)
        for code, asked in self._wanted(conditions).items():
            there = self.rows[code]
            chosen[asked] = rng.choice(there, len(asked), replace=len(asked) > len(there))
        return self._anndata(self.values[chosen], conditions)


def overdispersion_by_likelihood(counts: np.ndarray, library: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Overdispersion φ of each gene by maximum likelihood, on a grid; variance = mean + φ mean².

    log L(φ) = Σ log Γ(k + 1/φ) - log Γ(1/φ) + k log(mean φ / (1 + mean φ)) - log(1 + mean φ) / φ, up to terms
    without φ. Cells without a count have the last term only, so the others are summed over counts above zero, and
    the last over cells grouped by library size.

    Parameters
    ----------
    counts
        `(cell, gene)`.
    library
        Total of each cell, `(cell,)`.
    share
        Of each gene in all counts, `(gene,)`.

    Returns
    -------
    np.ndarray
        `(gene,)`, one of 48 values from 0.001, as good as Poisson, to 100; a factor of 1.28 apart.
    """
    cell, gene = np.nonzero(counts)
    k, mean = counts[cell, gene].astype(np.float64), library[cell] * share[gene]  # (count above zero,)
    groups = np.array_split(np.sort(library), min(len(library), 32))
    middle, size = np.array([g.mean() for g in groups]), np.array([len(g) for g in groups])
    group_mean = middle[:, None] * share  # (library group, gene)
    likelihood = np.empty((len(OVERDISPERSIONS), len(share)))  # (value, gene)
    for i, phi in enumerate(OVERDISPERSIONS):
        there = gammaln(k + 1 / phi) - gammaln(1 / phi) + k * np.log(mean * phi / (1 + mean * phi))
        everywhere = size @ np.log1p(group_mean * phi) / phi
        likelihood[i] = np.bincount(gene, there, minlength=len(share)) - everywhere
    return OVERDISPERSIONS[likelihood.argmax(0)]


def overdispersion_by_moments(counts: np.ndarray, library: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Overdispersion φ of each gene by moments: Σ((count - mean)² - mean) / Σ mean², at least 0.001.

    Parameters
    ----------
    counts
        `(cell, gene)`.
    library
        Total of each cell, `(cell,)`.
    share
        Of each gene in all counts, `(gene,)`.
    """
    mean = library[:, None] * share  # (cell, gene)
    excess = ((counts - mean) ** 2 - mean).sum(0)
    return np.clip(excess / np.maximum((mean**2).sum(0), 1e-12), OVERDISPERSIONS[0], 1e3)


_BY = {"likelihood": overdispersion_by_likelihood, "moments": overdispersion_by_moments}


def _draw_nb(parameters: tuple[np.ndarray, ...], n: int, rng: np.random.Generator) -> np.ndarray:
    library, share, overdispersion = parameters
    mean = rng.choice(library, n)[:, None] * share  # (cell, gene)
    rate = mean * rng.gamma(1 / overdispersion, overdispersion, size=mean.shape)
    return rng.poisson(rate).astype(np.float32)


def _fit_gaussian(x: np.ndarray) -> tuple[np.ndarray, ...]:
    there = x != 0
    n = np.maximum(there.sum(0), 1)  # (gene,)
    mean = x.sum(0, dtype=np.float64) / n
    variance = (np.where(there, x - mean, 0) ** 2).sum(0) / n
    # Where no value is negative none is generated; scaled data may go anywhere.
    lowest = np.full(x.shape[1], -np.inf if (x < 0).any() else 0.0)
    return there.mean(0), mean, np.sqrt(variance), lowest


def _draw_gaussian(parameters: tuple[np.ndarray, ...], n: int, rng: np.random.Generator) -> np.ndarray:
    share, mean, sd, lowest = parameters
    there = rng.random((n, len(share))) < share  # (cell, gene)
    values = np.maximum(rng.normal(mean, sd, size=there.shape), lowest)
    return np.where(there, values, 0).astype(np.float32)


BASELINES = ("independent_nb", "copied", "vae")


def make_baseline(name: str) -> Baseline:
    """Return an unfitted baseline.

    Parameters
    ----------
    name
        "independent_nb", "copied" or "vae".

    Raises
    ------
    InputError
        When there is no such baseline.
    """
    if name == "independent_nb":
        return IndependentGenes()
    if name == "copied":
        return CopiedCells()
    if name == "vae":
        from genediff.evaluation.vae import VAEBaseline

        return VAEBaseline()
    raise InputError(f"There is no baseline {name!r}; known: {', '.join(BASELINES)}.")
