"""Very many generated cells: parts on disk as they are drawn, then one file, with memory that does not grow."""
