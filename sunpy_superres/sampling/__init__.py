"""From a frame to an ensemble: noise schedule, solver, tiles, consistency, statistics."""
