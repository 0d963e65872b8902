"""Stages of training, pulled one step at a time."""
