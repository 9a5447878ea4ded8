"""Ensemble statistics and the calibrated uncertainty of the map that is returned."""

from __future__ import annotations

import numpy as np

__all__ = ["ESTIMATES", "calibration_factor", "summarise"]

ESTIMATES = ("sample", "mean", "median")


def calibration_factor(strength, calibration) -> np.ndarray:
    """
    Factor on the ensemble's standard deviation, by field strength.

    Parameters
    ----------
    strength : numpy.ndarray
        Absolute field of the ensemble mean, in Gauss.
    calibration : dict
        "field" in Gauss, ascending, and "factor"; linear between, constant beyond.
    """
    return np.interp(strength, calibration["field"], calibration["factor"]).astype(np.float32)


def summarise(members, estimate, calibration, predicted=None):
    """
    One field and its uncertainty from an ensemble.

    The square of the uncertainty is the calibrated ensemble variance times
    (1 + 1/n), plus the squared distance of the returned field from the mean.

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    estimate : str
        "sample", "mean" or "median".
    calibration : dict
        See `calibration_factor`.
    predicted : numpy.ndarray, optional
        Standard deviation foretold by the regression, in Gauss, ``(ny, nx)``: what takes
        the place of the ensemble's where there is one member only.

    Returns
    -------
    field, uncertainty : numpy.ndarray
        Gauss, float32, ``(ny, nx)``.
    """
    if estimate not in ESTIMATES:
        raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}; not {estimate!r}.")
    n = len(members)
    mean = members.mean(axis=0, dtype=np.float32)
    field = {
        "sample": lambda: members[0].astype(np.float32),
        "mean": lambda: mean,
        "median": lambda: np.median(members, axis=0).astype(np.float32),
    }[estimate]()
    if n == 1:
        if predicted is None:
            raise ValueError("One member has no spread; give the predicted standard deviation.")
        variance = np.square(predicted)
    else:
        variance = np.zeros_like(mean)
        for member in members:
            variance += np.square(member - mean)
        variance /= n - 1
    variance *= np.square(calibration_factor(np.abs(mean), calibration)) * (1 + 1 / n)
    return field, np.sqrt(variance + np.square(field - mean))
