"""How close generated cells are to real ones, beside two real samples and simple baselines."""

from genediff.evaluation.baseline import Baseline
from genediff.evaluation.baselines import BASELINES, CopiedCells, IndependentGenes, make_baseline
from genediff.evaluation.drift import Drift
from genediff.evaluation.evaluate_cells import evaluate
from genediff.evaluation.evaluation_report import ROW_TITLES, Evaluation
from genediff.evaluation.generation_verdict import Verdict
from genediff.evaluation.memorisation import Memorisation
from genediff.evaluation.metrics import HEADLINE, METRICS, Figure, Metric
from genediff.evaluation.scoring import Score

__all__ = [
    "BASELINES",
    "HEADLINE",
    "METRICS",
    "ROW_TITLES",
    "Baseline",
    "CopiedCells",
    "Drift",
    "Evaluation",
    "Figure",
    "IndependentGenes",
    "Memorisation",
    "Metric",
    "Score",
    "Verdict",
    "evaluate",
    "make_baseline",
]
