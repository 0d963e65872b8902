"""Apply a trained model to other cells and measure what is lost: on held-out cells, in the genes that both have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student_t

from genediff.core.errors import InputError
from genediff.inspection.tokens.inspected_cells import read_cells
from genediff.inspection.transfer import transfer_verdict
from genediff.inspection.transfer.aligned_cells import LEAST_GENES, aligned
from genediff.inspection.transfer.transfer_report import Estimate, Row, Transfer
from genediff.inspection.transfer.transfer_scores import (
    average_logits,
    correlation_draws,
    judge,
    level_shift,
    nll_draws,
    weights,
)
from genediff.inspection.transfer.transferred_names import names_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genediff.data.cells.dataset import Dataset
    from genediff.inspection.tokens.inspected_cells import ReadCells
    from genediff.inspection.transfer.aligned_cells import Aligned
    from genediff.inspection.transfer.transfer_scores import Judged
    from genediff.knowledge.orthologs import Orthologs
    from genediff.models.generative_model import GenerativeModel

MOST_CELLS = 2000
LEAST_CELLS = 20


def transfer(
    model: GenerativeModel,
    dataset: Dataset,
    *,
    own: Dataset | None,
    orthologs: Orthologs | None = None,
    native: GenerativeModel | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Transfer:
    """Apply a model to other cells and measure what is lost.

    All figures are of test cells, 2,000 at most of each data set, drawn with a fixed seed where there are more.

    Parameters
    ----------
    model
        Trained, in latent space.
    dataset
        The other cells.
    own
        The cells that the model was trained on; None where they are not at hand.
    orthologs
        Links the genes of both where they are of two species.
    native
        A model trained on the other cells, as a yardstick; all are then judged in the genes that it has too.
    progress
        Told the share that is done; may raise to stop.

    Raises
    ------
    InputError
        When the cells are the model's own, too few genes or test cells are there, values are of another kind, or a
        model works in gene space.
    """
    if dataset.info.id == model.spec.dataset_id:
        raise InputError(f"{dataset.info.name!r} are the cells that the model was trained on; choose others.")
    match = aligned(model.genes, dataset, orthologs)
    cells = read_cells(model, match.dataset)
    genes = _judged_genes(match, native)
    rows = _test_rows(dataset)
    weight = weights(len(rows))
    progress(0.1)
    some = _some(dataset.rows("train"))
    average = judge(cells, rows, genes, logits=average_logits(cells, dataset.rows("train")))
    levels = judge(cells, rows, genes, shift=level_shift(cells, some, genes))
    own_average = judge(cells, rows, genes, logits=model.mean.new_zeros(len(model.genes)))
    found = [
        _row("new", judge(cells, rows, genes), average, weight),
        _row("new_levels", levels, average, weight),
        _row("new_own_average", own_average, average, weight),
        _row("new_average", average, None, weight),
    ]
    if native is not None:
        said = read_cells(native, dataset)
        names = [match.original_name(gene) for gene in genes]
        found.append(_row("native", judge(said, rows, names), average, weight))
    progress(0.3)
    own_side, own_found = None, []
    if own is not None:
        own_cells, own_rows = read_cells(model, own), _test_rows(own)
        own_side = own_cells, own_rows
        own_found = _own_rows(own_cells, own_rows, genes, match)
    progress(0.5)
    tokens = names_kept(own_side, (cells, rows), match.shared, progress=lambda share: progress(0.5 + 0.5 * share))
    by_key = {row.key: row for row in (*own_found, *found)}
    depth = (_depth(own_side, genes), _depth((cells, rows), genes))
    return Transfer(
        model.spec.id,
        model.spec.title,
        dataset.info.id,
        dataset.info.name,
        "" if native is None else native.spec.title,
        len(model.genes),
        len(match.shared),
        len(genes),
        match.sentence,
        tuple(by_key.values()),
        depth,
        tokens,
        transfer_verdict.level(by_key, tokens),
        transfer_verdict.sentence(
            by_key, tokens, n_shared=len(match.shared), n_genes=len(model.genes), depth=depth
        ),
    )  # fmt: skip


def _own_rows(cells: ReadCells, rows: np.ndarray, genes: Sequence[str], match: Aligned) -> list[Row]:
    weight = weights(len(rows), seed=1)
    average = judge(cells, rows, genes, logits=cells.model.mean.new_zeros(len(cells.model.genes)))
    found = [_row("own", judge(cells, rows, genes), average, weight)]
    if len(match.shared) < match.n_genes:
        found.append(_row("own_hidden", judge(cells.only(set(match.shared)), rows, genes), average, weight))
    return [*found, _row("own_average", average, None, weight)]


def _row(key: str, found: Judged, average: Judged | None, weight: np.ndarray) -> Row:
    nll = nll_draws(found, weight)
    n = len(found.nll)
    gain = None if average is None else estimate(nll_draws(average, weight) - nll, n)
    return Row(key, estimate(correlation_draws(found, weight), n), estimate(nll, n), gain, n)


def estimate(draws: np.ndarray, n: int) -> Estimate:
    """Return a figure of n cells, the first of its bootstrap draws (draw,), with its 95% interval.

    Not of quantiles: a resampled cell stands beside itself, which moves correlations of rare genes. Of few cells the
    bootstrap's spread is too small by (n - 1) / n, and known badly (Student's t).
    """
    value = float(draws[0])
    half = float(student_t.ppf(0.975, n - 1) * draws[1:].std(ddof=1) * np.sqrt(n / (n - 1)))
    return Estimate(value, value - half, value + half)


def _judged_genes(match: Aligned, native: GenerativeModel | None) -> tuple[str, ...]:
    if native is None:
        return match.shared
    known = set(native.genes)
    genes = tuple(gene for gene in match.shared if match.original_name(gene) in known)
    if len(genes) < LEAST_GENES:
        raise InputError(
            f"The model {native.spec.title!r} has {len(genes)} of the {len(match.shared):,} genes in which the two are "
            "to be compared; choose a model that was trained on these cells."
        )
    return genes


def _test_rows(dataset: Dataset) -> np.ndarray:
    rows = dataset.rows("test")
    if len(rows) < LEAST_CELLS:
        raise InputError(
            f"{dataset.info.name!r} has {len(rows)} test cells and {LEAST_CELLS} are needed to measure anything; "
            "import it with a larger test part."
        )
    return _some(rows)


def _some(rows: np.ndarray) -> np.ndarray:
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_CELLS])


def _depth(side: tuple[ReadCells, np.ndarray] | None, genes: Sequence[str]) -> float:
    """Return the median of what was counted in some genes per cell; NaN where there are no counts."""
    if side is None or not side[0].model.spec.has_counts:
        return float("nan")
    position = {gene: place for place, gene in enumerate(side[0].model.genes)}
    counted = side[0].measured[side[1]][:, [position[gene] for gene in genes]].sum(1)
    return float(np.median(np.asarray(counted)))
