"""GeneDiff: how the way a cell's expression is cut into tokens decides what a diffusion model learns."""

__version__ = "0.1.0"
