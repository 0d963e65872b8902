"""Groups of cells compared: means, tests between two of them, replicates, differential expression."""
