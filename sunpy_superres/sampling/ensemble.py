"""An ensemble of fields, its statistics, and the uncertainty of the returned map."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

__all__ = [
    "ESTIMATES",
    "Ensemble",
    "check_estimate",
    "interpolate_calibration",
    "member_variance",
    "pool_variance",
]

#: Fields that `Ensemble.summarise` can make of an ensemble.
ESTIMATES = ("sample", "mean", "median")
#: Rows of an image that are computed together.
_ROWS = 256


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


def member_variance(members) -> np.ndarray:
    """
    Compute the variance of members, pixel by pixel, as `Ensemble` does.

    Parameters
    ----------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)`` with ``n`` of at least 2; NaN where missing.
    """
    mean = members.mean(axis=0, dtype=np.float32)
    variance = np.zeros_like(mean)
    for member in members:
        variance += np.square(member - mean)
    return variance / np.float32(len(members) - 1)


def pool_variance(variance, width) -> np.ndarray:
    """
    Average the ensemble's variance over neighbouring pixels.

    The variance of a few members is itself uncertain, so that too few errors lie within 2 sigma.
    The spread changes slowly from pixel to pixel, so the neighbours are further measurements of it.

    Parameters
    ----------
    variance : numpy.ndarray
        ``(ny, nx)``; NaN where missing.
    width : float
        Standard deviation, in pixels, of the Gaussian weights; 0 for no averaging.
    """
    if not width:
        return variance.copy()
    known = np.isfinite(variance)
    weight = ndimage.gaussian_filter(known.astype(np.float32), width)
    pooled = ndimage.gaussian_filter(np.where(known, variance, np.float32(0)), width)
    pooled /= np.maximum(weight, 1e-6, out=weight)
    pooled[~known] = np.nan
    return pooled


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


class Ensemble:
    """
    Statistics of the fields drawn for one frame, which are added one after another.

    Only sums are held, so that the memory does not grow with the number of members; the members
    themselves are held if something needs them.

    Parameters
    ----------
    n_samples : int
        How many members will be added.
    keep : bool
        Whether to hold the members, as the median and a cube of samples need.

    Attributes
    ----------
    count : int
        Members so far.
    first, average : numpy.ndarray
        The first member, and the mean of all, in HMI Gauss, float32, ``(ny, nx)``.
    members : numpy.ndarray or None
        HMI Gauss, float32, ``(n_samples, ny, nx)``, if they are kept.
    mean : numpy.ndarray, optional
        Mean field that the network predicts, in HMI Gauss, ``(ny, nx)``.
    std : numpy.ndarray, optional
        Standard deviation that the network predicts, in Gauss, ``(ny, nx)``; it replaces the
        members' spread if there is only one member.
    chi_square : float
        Mean reduced chi-square of the members, observed through MDI, against the frame.
    """

    def __init__(self, n_samples, keep=False):
        self._n_samples, self._keep = n_samples, keep
        self.count, self.chi_square = 0, float("nan")
        self.first = self.average = self._squares = self.members = self.mean = self.std = None

    @classmethod
    def of(cls, members, mean=None, std=None) -> Ensemble:
        """Make the ensemble of an array of members, ``(n, ny, nx)``, and keep them."""
        ensemble = cls(len(members), keep=True)
        for member in members:
            ensemble.add(member)
        ensemble.mean, ensemble.std = mean, std
        return ensemble

    def add(self, field, chi_square=float("nan")):
        """
        Add a member (Welford 1962).

        Parameters
        ----------
        field : numpy.ndarray
            HMI Gauss, ``(ny, nx)``; not changed.
        chi_square : float
            Its reduced chi-square.
        """
        self.count += 1
        if self.count == 1:
            self.first = np.array(field, np.float32)
            self.average = self.first
            self.chi_square = chi_square
        else:
            if self.count == 2:
                self.average = self.first.copy()
                self._squares = np.zeros_like(self.first)
            for first in range(0, len(field), _ROWS):  # in parts, which need little new memory
                rows = slice(first, first + _ROWS)
                average = self.average[rows]
                distance = field[rows] - average
                average += distance / np.float32(self.count)
                self._squares[rows] += distance * (field[rows] - average)
            self.chi_square += (chi_square - self.chi_square) / self.count
        if self._keep:
            if self.members is None:
                self.members = np.empty((self._n_samples, *self.first.shape), np.float32)
            self.members[self.count - 1] = field

    @property
    def variance(self) -> np.ndarray:
        """Variance of the members, ``(ny, nx)``; of one, the square of the predicted deviation."""
        if self.count > 1:
            return self._squares / np.float32(self.count - 1)
        if self.std is None:
            raise ValueError("One member has no spread; give the predicted standard deviation.")
        return np.square(self.std)

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
            If the estimate is unknown, the median is asked for and the members were not kept, or
            there is one member and no predicted deviation.
        """
        check_estimate(estimate)
        n, average = self.count, self.average
        weight = 0.0 if self.mean is None else calibration.get("mean_weight", 0.0)
        mean = average
        if weight:
            mean = average + np.float32(weight) * (self.mean - average)
        if estimate == "sample":
            field = self.first
        elif estimate == "mean":
            field = mean
        elif self.members is None:
            raise ValueError("The median needs the members; keep them (keep=True).")
        else:
            field = np.median(self.members, axis=0).astype(np.float32) + (mean - average)
        # That of one member is the predicted one, which has a pattern of MDI's pixels.
        variance = pool_variance(self.variance, calibration.get("pooling", 0.0))
        variance *= np.square(interpolate_calibration(np.abs(mean), calibration))
        variance *= np.float32(1 + (1 - weight) ** 2 / n)
        if field is not mean:
            variance += np.square(field - mean)
        variance += np.square(np.float32(gain_uncertainty) * mean)
        return field, np.sqrt(variance, out=variance)
