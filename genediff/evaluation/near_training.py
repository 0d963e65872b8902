"""Copies of training cells behind counting noise, looked for without a model.

Training and validation cells were parted at random, so new cells have their nearest real cell among the training cells
as often as these are many, whatever they look like. Copies have it there more often, also with counts drawn anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from genediff.data.cells.pca import fit_pca
from genediff.evaluation.memorisation import StateCopies
from genediff.evaluation.real_cells import of_split

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset
    from genediff.evaluation.real_cells import Source

N_PCS = 100  # many, since what is a cell's own lies in the small ones
MOST, MOST_REAL, MOST_FITTED = 2000, 50_000, 5000
FEWEST = 50


def near_training(generated: Source, dataset: Dataset, *, seed: int = 0) -> StateCopies | None:
    """Estimate how many cells have their nearest real cell among the training cells only because they copy it.

    Components are fitted on training and validation cells alike: those of training cells alone draw these apart, and
    test cells then lie nearest to a validation cell in nine of ten cases. The error is that of parting the same cells
    at random again. A copy whose source is not its nearest cell is not counted, so the share is a lower bound.

    Parameters
    ----------
    generated
        Cells in the genes of the data set.
    dataset
        Of the training cells.
    seed
        Of samples.

    Returns
    -------
    StateCopies or None
        None with too few cells, or where the split was given and not drawn at random.
    """
    parts = [of_split(dataset, split, None) for split in ("train", "validation")]
    if min(map(len, (generated, *parts))) < FEWEST or dataset.info.config.get("split_column"):
        return None
    rng, n_training = np.random.default_rng(seed), len(parts[0])
    chosen = np.sort(rng.permutation(n_training + len(parts[1]))[:MOST_REAL])
    is_training = chosen < n_training
    real = _x(parts[0], chosen[is_training]), _x(parts[1], chosen[~is_training] - n_training)
    x = sparse.vstack(real, format="csr")
    fitted = x[np.sort(rng.permutation(len(chosen))[:MOST_FITTED])]
    pca = fit_pca(fitted, N_PCS, seed=seed, after_block=lambda: None)
    cells = _x(generated, np.sort(rng.permutation(len(generated))[:MOST]))
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(pca.project(x))
    nearest = search.kneighbors(pca.project(cells), return_distance=False)[:, 0]
    # Copies of training cells that were left out of a large data set are not seen.
    found, covered = excess(nearest, is_training), float(is_training.sum() / n_training)
    return StateCopies(found.share / covered, found.error / covered, is_lower_bound=True)


def excess(nearest: np.ndarray, is_training: np.ndarray) -> StateCopies:
    """Return the share of cells whose nearest real cell (cell,) is a training cell beyond what random parting gives.

    ``is_training`` is of the real cells, (real cell,); the error is that over all ways to part them as unevenly.
    """
    chance, n, n_real = float(is_training.mean()), len(nearest), len(is_training)
    times = np.bincount(nearest, minlength=n_real)  # that each real cell is the nearest one
    spread = np.sqrt(((times - n / n_real) ** 2).sum() * chance * (1 - chance) * n_real / (n_real - 1)) / n
    return StateCopies((float(is_training[nearest].mean()) - chance) / (1 - chance), float(spread) / (1 - chance))


def _x(source: Source, rows: np.ndarray) -> sparse.csr_matrix:
    values = source.values[rows]
    return sparse.csr_matrix(source.dataset.normalise(values) if source.are_counts else values)
