"""The objects of the public library: what ``import genediff`` offers."""
