"""Paths of regulation through models whose tokens are genes on a network."""
