"""Calibration of a model from its scores: the weight of the mean and the size of the spread."""

from __future__ import annotations

import numpy as np

from sunpy_superres.evaluation.scores import POOLING, SMALLEST_BIN

__all__ = ["calibrate"]


def calibrate(scores, smallest_bin=SMALLEST_BIN) -> dict:
    """
    Find the calibration whose mean has the least error, and whose uncertainty has its size.

    Parameters
    ----------
    scores : `~sunpy_superres.evaluation.scores.Scores`
        Scores of the validation regions, made with a model whose "mean_weight" is 1, so that
        the mean is the regression's.
    smallest_bin : int
        Bins of field strength with fewer pixels are joined with their lower neighbour.

    Returns
    -------
    dict
        "mean_weight", "pooling", and "field" in Gauss with "factor", for
        `~sunpy_superres.sampling.ensemble.summarise`.
    """
    s = scores.sums
    own, other, cross = (s[f"field_{name}_error"] for name in ("mean", "ensemble", "cross"))
    # The weight w for which (1 - w) ensemble + w regression has the least error.
    apart = (own + other - 2 * cross).sum()
    weight = float(np.clip((other - cross).sum() / apart, 0, 1)) if apart > 0 else 1.0
    error = (1 - weight) ** 2 * other + 2 * weight * (1 - weight) * cross + weight**2 * own
    n = s["members"] / s["maps"]
    spread = s["field_variance"] * (1 + (1 - weight) ** 2 / n)
    rows = []
    for row in zip(s["field_strength"], s["field_pixels"], error, spread, strict=True):
        if rows and (row[1] < smallest_bin or rows[-1][1] < smallest_bin):
            rows[-1] = tuple(a + b for a, b in zip(rows[-1], row, strict=True))
        elif row[1]:
            rows.append(row)
    return {
        "mean_weight": round(weight, 3),
        "pooling": POOLING,
        "field": [round(float(strength / pixels), 1) for strength, pixels, *_ in rows],
        "factor": [round(float(np.sqrt(e / v)), 4) for *_, e, v in rows],
    }
