"""Functions from arrays to figures; pages decide where they go."""
