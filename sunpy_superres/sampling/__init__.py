"""From a frame to an ensemble: schedule, solver, tiles, consistency, statistics."""
