"""Generated cells evaluated as CFGen and scLDM evaluate theirs, so that figures can be set beside published ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from genediff.core.errors import InputError
from genediff.core.json_files import write_json
from genediff.evaluation import real_cells
from genediff.evaluation.matching import match, n_draws, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from anndata import AnnData

    from genediff.data.cells.dataset import Dataset

TOTAL, N_GENES, N_PCS = 1e4, 2000, 30
SIGMAS = (0.01, 0.1, 1.0, 10.0, 100.0)
SEEDS = (0, 1, 2)
SOURCES = {
    "cfgen": "CFGen's evaluation (Palma et al., arXiv:2407.11734; theislab/CFGen e347d1a): by cell type, then averaged",
    "scldm": "scLDM's evaluation during training (Palla et al., arXiv:2511.02986; czi-ai/scldm): all cells together",
}
LEAKS = {
    "cfgen": (
        "Variable genes and principal components are fitted on the test cells, so they hold what is chance in these.",
        "CFGen is given the library sizes of the test cells, type by type; the cells evaluated here are not, so their "
        "figures are the harder ones.",
        "W1 and W2 of a few hundred cells are mostly sampling noise and grow as there are fewer cells: compare with "
        "real vs. real, not with figures of other data.",
    ),
    "scldm": (
        "Generated counts are divided by the library sizes of real cells, so wrong library sizes do not show.",
        "The RBF kernel is exp(-‖a - b‖²) on raw counts: two different cells have nothing in common, and the figure is "
        "2 / n whatever the cells are.",
        "W1 and W2 are exact here; scLDM's are entropic (Sinkhorn, 0.05), which at such distances does not converge.",
        "Types are not compared one by one, so a type of the wrong shape can hide among the others.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ProtocolScores:
    """Figures by another group's protocol.

    Attributes
    ----------
    protocol, source
        Which, and where it is from.
    rows
        Row ("Generated", "Real vs. real"), metric, mean over draws, standard deviation over them (None where there are
        not cells enough for draws of their own).
    n_cells
        Test cells that were compared, each draw with as many generated ones.
    leaks
        What of the test cells the protocol lets through, and what it cannot see, in sentences.
    """

    protocol: str
    source: str
    rows: tuple[tuple[str, str, float, float | None], ...]
    n_cells: int
    leaks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write JSON."""
        write_json(path, self.to_dict())

    def to_text(self) -> str:
        """Return a table and what to beware of, for a terminal."""
        table: dict[str, dict[str, str]] = {}
        for row, metric, mean, sd in self.rows:
            table.setdefault(metric, {})[row] = f"{mean:.4g}" + ("" if sd is None else f" ± {sd:.2g}")
        names = list(dict.fromkeys(row for row, *_ in self.rows))
        lines = [self.source, "", f"{'':22}" + "".join(f"{name:>22}" for name in names)]
        lines += [f"{metric:22}" + "".join(f"{row.get(n, '-'):>22}" for n in names) for metric, row in table.items()]
        lines += [
            "",
            f"{self.n_cells:,} test cells; lower is better; ± over draws, where each has cells of its own.",
            "Leaks and limits of this protocol:",
        ]
        return "\n".join([*lines, *(f"- {leak}" for leak in self.leaks)]) + "\n"


def evaluate_protocol(
    generated: AnnData,
    dataset: Dataset,
    protocol: str,
    *,
    seeds: Sequence[int] = SEEDS,
    max_cells: int = 2000,
    progress: Callable[[float, str], None] = lambda share, what: None,
) -> ProtocolScores:
    """Evaluate generated cells by another group's protocol, beside validation cells in their place.

    Parameters
    ----------
    generated
        Counts, with labels in ``obs``; best as many as there are test cells, in their mix, for every seed.
    dataset
        What they imitate: counts, labels, validation and test cells.
    seeds
        Draws.
    max_cells
        Test cells at most.

    Raises
    ------
    InputError
        For an unknown protocol, or without counts or labels.
    """
    if protocol not in LEAKS:
        raise InputError(f"There is no protocol {protocol!r}; known: {', '.join(LEAKS)}.")
    label = dataset.info.label
    own = real_cells.of_anndata(generated, dataset, label)
    if label is None or not own.are_counts or not dataset.info.has_counts:
        raise InputError(
            f"The protocol {protocol!r} compares counts type by type; these cells have no counts or types."
        )
    test, other = (real_cells.of_split(dataset, part, label) for part in ("test", "validation"))
    target = target_of(test.codes[test.codes >= 0], max_cells=max_cells)
    metrics = {"cfgen": _cfgen, "scldm": _scldm}[protocol]
    sources = {"Generated": own, "Real vs. real": other}
    found: dict[tuple[str, str], list[float]] = {}
    n_cells = 0
    for number, seed in enumerate(seeds):
        for row, cells in sources.items():
            progress((2 * number + (row != "Generated")) / (2 * len(seeds)), row)
            theirs, real = match(cells.codes, test.codes, target, seed=seed, part=(number, len(seeds)))
            theirs, real = theirs[np.argsort(cells.codes[theirs])], real[np.argsort(test.codes[real])]
            n_cells = max(n_cells, len(real))
            sides = (_dense(cells.values, theirs), cells.codes[theirs], _dense(test.values, real), test.codes[real])
            for metric, value in metrics(*sides).items():
                found.setdefault((row, metric), []).append(value)
    draws = {row: n_draws(cells.codes, test.codes, target, most=len(seeds)) for row, cells in sources.items()}
    rows = tuple(
        (row, metric, float(np.mean(values)), float(np.std(values, ddof=1)) if draws[row] == len(seeds) > 1 else None)
        for (row, metric), values in found.items()
    )
    return ProtocolScores(protocol, SOURCES[protocol], rows, n_cells, LEAKS[protocol])


def _dense(values: Any, rows: np.ndarray) -> np.ndarray:
    return np.asarray(values[rows].toarray(), dtype=np.float64)


def _scaled(counts: np.ndarray, library: np.ndarray) -> np.ndarray:
    return np.log1p(counts / np.maximum(library, 1)[:, None] * TOTAL)


def _cfgen(counts: np.ndarray, codes: np.ndarray, real: np.ndarray, real_codes: np.ndarray) -> dict[str, float]:
    """W1, W2 and MMD per type on components of the real cells, averaged over types with two cells on both sides."""
    from genediff.data.importing.gene_selection import Moments, choose_genes

    moments = Moments(real.mean(0), real.var(0, ddof=1), (real > 0).sum(0))  # by Seurat's first rule; CFGen: its third
    kept = choose_genes(moments, N_GENES, min_cells=1, keep=np.zeros(real.shape[1], dtype=bool))
    x, truth = _scaled(counts, counts.sum(1))[:, kept], _scaled(real, real.sum(1))[:, kept]
    mean = truth.mean(0)
    axes = np.linalg.svd(truth - mean, full_matrices=False)[2][:N_PCS]  # (pc, gene)
    here, there = (x - mean) @ axes.T, (truth - mean) @ axes.T
    types = []
    for code in np.unique(real_codes[real_codes >= 0]):
        one, other = here[codes == code], there[real_codes == code]
        if min(len(one), len(other)) < 2:
            continue
        n = min(len(one), len(other))
        types.append((*_wasserstein(one[:n], other[:n]), _linear_mmd(one[:n], other[:n]), _mmd(one[:n], other[:n])))
    if not types:
        raise InputError("No type has two generated and two test cells.")
    return dict(zip(("W1", "W2", "linear MMD", "RBF MMD"), np.mean(types, axis=0).tolist(), strict=True))


def _scldm(counts: np.ndarray, codes: np.ndarray, real: np.ndarray, real_codes: np.ndarray) -> dict[str, float]:
    """W1 and W2 of all genes, MMD with two kernels on scaled expression and with an RBF kernel on counts, R²."""
    library = real.sum(1)
    x, truth = _scaled(counts, library[: len(counts)]), _scaled(real, library)
    w1, w2 = _wasserstein(x, truth)
    return {
        "W1, genes": w1,
        "W2, genes": w2,
        "Bray-Curtis MMD": _kernel_mmd(x, truth, lambda a, b: 1 - cdist(a, b, "braycurtis")),
        "RBF MMD, counts": _kernel_mmd(counts, real, lambda a, b: np.exp(-cdist(a, b, "sqeuclidean"))),
        "1 - R², means": 1 - _r2(x.mean(0), truth.mean(0)),
        "1 - R², variances": 1 - _r2(x.var(0, ddof=1), truth.var(0, ddof=1)),
    }


def _wasserstein(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return exact W1 and W2 of equally many cells."""
    apart = cdist(one, other)
    first = apart[linear_sum_assignment(apart)].mean()
    second = (apart**2)[linear_sum_assignment(apart**2)].mean()
    return float(first), float(np.sqrt(second))


def _linear_mmd(one: np.ndarray, other: np.ndarray) -> float:
    gap = one - other
    return float((gap[:-1] * gap[1:]).sum(1).mean())


def _mmd(one: np.ndarray, other: np.ndarray) -> float:
    """Return the biased squared MMD, summed over CFGen's five widths."""
    total = 0.0
    for sigma in SIGMAS:
        total += _kernel_mmd(one, other, lambda a, b, s=sigma: np.exp(-cdist(a, b, "sqeuclidean") / (2 * s**2)))  # type: ignore[misc]
    return total


def _kernel_mmd(one: np.ndarray, other: np.ndarray, kernel: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    return float(kernel(one, one).mean() + kernel(other, other).mean() - 2 * kernel(one, other).mean())


def _r2(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(1 - ((predicted - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
