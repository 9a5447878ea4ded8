"""Training data: magnetograms split by region, packed files, and registered pairs."""
