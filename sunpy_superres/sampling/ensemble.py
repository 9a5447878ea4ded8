"""Ensemble statistics and the calibrated uncertainty of the map that is returned."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = ["ESTIMATES", "interpolate_calibration", "pool_variance", "summarise"]

#: What can be made of an ensemble.
ESTIMATES = ("sample", "mean", "median")


def interpolate_calibration(strength, calibration) -> np.ndarray:
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


def pool_variance(members, width) -> np.ndarray:
    """
    Ensemble variance, pooled with that of the neighbours.

    The variance of a few members is itself uncertain, and 2 sigma then cover too little;
    the spread changes slowly from pixel to pixel, so that the neighbours' is worth as much.

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)`` with ``n`` of at least 2; NaN where missing.
    width : float
        Standard deviation, in pixels, of the Gaussian weights of the neighbours; 0 for none.
    """
    mean = members.mean(axis=0, dtype=np.float32)
    variance = np.zeros_like(mean)
    for member in members:
        variance += np.square(member - mean)
    variance /= len(members) - 1
    if not width:
        return variance
    there = np.isfinite(variance)
    weight = ndimage.gaussian_filter(there.astype(np.float32), width)
    pooled = ndimage.gaussian_filter(np.where(there, variance, np.float32(0)), width)
    return np.where(there, pooled / np.maximum(weight, 1e-6), np.nan).astype(np.float32)


def summarise(
    members, estimate, calibration, regression=None, predicted=None, *, gain_uncertainty=0.0
):
    """
    One field and its uncertainty from an ensemble.

    The best estimate of the mean is the ensemble mean, moved by the share ``w``
    ("mean_weight" of the calibration) toward the mean that the regression foretells,
    which has no sampling noise.  The square of the uncertainty is the calibrated
    variance times (1 + (1 - w)^2 / n), plus the squared distance of the returned field
    from that mean, plus the part of the mean that the ratio of the instruments is uncertain by.
    Without a regression ``w`` is 0: the ensemble mean and (1 + 1/n).

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    estimate : str
        "sample", "mean" or "median".
    calibration : dict
        See `interpolate_calibration`; also "mean_weight", and "pooling" for `pool_variance`.
    regression : numpy.ndarray, optional
        Mean field of the regression, in Gauss, ``(ny, nx)``.
    predicted : numpy.ndarray, optional
        Standard deviation foretold by the regression, in Gauss, ``(ny, nx)``: what takes
        the place of the ensemble's where there is one member only.
    gain_uncertainty : float
        Relative; see `~sunpy_superres.instruments.Instrument`.

    Returns
    -------
    field, uncertainty : numpy.ndarray
        Gauss, float32, ``(ny, nx)``.

    Raises
    ------
    ValueError
        For an unknown estimate, or one member and nothing predicted.
    """
    if estimate not in ESTIMATES:
        raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}; not {estimate!r}.")
    n = len(members)
    if n == 1 and predicted is None:
        raise ValueError("One member has no spread; give the predicted standard deviation.")
    ensemble_mean = members.mean(axis=0, dtype=np.float32)
    weight = 0.0 if regression is None else calibration.get("mean_weight", 0.0)
    mean = ensemble_mean
    if weight:
        mean = mean + np.float32(weight) * (regression - ensemble_mean)
    if estimate == "sample":
        field = members[0].astype(np.float32)
    elif estimate == "mean":
        field = mean
    else:
        field = np.median(members, axis=0).astype(np.float32) + (mean - ensemble_mean)
    if n == 1:
        variance = np.square(predicted)
    else:
        variance = pool_variance(members, calibration.get("pooling", 0.0))
    variance *= np.square(interpolate_calibration(np.abs(mean), calibration))
    variance *= 1 + (1 - weight) ** 2 / n
    systematic = np.square(np.float32(gain_uncertainty) * mean)
    return field, np.sqrt(variance + np.square(field - mean) + systematic)
