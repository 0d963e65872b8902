"""The mathematics of going from noise (t = 0) to data (t = 1)."""

from genediff.diffusion.objective import Objective, PathSample
from genediff.diffusion.paths import PATHS, Coefficients, Path, RectifiedFlow, VariancePreserving
from genediff.diffusion.recording import Recorder, Recording
from genediff.diffusion.samplers import SAMPLERS, sample

__all__ = [
    "PATHS",
    "SAMPLERS",
    "Coefficients",
    "Objective",
    "Path",
    "PathSample",
    "Recorder",
    "Recording",
    "RectifiedFlow",
    "VariancePreserving",
    "sample",
]
