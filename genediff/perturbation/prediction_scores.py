"""Predicted cells against measured ones: every metric for every perturbation of one context."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genediff.core.stats import pearson
from genediff.perturbation.differential import Differential, differential
from genediff.perturbation.perturbation_metrics import de_metrics, discrimination, e_distance, response_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import scipy.sparse as sp


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
        replicate, whose "predicted" cells are measured ones, has controls of its own.
    targets
        Genes that are perturbed, by perturbation: they are left out of all scores but the E-distance. Empty: every gene
        counts, as cell-eval has it.
    """

    genes: tuple[str, ...]
    control: np.ndarray
    real: Mapping[str, sp.csr_matrix]
    shared: np.ndarray | None = None
    project: Callable[[np.ndarray], np.ndarray] | None = None
    with_de: bool = True
    other_control: np.ndarray | None = None
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The perturbations, sorted."""
        return tuple(sorted(self.real))

    def judge(
        self, predict: Callable[[str], np.ndarray], *, mean_of: Callable[[str], np.ndarray] | None = None
    ) -> pd.DataFrame:
        """Judge a predictor.

        Parameters
        ----------
        predict
            From a perturbation to x of its predicted cells, (cell, gene). Asked once for each, one at a time, so that
            never more than one perturbation's cells are held.
        mean_of
            From a perturbation to its predicted mean x, (gene,); None: that of the predicted cells.

        Returns
        -------
        pandas.DataFrame
            One row per perturbation (index), one column per metric.
        """
        rows, means = [], []
        for label in self.labels:
            x = np.asarray(predict(label), dtype=np.float32)
            means.append(x.mean(axis=0, dtype=np.float64) if mean_of is None else mean_of(label))
            rows.append(self._one(label, x, means[-1]))
        table = pd.DataFrame(rows, index=pd.Index(self.labels, name="perturbation"))
        changes = np.array(means) - self.other_control_mean
        for distance in ("l1", "l2", "cosine"):
            if len(self.labels) < 2:  # nothing to tell it from
                table[f"discrimination_score_{distance}"] = np.nan
                continue
            scores = discrimination(changes, self._changes, self._kept, distance=distance)
            table[f"discrimination_score_{distance}"] = scores
        return table

    def _one(self, label: str, x: np.ndarray, mean: np.ndarray) -> dict[str, float]:
        keep = self._counted(label)
        change = mean[keep] - self.other_control_mean[keep]
        true_change = self._changes[self.labels.index(label)][keep]
        error = change - true_change
        found = {
            "pearson_delta": float(pearson(change, true_change)),
            "pearson_perturbed": np.nan,
            "mse": float((error**2).mean()),
            "mae": float(np.abs(error).mean()),
            "weighted_mse": float((self._weights[label] * error**2).sum()),
            "e_distance": self._e_distance(label, x),
            "n_real": self.real[label].shape[0],
            "n_predicted": len(x),
        }
        if self.shared is not None:
            shared = self.shared[keep]
            found["pearson_perturbed"] = float(pearson(change - shared, true_change - shared))
        if self.with_de:
            found |= de_metrics(self._differential[label], differential(x[:, keep], self._other_control[:, keep]))
        return found

    def _counted(self, label: str) -> np.ndarray:
        return ~np.isin(np.array(self.genes), list(self.targets.get(label, ())))

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

    @property
    def _other_control(self) -> np.ndarray:
        return self.control if self.other_control is None else self.other_control

    @cached_property
    def other_control_mean(self) -> np.ndarray:
        """Mean x of the controls that predicted cells are set against, (gene,)."""
        return self._other_control.mean(axis=0, dtype=np.float64)

    @cached_property
    def _changes(self) -> np.ndarray:
        means = [np.asarray(self.real[label].mean(axis=0, dtype=np.float64)).ravel() for label in self.labels]
        return np.array(means) - self._control_mean

    @cached_property
    def _kept(self) -> np.ndarray:
        # As in cell-eval: the gene that the perturbation is named after does not help to tell it from others.
        named = np.array(self.labels)[:, None] != np.array(self.genes)[None, :]
        return named & np.array([self._counted(label) for label in self.labels])

    @cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        return {label: response_weights(*self._beside_control(label)) for label in self.labels}

    @cached_property
    def _differential(self) -> dict[str, Differential]:
        return {label: differential(*self._beside_control(label)) for label in self.labels}

    def _beside_control(self, label: str) -> tuple[np.ndarray, np.ndarray]:
        keep = self._counted(label)
        return self.real[label].toarray()[:, keep], self.control[:, keep]
