"""Equal numbers of cells of each label on both sides, so that a metric compares cells and not mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COMMON = 0.05
# A few sizes only, so that what was worked out for the floor and the baselines can be used again.
STEPS = tuple(2 ** (-k / 2) for k in range(13))


@dataclass(frozen=True)
class Target:
    """How many cells of each label to compare.

    Parameters
    ----------
    sizes
        Label code and number of cells, in the mix of the real cells.
    reweighted
        Whether the generated mix differs so much that some labels are compared on fewer cells than this.
    """

    sizes: tuple[tuple[int, int], ...]
    reweighted: bool = False

    @property
    def n(self) -> int:
        """Cells in all."""
        return sum(size for _, size in self.sizes)

    @property
    def codes(self) -> np.ndarray:
        """Return the label of each wanted cell, `(cell,)`."""
        codes, sizes = [code for code, _ in self.sizes], [size for _, size in self.sizes]
        return np.repeat(np.array(codes, dtype=np.int64), sizes)


def choose_target(generated_codes: np.ndarray, real_codes: np.ndarray, *, max_cells: int) -> Target:
    """Choose as many cells as the generated ones allow in the class mix of the real ones.

    The number is set by the scarcest of the common labels (5% of the real cells or more). When following the mix
    that closely would throw away more than half of the cells that could be used, the total is set by the number of
    generated cells instead, and labels that are short are compared on what there is (`reweighted`). Labels never
    generated do not shrink the rest.

    Parameters
    ----------
    generated_codes, real_codes
        Labels as numbers, `(cell,)`.
    max_cells
        Upper bound of the total.

    Raises
    ------
    ValueError
        When a side is empty.
    """
    if not len(generated_codes) or not len(real_codes):
        raise ValueError(f"nothing to compare: {len(generated_codes)} generated and {len(real_codes)} real cells")
    codes, wanted = np.unique(real_codes, return_counts=True)
    there = np.array([(generated_codes == code).sum() for code in codes])
    cap = min(1.0, max_cells / len(real_codes))
    loose = min(cap, there.sum() / wanted[there > 0].sum()) if there.any() else cap
    common = (there > 0) & (wanted >= COMMON * len(real_codes))
    strict = min(cap, float((there[common] / wanted[common]).min())) if common.any() else loose
    reweighted = strict < loose / 2
    scale = cap * _step_down((loose if reweighted else strict) / cap)
    return Target(_sizes(codes, wanted, scale), reweighted)


def target_of(real_codes: np.ndarray, *, step: float = 1.0, max_cells: int) -> Target:
    """Return what `choose_target` chooses for generated cells in plenty, or for fewer by one of `STEPS`."""
    codes, wanted = np.unique(real_codes, return_counts=True)
    return Target(_sizes(codes, wanted, min(1.0, max_cells / len(real_codes)) * step))


def _sizes(codes: np.ndarray, wanted: np.ndarray, scale: float) -> tuple[tuple[int, int], ...]:
    sizes = np.maximum(1, np.floor(wanted * scale + 0.5).astype(int))
    return tuple(zip(codes.tolist(), sizes.tolist(), strict=True))


def n_draws(generated_codes: np.ndarray, real_codes: np.ndarray, target: Target, *, most: int) -> int:
    """Return for how many comparisons there are generated cells of their own, at most ``most``; 1 where they share."""
    there = {code: int((generated_codes == code).sum()) for code, _ in target.sizes}
    sizes = {code: min(size, int((real_codes == code).sum())) for code, size in target.sizes}
    parts = [there[code] // size for code, size in sizes.items() if size and there[code]]
    return max(1, min(most, *parts)) if parts else 1


def match(
    generated_codes: np.ndarray, real_codes: np.ndarray, target: Target, *, seed: int, part: tuple[int, int] = (0, 1)
) -> tuple[np.ndarray, np.ndarray]:
    """Draw equally many generated and real cells, label by label.

    Where there are generated cells enough, every part has cells of its own: their spread is that of generating anew.

    A label that was never generated stays among the real cells, so that its absence is seen; the real cells are then
    thinned at random to the number of generated ones.

    Parameters
    ----------
    generated_codes, real_codes
        Labels as numbers, `(cell,)`.
    target
        From `choose_target`.
    seed
        Of the draw.
    part
        Its number among how many.

    Returns
    -------
    tuple
        Rows of the generated and of the real cells, equally many.
    """
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(0)
    number, n_parts = part
    generated_rows: list[np.ndarray] = []
    real_rows: list[np.ndarray] = []
    for code, size in target.sizes:
        generated = np.flatnonzero(generated_codes == code)
        real = rng.permutation(np.flatnonzero(real_codes == code))
        n = min(size, len(real))
        if len(generated):
            n = min(n, len(generated))
            own = 1 < n_parts and n * n_parts <= len(generated)
            order, first = (fixed.permutation(generated), n * number) if own else (rng.permutation(generated), 0)
            generated_rows.append(order[first : first + n])
        real_rows.append(real[:n])
    generated_all = np.concatenate(generated_rows or [np.array([], dtype=np.int64)])
    real_all = rng.permutation(np.concatenate(real_rows))
    return generated_all, real_all[: len(generated_all)]


def _step_down(scale: float) -> float:
    return next((step for step in STEPS if step <= scale + 1e-9), scale)
