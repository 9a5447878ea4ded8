"""Magnetograms as sunpy Maps: read, checked, placed on the Sun, and written down."""
