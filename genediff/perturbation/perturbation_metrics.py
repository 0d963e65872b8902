"""How well predicted cells of one perturbation meet measured ones; one function per question, plain arrays in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from genediff.perturbation.differential import Differential

Better = Literal["high", "low"]


@dataclass(frozen=True)
class Metric:
    """A figure of the table: title, which way is better, what it says; ``name`` is cell-eval's where it has it.

    ``bounds``: the values that it can have.
    """

    name: str
    title: str
    better: Better
    sentence: str
    in_cell_eval: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "pearson_delta",
            "Pearson of the change",
            "high",
            "Correlation over genes of the predicted and the measured mean change against control. A change that all "
            "perturbations share raises it for every predictor.",
            bounds=(-1.0, 1.0),
        ),
        Metric(
            "pearson_perturbed",
            "Pearson, shared change removed",
            "high",
            "The same against the mean of all perturbed training cells instead of control (Systema): only what is "
            "particular to the perturbation counts.",
            in_cell_eval=False,
            bounds=(-1.0, 1.0),
        ),
        Metric(
            "discrimination_score_l1",
            "Discrimination",
            "high",
            "1 where the predicted change is nearer (Manhattan) to its own perturbation's measured change than to any "
            "other's. Chance is (n + 1) / 2n with n perturbations: 0.75 with two, 0.55 with ten.",
        ),
        Metric("discrimination_score_l2", "Discrimination, Euclidean", "high", "The same by Euclidean distance."),
        Metric("discrimination_score_cosine", "Discrimination, cosine", "high", "The same by the cosine."),
        Metric("mse", "Squared error", "low", "Mean over genes of the squared error of mean x.", bounds=(0.0, np.inf)),
        Metric(
            "mae", "Absolute error", "low", "Mean over genes of the absolute error of mean x.", bounds=(0.0, np.inf)
        ),
        Metric(
            "weighted_mse",
            "Squared error, weighted",
            "low",
            "The squared error with genes weighted by how clearly they respond (squared t statistic against control).",
            in_cell_eval=False,
            bounds=(0.0, np.inf),
        ),
        Metric(
            "e_distance",
            "E-distance",
            "low",
            "Energy distance between predicted and measured cells, unbiased; 0 where they are alike in every way.",
            in_cell_eval=False,
            bounds=(-np.inf, np.inf),
        ),
        Metric(
            "overlap_at_N",
            "DE overlap",
            "high",
            "Of the N genes that truly respond (5% false discoveries), the share that is among the N predicted to "
            "respond most.",
        ),
        Metric(
            "overlap_at_50", "DE overlap, top 50", "high", "The same for the 50 genes with the largest fold change."
        ),
        Metric(
            "precision_at_N",
            "DE precision",
            "high",
            "Of the genes predicted to respond, the share among as many that truly respond most.",
        ),
        Metric(
            "de_direction_match", "DE direction", "high", "Share of responding genes predicted to move the right way."
        ),
        Metric(
            "de_spearman_lfc_sig",
            "DE fold change",
            "high",
            "Rank correlation of predicted and measured fold changes over the genes that respond.",
            bounds=(-1.0, 1.0),
        ),
        Metric("de_sig_genes_recall", "DE recall", "high", "Share of responding genes that are predicted to respond."),
        Metric("pr_auc", "DE precision-recall area", "high", "Area under precision and recall of responding genes."),
        Metric("roc_auc", "DE ROC area", "high", "Area under the ROC curve of responding genes; 0.5 at chance."),
    )
}
HEADLINE = (
    "pearson_delta", "pearson_perturbed", "discrimination_score_l1", "weighted_mse", "e_distance",
    "overlap_at_N", "de_direction_match", "de_sig_genes_recall", "pr_auc",
)  # fmt: skip


def response_weights(cells: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return weights (gene,) adding up to 1: squared Welch t statistics, scaled between the least and the greatest."""
    spread = cells.var(axis=0, dtype=np.float64, ddof=1) / len(cells)
    spread = spread + control.var(axis=0, dtype=np.float64, ddof=1) / len(control)
    gap = cells.mean(axis=0, dtype=np.float64) - control.mean(axis=0, dtype=np.float64)
    t = np.abs(gap) / np.sqrt(np.where(spread > 0, spread, np.inf))
    scaled = (t - t.min()) / max(float(t.max() - t.min()), 1e-12)
    weights = scaled**2
    return weights / weights.sum() if weights.sum() > 0 else np.full(len(t), 1 / len(t))


def discrimination(
    predicted: np.ndarray, measured: np.ndarray, keep: np.ndarray, *, distance: Literal["l1", "l2", "cosine"] = "l1"
) -> np.ndarray:
    """Return how near each predicted change is to its own measured one, among all: 1 nearest, 1/n farthest.

    Parameters
    ----------
    predicted, measured
        Mean changes, (perturbation, gene) each, in the same order.
    keep
        Genes that count for each perturbation, (perturbation, gene): its target does not, for it is given away.
    distance
        Between changes.
    """
    scores = np.zeros(len(predicted))
    for row, (one, genes) in enumerate(zip(predicted, keep, strict=True)):
        gaps = _distances(measured[:, genes], one[genes], distance)
        order = np.argsort(gaps)
        scores[row] = 1 - np.flatnonzero(order == row)[0] / len(gaps)
    return scores


def _distances(many: np.ndarray, one: np.ndarray, distance: str) -> np.ndarray:
    if distance == "l1":
        return np.abs(many - one).sum(axis=1)
    if distance == "l2":
        return np.sqrt(((many - one) ** 2).sum(axis=1))
    size = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    return 1 - np.divide(many @ one, size, out=np.zeros(len(many)), where=size > 0)


def e_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the unbiased energy distance of two clouds of points, (cell, axis) each.

    Twice the mean Euclidean distance between them, less the mean distance within each (a point and itself do not
    count). It can fall a little below 0 where the clouds are alike.
    """
    from scipy.spatial.distance import cdist, pdist

    return float(2 * cdist(one, other).mean() - pdist(one).mean() - pdist(other).mean())


def de_metrics(real: Differential, predicted: Differential) -> dict[str, float]:
    """Return what two tables of responding genes have in common; NaN where no gene responds and nothing can be said."""
    from scipy.stats import spearmanr
    from sklearn.metrics import average_precision_score, roc_auc_score

    true, said = real.ranked, predicted.ranked
    responds = real.significant
    found = {
        "overlap_at_N": _overlap(true, said, len(true)),
        "overlap_at_50": _overlap(true, said, min(50, len(true))),
        "precision_at_N": _overlap(true, said, len(said)),
        "de_direction_match": np.nan,
        "de_spearman_lfc_sig": np.nan,
        "de_sig_genes_recall": np.nan,
        "pr_auc": np.nan,
        "roc_auc": np.nan,
    }
    if responds.any():
        same = np.sign(real.log2_fold[responds]) == np.sign(predicted.log2_fold[responds])
        found["de_direction_match"] = float(same.mean())
        found["de_sig_genes_recall"] = float(predicted.significant[responds].mean())
        folds = real.log2_fold[responds], predicted.log2_fold[responds]
        if all(len(np.unique(fold)) > 1 for fold in folds):
            found["de_spearman_lfc_sig"] = float(spearmanr(*folds).statistic)
    if responds.any() and not responds.all():
        score = -np.log10(np.clip(predicted.fdr, np.float32(1e-10), np.float32(1.0)))
        found["pr_auc"] = float(average_precision_score(responds, score))
        found["roc_auc"] = float(roc_auc_score(responds, score))
    return found


def _overlap(true: np.ndarray, said: np.ndarray, n: int) -> float:
    return len(np.intersect1d(true[:n], said[:n])) / n if n and len(true) and len(said) else 0.0
