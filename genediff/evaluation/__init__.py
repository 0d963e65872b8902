"""How close generated cells are to real ones, beside two real samples and simple baselines."""

from genediff.evaluation.baselines import BASELINES, Baseline, CopiedCells, IndependentGenes, make_baseline
from genediff.evaluation.drift import Drift
from genediff.evaluation.judge import evaluate
from genediff.evaluation.memorisation import Memorisation
from genediff.evaluation.metrics import HEADLINE, METRICS, Metric
from genediff.evaluation.report import ROW_TITLES, Evaluation, Score
from genediff.evaluation.verdict import Verdict

__all__ = [
    "BASELINES",
    "HEADLINE",
    "METRICS",
    "ROW_TITLES",
    "Baseline",
    "CopiedCells",
    "Drift",
    "Evaluation",
    "IndependentGenes",
    "Memorisation",
    "Metric",
    "Score",
    "Verdict",
    "evaluate",
    "make_baseline",
]
