"""Error bars of anything that is measured on a Map, from the members of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u
import numpy as np

from sunpy_superres.metrics._ensemble import each_member

__all__ = ["Measurement", "with_error"]

#: Percentiles of the members: between them lie the 68 percent of one standard error.
PERCENTILES = (16, 84)


@dataclass(frozen=True)
class Measurement:
    """
    What the members of an ensemble give for one quantity; see `with_error`.

    Parameters
    ----------
    value : `~astropy.units.Quantity` or numpy.ndarray
        Mean over the members.
    error : `~astropy.units.Quantity` or numpy.ndarray
        Their standard deviation, with n - 1 in the denominator.
    p16, p84 : `~astropy.units.Quantity` or numpy.ndarray
        Their 16th and 84th percentile.
    members : `~astropy.units.Quantity` or numpy.ndarray
        What the function gave for each member; the first axis counts them.
    """

    value: u.Quantity
    error: u.Quantity
    p16: u.Quantity
    p84: u.Quantity
    members: u.Quantity

    def percentile(self, percent):
        """
        Compute a percentile of the members.

        Parameters
        ----------
        percent : float
            0 to 100.

        Returns
        -------
        `~astropy.units.Quantity` or numpy.ndarray
        """
        return _ignoring_nan(np.nanpercentile, self.members, percent)

    def __str__(self):
        return f"{self.value:.4g} +- {self.error:.2g}" if self.value.shape == () else repr(self)


def with_error(function, samples):
    """
    Measure something on each member of an ensemble: its value, and its error.

    Errors of neighbouring pixels are correlated, so that the error of a sum, an area, a length or
    a position does not follow from the uncertainty Map.  It follows from the members.  They are
    made and measured one after the other.

    Two things are not in the error: the uncertainty of the ratio between the instruments, which
    all members share (the card SRGAINU), and that of choices such as a threshold.

    Parameters
    ----------
    function : callable
        Called as ``function(smap)`` with each member, a Map in Gauss; it returns a number, a
        Quantity or an array of either, of the same shape and unit for all members.
    samples : `~ndcube.NDCube`, `~sunpy_superres.super_resolution.SuperResolutionSamples` or \
iterable of `~sunpy.map.GenericMap`
        The ensemble: a result of ``super_resolve(..., return_samples=True)``, its third element, or
        at least two Maps on one grid; a generator of Maps will do.

    Returns
    -------
    Measurement
        Members for which the function gives NaN do not count; where it gives NaN for all, the
        results are NaN.

    Raises
    ------
    TypeError
        If the samples are not an ensemble, or the function returns no number.
    ValueError
        If there are fewer than two members, their grids differ, or the function returns values of
        different shapes or units.

    Examples
    --------
    >>> import astropy.units as u
    >>> from sunpy_superres import metrics, super_resolve
    >>> from sunpy_superres.data import example_mdi_map
    >>> result = super_resolve(example_mdi_map(), n_samples=3, num_steps=1, seed=1,
    ...                        progress=False, return_samples=True)
    >>> flux = metrics.with_error(metrics.unsigned_flux, result)
    >>> flux.value.unit, flux.members.shape
    (Unit("Mx"), (3,))
    >>> bool(flux.p16 < flux.value < flux.p84)
    True
    """
    found = []
    for member in each_member(samples):
        value = u.Quantity(_as_number(function(member)), subok=True)
        if found and (value.shape != found[0].shape or not value.unit.is_equivalent(found[0].unit)):
            raise ValueError(
                f"The function gives {value.shape} in '{value.unit}' for one member, but "
                f"{found[0].shape} in '{found[0].unit}' for the first; let all be alike."
            )
        found.append(value)
    members = u.Quantity(found)
    if members.unit == u.one:
        members = members.value
    return Measurement(
        value=_ignoring_nan(np.nanmean, members),
        error=_ignoring_nan(np.nanstd, members, ddof=1),
        p16=_ignoring_nan(np.nanpercentile, members, PERCENTILES[0]),
        p84=_ignoring_nan(np.nanpercentile, members, PERCENTILES[1]),
        members=members,
    )


def _as_number(value):
    if isinstance(value, u.Quantity):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "bifu":
        raise TypeError(
            f"The function returns {type(value).__name__}; let it return a number, a Quantity, or "
            "an array of them."
        )
    return array.astype(float)


def _ignoring_nan(function, members, *arguments, **options):
    """Apply a function along the first axis, without numpy's warnings of empty slices."""
    values = np.asarray(getattr(members, "value", members), float)
    enough = np.isfinite(values).sum(axis=0) > options.get("ddof", 0)
    filled = np.where(enough, values, 0.0)
    out = np.where(enough, function(filled, *arguments, axis=0, **options), np.nan)[()]
    return out * members.unit if isinstance(members, u.Quantity) else out
