"""Predicted cells against measured ones: every metric for every perturbation of one context."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.perturbation.differential import Differential, differential
from genediff.perturbation.metrics import de_metrics, discrimination, e_distance, pearson, response_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import scipy.sparse as sp

N_RESAMPLES = 200
CONFIDENCE = 0.9


@dataclass(frozen=True, eq=False)
class Judge:
    """Measured cells of one context, and what is known of them before anything is predicted.

    Parameters
    ----------
    genes
        Names of the genes.
    control
        x of the measured control cells, (cell, gene); every predictor is judged against these.
    real
        x of the measured cells of each perturbation, CSR (cell, gene).
    shared
        Mean change over the perturbations of the training part, (gene,), or None where it makes no sense.
    project
        From x to the space in which cells are compared; None: x itself.
    with_de
        Whether to test for responding genes, which takes most of the time.
    other_control
        Control cells that predicted cells are set against; None: the same, as it should be for a predictor. Only the
        ceiling, whose "predicted" cells are measured ones, has controls of its own.
    """

    genes: tuple[str, ...]
    control: np.ndarray
    real: Mapping[str, sp.csr_matrix]
    shared: np.ndarray | None = None
    project: Callable[[np.ndarray], np.ndarray] | None = None
    with_de: bool = True
    other_control: np.ndarray | None = None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The perturbations, sorted."""
        return tuple(sorted(self.real))

    def judge(self, predict: Callable[[str], np.ndarray], *, seed: int = 0) -> pd.DataFrame:
        """Judge a predictor.

        Parameters
        ----------
        predict
            From a perturbation to x of its predicted cells, (cell, gene). Asked once for each, one at a time, so that
            never more than one perturbation's cells are held.
        seed
            Of the bootstrap over cells.

        Returns
        -------
        pandas.DataFrame
            One row per perturbation (index), one column per metric, with ``pearson_delta_low`` and ``_high``, the 90%
            interval of a bootstrap over the measured, the control and the predicted cells.
        """
        rows, means = [], []
        for number, label in enumerate(self.labels):
            x = np.asarray(predict(label), dtype=np.float32)
            means.append(x.mean(axis=0, dtype=np.float64))
            rows.append(self._one(label, x, np.random.default_rng([seed, number])))
        table = pd.DataFrame(rows, index=pd.Index(self.labels, name="perturbation"))
        changes = np.array(means) - self._other_control_mean
        for distance in ("l1", "l2", "cosine"):
            if len(self.labels) < 2:  # nothing to tell it from
                table[f"discrimination_score_{distance}"] = np.nan
                continue
            scores = discrimination(changes, self._changes, self._kept, distance=distance)
            table[f"discrimination_score_{distance}"] = scores
        return table

    def _one(self, label: str, x: np.ndarray, draw: np.random.Generator) -> dict[str, float]:
        real = self.real[label].toarray()
        mean, truth = x.mean(axis=0, dtype=np.float64), real.mean(axis=0, dtype=np.float64)
        change, true_change = mean - self._other_control_mean, truth - self._control_mean
        error = change - true_change
        resampled = pearson(
            _resampled(x, draw) - self._resampled_other_control, _resampled(real, draw) - self._resampled_control
        )
        low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        found = {
            "pearson_delta": float(pearson(change, true_change)),
            "pearson_delta_low": float(low),
            "pearson_delta_high": float(high),
            "pearson_perturbed": np.nan,
            "mse": float((error**2).mean()),
            "mae": float(np.abs(error).mean()),
            "weighted_mse": float((self._weights[label] * error**2).sum()),
            "e_distance": self._e_distance(label, x),
            "n_real": len(real),
            "n_predicted": len(x),
        }
        if self.shared is not None:
            found["pearson_perturbed"] = float(pearson(change - self.shared, true_change - self.shared))
        if self.with_de:
            found |= de_metrics(self._differential[label], differential(x, self._other_control))
        return found

    def _e_distance(self, label: str, x: np.ndarray) -> float:
        if min(len(x), self.real[label].shape[0]) < 2:
            return np.nan
        return e_distance(self._place(x), self._real_places[label])

    def _place(self, x: np.ndarray) -> np.ndarray:
        return x if self.project is None else self.project(x)

    @cached_property
    def _real_places(self) -> dict[str, np.ndarray]:
        return {label: self._place(self.real[label].toarray()) for label in self.labels}

    @cached_property
    def _control_mean(self) -> np.ndarray:
        return self.control.mean(axis=0, dtype=np.float64)

    @cached_property
    def _resampled_control(self) -> np.ndarray:
        return _resampled(self.control, np.random.default_rng(0))

    @property
    def _other_control(self) -> np.ndarray:
        return self.control if self.other_control is None else self.other_control

    @cached_property
    def _other_control_mean(self) -> np.ndarray:
        return self._other_control.mean(axis=0, dtype=np.float64)

    @cached_property
    def _resampled_other_control(self) -> np.ndarray:
        if self.other_control is None:
            return self._resampled_control
        return _resampled(self.other_control, np.random.default_rng(1))

    @cached_property
    def _changes(self) -> np.ndarray:
        means = [np.asarray(self.real[label].mean(axis=0, dtype=np.float64)).ravel() for label in self.labels]
        return np.array(means) - self._control_mean

    @cached_property
    def _kept(self) -> np.ndarray:
        # As in cell-eval: the gene that the perturbation is named after does not help to tell it from others.
        return np.array(self.labels)[:, None] != np.array(self.genes)[None, :]

    @cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        return {label: response_weights(self.real[label].toarray(), self.control) for label in self.labels}

    @cached_property
    def _differential(self) -> dict[str, Differential]:
        return {label: differential(self.real[label].toarray(), self.control) for label in self.labels}


def _resampled(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return means of cells drawn with replacement, (resample, gene)."""
    weights = draw.multinomial(len(x), np.full(len(x), 1 / len(x)), size=N_RESAMPLES)
    return (weights / len(x)) @ x
