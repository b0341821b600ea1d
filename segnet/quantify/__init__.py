"""From label volumes to counts, lengths, clusters and comparisons between groups of tomograms."""
