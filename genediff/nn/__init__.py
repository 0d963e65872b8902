"""Layers that know no biology."""
