"""Strategies side by side: the same cells, the same budget, the same judge.

Nothing is imported here: reading a list of comparisons stays quick, and torch is not needed for it.
"""
