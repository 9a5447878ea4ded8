"""Data, losses and recipes that make the weights."""
