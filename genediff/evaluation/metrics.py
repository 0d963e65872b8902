"""The metrics, by name, each with how to read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from genediff.evaluation import c2st, frechet, mmd, neighbours, realism, transport, utility

if TYPE_CHECKING:
    from collections.abc import Callable

    from genediff.evaluation.prepared_cells import Comparison

MANY = 300
Needs = Literal["pcs", "x", "counts", "labels"]


@dataclass(frozen=True)
class Figure:
    """One number about a model or its cells, and how to read it.

    Parameters
    ----------
    name
        Key in tables and JSON.
    title
        What a page shows.
    sentence
        How to read it.
    better
        "lower", "higher", or "target" where `ideal` lies inside the range.
    ideal
        Value for perfect cells, None where only the floor tells.
    unit
        Of the figure.
    digits
        After the point, in tables.
    signed
        Whether sampling noise can bring an estimate of something that cannot be negative below zero.
    """

    name: str
    title: str
    sentence: str
    better: Literal["lower", "higher", "target"]
    ideal: float | None = field(default=None, kw_only=True)
    unit: str = field(default="", kw_only=True)
    digits: int = field(default=2, kw_only=True)
    signed: bool = field(default=False, kw_only=True)

    @property
    def heading(self) -> str:
        """The title with its direction: ↓ lower is better, ↑ higher is better, → the value to reach."""
        arrow = {"lower": "↓", "higher": "↑"}.get(self.better, f"→ {self.ideal or 0:g}")
        return f"{self.title} {arrow}"

    @property
    def is_ratio(self) -> bool:
        """Whether "10% better" means something: there is a zero, and it is the end of the scale."""
        return self.better != "target" and not self.signed

    def cost(self, value: float) -> float:
        """Return a number that is lower where the figure is better."""
        if self.better == "target":
            return abs(value - (self.ideal or 0.0))
        return value if self.better == "lower" else -value

    def text(self, mean: float, sd: float | None = None) -> str:
        """Write a value with its spread, "0.68 ± 0.02"; noise below zero is "≈ 0", for a distance is not negative."""
        shown = "≈ 0" if self.signed and mean < 0 else f"{mean:,.{self.digits}f}"
        return shown if sd is None else f"{shown} ± {sd:,.{self.digits}f}"


@dataclass(frozen=True)
class Metric(Figure):
    """A figure that is worked out from generated cells and as many real ones.

    Parameters
    ----------
    function
        From a comparison to the figure.
    needs
        What the cells must have for it.
    per_class
        Whether it is also worked out label by label.
    fewest
        Cells a side below which it is mostly noise, and left out.
    """

    function: Callable[[Comparison], float]
    needs: Needs = "pcs"
    per_class: bool = True
    fewest: int = 0


def _forest(features: Literal["pcs", "x"]) -> Callable[[Comparison], float]:
    def auc(comparison: Comparison) -> float:
        generated, real = getattr(comparison.generated, features), getattr(comparison.real, features)
        # Small forests for small sets: a label's figures are a check, and there are many of them.
        size = {"n_trees": 100, "n_folds": 5} if comparison.n >= MANY else {"n_trees": 50, "n_folds": 3}
        return c2st.forest_auc(generated, real, seed=comparison.seed, **size)

    return auc


def _debiased_w2(comparison: Comparison) -> float:
    generated, real = comparison.generated, comparison.real
    return transport.debiased_w2(
        generated.pcs, real.pcs, generated_codes=generated.codes, real_codes=real.codes, seed=comparison.seed
    )


def _one_nn(comparison: Comparison) -> float:
    return neighbours.one_nn_accuracy(comparison.within_generated, comparison.within_real, comparison.between)


def _manifold(part: Literal["precision", "recall", "density", "coverage"]) -> Callable[[Comparison], float]:
    def value(comparison: Comparison) -> float:
        figures = neighbours.manifold(comparison.within_generated, comparison.within_real, comparison.between)
        return float(getattr(figures, part))

    return value


def _of_x(function: Callable[..., float]) -> Callable[[Comparison], float]:
    return lambda comparison: function(comparison.generated.x, comparison.real.x)


def _correlation(comparison: Comparison) -> float:
    genes = comparison.reference.variable
    return realism.correlation_error(comparison.generated.x[:, genes], comparison.real.x[:, genes])


def _within_types(comparison: Comparison) -> float:
    genes = comparison.reference.variable
    sides = (comparison.generated, comparison.real)
    return realism.correlation_error(*(realism.centred_by(cells.x[:, genes], cells.codes) for cells in sides))


def _of_fold_changes(part: Literal["slope", "correlation", "recall"]) -> Callable[[Comparison], float]:
    def mean(comparison: Comparison) -> float:
        values = [getattr(one, part) for one in comparison.fold_changes.values()]
        found = [value for value in values if np.isfinite(value)]
        return float(np.mean(found)) if found else float("nan")

    return mean


def _of_counts(function: Callable[..., float]) -> Callable[[Comparison], float]:
    return lambda comparison: function(comparison.generated.counts, comparison.real.counts)


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    table = {metric.name: metric for metric in metrics}
    if len(table) != len(metrics):
        raise ValueError("a metric is registered twice")
    return table


METRICS: dict[str, Metric] = _by_name(
    Metric(
        "c2st_pcs",
        "AUC (PCs)",
        "AUC of a random forest that separates real from generated cells by 50 principal components; 0.5 = "
        "indistinguishable.",
        "target",
        _forest("pcs"),
        ideal=0.5,
    ),
    Metric(
        "c2st_genes",
        "AUC (genes)",
        "AUC of a random forest that separates real from generated cells by all chosen genes, the most sensitive test "
        "here; 0.5 = indistinguishable.",
        "target",
        _forest("x"),
        ideal=0.5,
        needs="x",
    ),
    Metric(
        "one_nn",
        "1-NN accuracy",
        "Share of cells whose nearest neighbour is of their own kind (real or generated). 0.5 is well mixed, near 1 "
        "lies apart, below 0.5 sits on top of real cells.",
        "target",
        _one_nn,
        ideal=0.5,
    ),
    Metric(
        "w2_debiased",
        "Wasserstein distance²",
        "Debiased squared 2-Wasserstein distance in PCs: between generated and real cells, less what halves of either "
        "differ by. It sees shifts better than differences of spread: read the Fréchet distance beside it.",
        "lower",
        _debiased_w2,
        ideal=0.0,
        unit="squared log expression",
        digits=1,
        signed=True,
        fewest=MANY,
    ),
    Metric(
        "w2",
        "Wasserstein distance, raw",
        "The same distance as it comes: mostly sampling noise, and too little variance can push it below the floor.",
        "lower",
        lambda c: transport.w2(c.generated.pcs, c.real.pcs),
        unit="log expression",
        digits=1,
    ),
    Metric(
        "mmd2",
        "MMD²",
        "Difference between the two clouds of cells seen through Gaussian kernels of several widths; 0 is no "
        "difference, slightly negative is noise.",
        "lower",
        lambda c: mmd.unbiased_mmd2(c.generated.pcs, c.real.pcs, bandwidth=c.reference.bandwidth),
        ideal=0.0,
        digits=4,
        signed=True,
    ),
    Metric(
        "frechet",
        "Fréchet distance",
        "Difference between means and covariances of the two clouds in PCs.",
        "lower",
        lambda c: frechet.frechet_distance(c.generated.pcs, c.real.pcs),
        unit="squared log expression",
        digits=1,
    ),
    Metric(
        "precision",
        "Precision",
        "Share of generated cells that lie among real ones: are the cells plausible?",
        "higher",
        _manifold("precision"),
    ),
    Metric(
        "recall",
        "Recall",
        "Share of real cells that lie among generated ones: is the whole variety there?",
        "higher",
        _manifold("recall"),
    ),
    Metric(
        "density",
        "Density",
        "Real neighbourhoods per generated cell, like precision but robust to odd cells; 1 is expected.",
        "target",
        _manifold("density"),
        ideal=1.0,
    ),
    Metric(
        "coverage",
        "Coverage",
        "Share of real cells with a generated one in their neighbourhood, like recall but robust to odd cells.",
        "higher",
        _manifold("coverage"),
    ),
    Metric(
        "mean_error",
        "Gene means",
        "Average error of a gene's mean log expression.",
        "lower",
        _of_x(realism.mean_error),
        ideal=0.0,
        unit="log expression",
        needs="x",
        digits=3,
    ),
    Metric(
        "variance_error",
        "Gene variances",
        "Error of a typical gene's variance of counts, in doublings: 1 is twice or half.",
        "lower",
        _of_counts(realism.variance_error),
        ideal=0.0,
        unit="log2 ratio",
        needs="counts",
    ),
    Metric(
        "zero_error",
        "Zero fractions",
        "Average error of the share of cells in which a gene has no count.",
        "lower",
        _of_counts(realism.zero_error),
        ideal=0.0,
        unit="share of cells",
        needs="counts",
        digits=4,
    ),
    Metric(
        "library_ks",
        "Library size",
        "Largest gap between the distributions of counts per cell, 0 to 1.",
        "lower",
        _of_counts(realism.library_ks),
        ideal=0.0,
        needs="counts",
    ),
    Metric(
        "detected_ks",
        "Genes detected",
        "Largest gap between the distributions of genes detected per cell, 0 to 1.",
        "lower",
        _of_counts(realism.detected_ks),
        ideal=0.0,
        needs="counts",
    ),
    Metric(
        "correlation_error",
        "Gene-gene correlations",
        "Average error of the correlation between two of the 100 genes that vary most; chance alone makes about "
        "1.1 / √(number of cells).",
        "lower",
        _correlation,
        ideal=0.0,
        unit="correlation",
        needs="x",
        digits=4,
    ),
    Metric(
        "within_correlation_error",
        "Correlations within types",
        "The same after each type's mean is taken off: co-expression that is not just the difference between types.",
        "lower",
        _within_types,
        ideal=0.0,
        unit="correlation",
        needs="labels",
        per_class=False,
        digits=4,
    ),
    Metric(
        "lfc_slope",
        "Fold changes: slope",
        "Log fold changes of each type against the rest, generated on real: 1 is the same size, below 1 too small; "
        "mean over types.",
        "target",
        _of_fold_changes("slope"),
        ideal=1.0,
        needs="labels",
        per_class=False,
    ),
    Metric(
        "lfc_correlation",
        "Fold changes: correlation",
        "Pearson's r between those of generated and real cells, over genes; mean over types.",
        "higher",
        _of_fold_changes("correlation"),
        needs="labels",
        per_class=False,
        digits=3,
    ),
    Metric(
        "de_recall",
        "Marker genes recovered",
        "Share of the genes differentially expressed between a type and the rest in real cells that are so in as many "
        "generated ones, in the same direction; mean over types.",
        "higher",
        _of_fold_changes("recall"),
        needs="labels",
        per_class=False,
    ),
    Metric(
        "tstr_f1",
        "Use: classifier F1",
        "How well a classifier of labels trained on the generated cells names real ones (macro F1).",
        "higher",
        lambda c: utility.synthetic_to_real_f1(c.generated.pcs, c.generated.codes, c.real.pcs, c.real.codes),
        needs="labels",
        per_class=False,
    ),
    Metric(
        "train_ratio",
        "Nearest training cell",
        "Distance to the nearest training cell, over that of new real cells: 1 is as new as real cells, near 0 copies.",
        "target",
        lambda c: neighbours.train_ratio(c.generated.to_training, c.real.to_training),
        ideal=1.0,
    ),
    Metric(
        "too_near",
        "Suspiciously near",
        "Share of cells nearer to a training cell than 99% of new real cells are; 0.01 is expected.",
        "lower",
        lambda c: neighbours.too_near_share(c.generated.to_training, c.real.to_training),
        ideal=0.01,
        unit="share of cells",
        per_class=False,
        digits=3,
    ),
)

HEADLINE = ("c2st_pcs", "c2st_genes", "w2_debiased")
