"""Predicted cells on the map of measured ones: each between its nearest training cells, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from genediff.data.cells.dataset import Dataset

NEIGHBOURS = 15
_BLOCK = 256
_MOST = 20_000  # training cells that are searched


def between_neighbours(dataset: Dataset, pcs: np.ndarray) -> np.ndarray:
    """Return coordinates on the data set's UMAP, (cell, 2); on its first two components where it has none.

    Each cell lies at the weighted mean of its 15 nearest training cells in principal components; weights fall with the
    distance beyond the nearest. That is where umap-learn's own placing begins, without the compilation that it needs.

    Parameters
    ----------
    dataset
        With the map.
    pcs
        Scores of the cells, (cell, pc).
    """
    if not dataset.info.has_umap:
        return pcs[:, :2]
    rows = dataset.rows("train")
    if len(rows) > _MOST:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST, replace=False))
    known, places = torch.from_numpy(dataset.pcs[rows]), dataset.umap[rows]
    k = min(NEIGHBOURS, len(rows))
    out = np.empty((len(pcs), 2), dtype=np.float32)
    for start in range(0, len(pcs), _BLOCK):
        block = torch.as_tensor(pcs[start : start + _BLOCK], dtype=known.dtype)
        far = torch.cdist(block, known)  # (cell, training cell)
        near = far.topk(k, largest=False)  # (cell, neighbour)
        beyond = (near.values - near.values[:, :1]).numpy()
        weight = np.exp(-beyond / np.maximum(beyond.mean(axis=1, keepdims=True), 1e-9))
        weight /= weight.sum(axis=1, keepdims=True)
        out[start : start + _BLOCK] = (weight[:, :, None] * places[near.indices.numpy()]).sum(axis=1)
    return out
