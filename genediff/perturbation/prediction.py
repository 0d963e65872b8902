"""A prediction: the cells that a perturbation is said to make out of control cells, and how far each gene moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from genediff.data.importing.perturbation_names import Perturbation


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predicted cells of one perturbation in one context.

    Attributes
    ----------
    perturbation, context
        What is predicted, and for which cells (a cell type, a donor; ``ALL_CELLS`` where there are none).
    x
        Log-normalised expression, (cell, gene) float32, genes as in the data set.
    counts
        Counts of the same cells, (cell, gene) float32; None where the data set or the predictor has none.
    source
        Row number in the data set of the control cell that each cell was made from, (cell,).
    delta
        Predicted mean change of each gene against control, in log-normalised expression, (gene,).
    low, high
        90% interval of ``delta``, (gene,) each; None where the predictor gives none.
    notes
        Sentences on what the prediction rests on ("STAT1 was never perturbed in training").
    """

    perturbation: Perturbation
    context: str
    x: np.ndarray
    counts: np.ndarray | None
    source: np.ndarray
    delta: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@runtime_checkable
class Predictor(Protocol):
    """Whatever predicts perturbed cells: a baseline, or a model.

    ``name`` is short and stays ("additive"), ``title`` is what tables show.
    """

    @property
    def name(self) -> str:
        """Short and lasting."""
        ...

    @property
    def title(self) -> str:
        """What tables show."""
        ...

    def deltas(self, perturbations: Sequence[Perturbation], context: str) -> np.ndarray:
        """Return predicted mean changes of each gene against control, without any cells, (perturbation, gene).

        Raises
        ------
        InputError
            When nothing can be said of one of the perturbations.
        """
        ...

    def predict(
        self, perturbation: Perturbation, rows: np.ndarray, *, context: str, n_cells: int | None = None, seed: int = 0
    ) -> Prediction:
        """Predict what the perturbation makes of some control cells.

        Parameters
        ----------
        perturbation
            Measured or not.
        rows
            Row numbers of control cells in the data set, of this context. A predictor may look at these and at the
            training part, and at no other cell.
        context
            What the control cells are.
        n_cells
            How many cells; None: one for each row, in the order of ``rows``. Otherwise sources are drawn from ``rows``.
        seed
            The same seed gives the same cells.
        """
        ...
