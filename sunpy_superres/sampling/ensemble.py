"""An ensemble of fields, its statistics, and the uncertainty of the returned map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

__all__ = ["ESTIMATES", "Ensemble", "check_estimate", "interpolate_calibration", "pool_variance"]

#: Fields that `Ensemble.summarise` can make of an ensemble.
ESTIMATES = ("sample", "mean", "median")


def interpolate_calibration(strength, calibration) -> np.ndarray:
    """
    Interpolate the factor on the ensemble's standard deviation to field strengths.

    Parameters
    ----------
    strength : numpy.ndarray
        Absolute field of the ensemble mean, in Gauss.
    calibration : dict
        "field" in Gauss, ascending, and "factor"; linear between these points, constant beyond.
    """
    return np.interp(strength, calibration["field"], calibration["factor"]).astype(np.float32)


def pool_variance(members, width) -> np.ndarray:
    """
    Compute the ensemble's variance, averaged over neighbouring pixels.

    The variance of a few members is itself uncertain, so that too few errors lie within 2 sigma.
    The spread changes slowly from pixel to pixel, so the neighbours are further measurements of it.

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)`` with ``n`` of at least 2; NaN where missing.
    width : float
        Standard deviation, in pixels, of the Gaussian weights; 0 for no averaging.
    """
    mean = members.mean(axis=0, dtype=np.float32)
    variance = np.zeros_like(mean)
    for member in members:
        variance += np.square(member - mean)
    variance /= len(members) - 1
    if not width:
        return variance
    known = np.isfinite(variance)
    weight = ndimage.gaussian_filter(known.astype(np.float32), width)
    pooled = ndimage.gaussian_filter(np.where(known, variance, np.float32(0)), width)
    return np.where(known, pooled / np.maximum(weight, 1e-6), np.nan).astype(np.float32)


def check_estimate(estimate):
    """
    Check the name of an estimate.

    Raises
    ------
    ValueError
        If it is none of `ESTIMATES`.
    """
    if estimate not in ESTIMATES:
        raise ValueError(f"estimate must be one of {', '.join(ESTIMATES)}; not {estimate!r}.")


@dataclass(frozen=True)
class Ensemble:
    """
    Fields drawn for one frame, and the mean and deviation that the network predicts for them.

    Parameters
    ----------
    members : numpy.ndarray
        HMI Gauss, float32, ``(n, ny, nx)``.
    mean : numpy.ndarray, optional
        Mean field that the network predicts, in HMI Gauss, ``(ny, nx)``.
    std : numpy.ndarray, optional
        Standard deviation that the network predicts, in Gauss, ``(ny, nx)``; it replaces the
        members' spread if there is only one member.
    chi_square : float
        Mean reduced chi-square of the members, observed through MDI, against the frame.
    """

    members: np.ndarray
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    chi_square: float = float("nan")

    def images(self):
        """Yield each member, then the predicted mean and standard deviation."""
        yield from self.members
        yield from (image for image in (self.mean, self.std) if image is not None)

    def map(self, function) -> Ensemble:
        """
        Apply a function to each member and to the predicted images.

        Parameters
        ----------
        function : callable
            A function of an array ``(ny, nx)`` that gives another array.

        Returns
        -------
        Ensemble
        """
        first = function(self.members[0])
        members = np.empty((len(self.members), *first.shape), first.dtype)
        members[0] = first
        for number, member in enumerate(self.members[1:], start=1):
            members[number] = function(member)
        predicted = {
            name: function(image)
            for name in ("mean", "std")
            if (image := getattr(self, name)) is not None
        }
        return replace(self, members=members, **predicted)

    def summarise(self, estimate, calibration, *, gain_uncertainty=0.0):
        """
        Compute one field from the ensemble, and its uncertainty.

        The best estimate of the mean is the ensemble's mean, moved by the share ``w``
        ("mean_weight" of the calibration) toward the mean that the network predicts, which has no
        sampling noise; the median is moved by the same amount.  The square of the uncertainty is
        the calibrated variance times (1 + (1 - w)^2 / n), plus the squared distance of the returned
        field from that mean, plus the square of ``gain_uncertainty`` times that mean.  Without a
        predicted mean, ``w`` is 0.

        Parameters
        ----------
        estimate : str
            One of `ESTIMATES`.
        calibration : dict
            See `interpolate_calibration`; also "mean_weight", and "pooling" for `pool_variance`.
        gain_uncertainty : float
            Relative uncertainty of the ratio of the instruments; see
            `~sunpy_superres.instruments.Instrument`.

        Returns
        -------
        field, uncertainty : numpy.ndarray
            Gauss, float32, ``(ny, nx)``.

        Raises
        ------
        ValueError
            If the estimate is unknown, or there is one member and no predicted deviation.
        """
        check_estimate(estimate)
        members, n = self.members, len(self.members)
        if n == 1 and self.std is None:
            raise ValueError("One member has no spread; give the predicted standard deviation.")
        ensemble_mean = members.mean(axis=0, dtype=np.float32)
        weight = 0.0 if self.mean is None else calibration.get("mean_weight", 0.0)
        mean = ensemble_mean
        if weight:
            mean = mean + np.float32(weight) * (self.mean - ensemble_mean)
        if estimate == "sample":
            field = members[0].astype(np.float32)
        elif estimate == "mean":
            field = mean
        else:
            field = np.median(members, axis=0).astype(np.float32) + (mean - ensemble_mean)
        if n == 1:
            variance = np.square(self.std)
        else:
            variance = pool_variance(members, calibration.get("pooling", 0.0))
        variance *= np.square(interpolate_calibration(np.abs(mean), calibration))
        variance *= 1 + (1 - weight) ** 2 / n
        systematic = np.square(np.float32(gain_uncertainty) * mean)
        return field, np.sqrt(variance + np.square(field - mean) + systematic)
