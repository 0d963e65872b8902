"""What a perturbation does to cells: what was measured, simple predictions, and how far any prediction may be trusted.

A `Task` is a data set read as perturbations and divided into what may be learnt from and what is held out. Baselines
are fitted on its training part and say how far each gene moves; a `Predictor` moves control cells. `score` compares
predictors, all baselines and a replicate on the same held-out cells.
"""

from genediff.data.importing.perturbation_names import Perturbation, PerturbationLevels, read_perturbations
from genediff.perturbation.evaluate_predictions import make_judge, score
from genediff.perturbation.pairs import evaluate_pair, predict_pair, write_pair
from genediff.perturbation.perturbation_baselines import (
    BASELINES,
    BaselinePredictor,
    Shift,
    best_baseline,
    fit_baselines,
)
from genediff.perturbation.perturbation_metrics import HEADLINE, METRICS
from genediff.perturbation.prediction import Prediction, Predictor
from genediff.perturbation.score_table import Scores
from genediff.perturbation.task import Group, Task
from genediff.perturbation.task_config import ALL_CELLS, SCHEMES, TaskConfig

__all__ = [
    "ALL_CELLS",
    "BASELINES",
    "HEADLINE",
    "METRICS",
    "SCHEMES",
    "BaselinePredictor",
    "Group",
    "Perturbation",
    "PerturbationLevels",
    "Prediction",
    "Predictor",
    "Scores",
    "Shift",
    "Task",
    "TaskConfig",
    "best_baseline",
    "evaluate_pair",
    "fit_baselines",
    "make_judge",
    "predict_pair",
    "read_perturbations",
    "score",
    "write_pair",
]
