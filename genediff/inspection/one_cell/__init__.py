"""Cells seen through strategies: what they cost, keep and lose, counted on real data."""
