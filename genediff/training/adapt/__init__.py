"""Adapt a trained model to new cells: its weights stay, small matrices beside them learn (LoRA)."""

from genediff.training.adapt.config import AdaptConfig, starting_conditions

__all__ = ["AdaptConfig", "starting_conditions"]
