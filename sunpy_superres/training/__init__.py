"""Training: recipes, stages, losses, simulated frames, fine-tuning, and export of a model."""
