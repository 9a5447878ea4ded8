"""Comparison of the grids of two Maps, and the field of one on the grid of the other."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import ConvertError
from astropy.wcs.utils import pixel_to_pixel

from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.metadata import observation_time
from sunpy_superres.maps.resampling import Resampler
from sunpy_superres.maps.times import (
    SIMULTANEOUS,
    at_time_of,
    describe_drift,
    describe_rotation,
    is_carrington,
    is_rotation_carried,
)
from sunpy_superres.warning import warn_user

__all__ = ["resample_to", "same_grid"]

#: Grids that differ by less than this many pixels are the same.
_SAME_GRID = 1e-3
_OBSERVER = ("dsun_obs", "hgln_obs", "hglt_obs", "crln_obs")


def _comparable_wcs(smap, reference):
    """
    Prepare the WCS of a reference for the comparison with a Map's.

    The reference gets the Map's time, unless sunpy is asked to turn places with the Sun's surface:
    what the two show at one place of their grids is compared.  A place on a Carrington grid does
    not depend on the observer either.
    """
    first, second = smap.wcs, reference.wcs
    if is_rotation_carried(smap.date):
        return second
    wcs = at_time_of(second, first)
    if is_carrington(first) and is_carrington(second):
        for name in ("rsun_ref", *_OBSERVER):
            setattr(wcs.wcs.aux, name, getattr(first.wcs.aux, name))
    return wcs


def same_grid(smap, reference) -> bool:
    """Return whether the pixels of two Maps see the same places, to a thousandth of a pixel."""
    if smap.data.shape != reference.data.shape:
        return False
    first, second = smap.wcs, _comparable_wcs(smap, reference)
    observers = [[getattr(w.wcs.aux, name) for name in _OBSERVER] for w in (first, second)]
    if observers[0] == observers[1] and first.wcs.compare(second.wcs, tolerance=1e-9):
        return True
    ny, nx = smap.data.shape
    # Five points in the shape of a plus, since the corners of a full disk see no Sun.
    x = np.array([0.5, 0.2, 0.8, 0.5, 0.5]) * (nx - 1)
    y = np.array([0.5, 0.5, 0.5, 0.2, 0.8]) * (ny - 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for points off the disk
            x2, y2 = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError, ConvertError):  # no common frame: an observer is missing, say
        return False
    off = np.hypot(x2 - x, y2 - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def resample_to(smap, reference):
    """
    Return a reference, in Gauss, on the grid of a Map, and the mask of its known pixels.

    Where the grids differ, the reference is interpolated with quintic splines, and averaged over
    the Map's pixels where these are larger; see `~sunpy_superres.maps.resampling.Resampler`.

    Warns
    -----
    SuperResWarning
        If the Sun turns by more than half an arcsec between the two, and that is not undone.
    """
    _warn_of_rotation(smap, reference)
    values = to_gauss(reference)
    known = known_pixels(reference, values)
    if same_grid(smap, reference):
        return values, known
    wcs = _comparable_wcs(smap, reference)
    resample = Resampler(smap.wcs, smap.data.shape, wcs, known, between=True)
    if resample.box is None:
        return np.full(smap.data.shape, np.nan, np.float32), np.zeros(smap.data.shape, bool)
    moved = resample.embed(resample(values))
    return moved, np.isfinite(moved)


def _warn_of_rotation(smap, reference):
    """Warn if the Sun turns between two Maps, and nothing undoes it."""
    apart = abs((observation_time(reference) - observation_time(smap)).to_value(u.s))
    if apart <= SIMULTANEOUS or is_rotation_carried(smap.date):
        return
    advice = "compare them within sunpy.coordinates.propagate_with_solar_surface() to undo it."
    minutes = f"The maps are {apart / 60:.0f} minutes apart, and the Sun's"
    carrington = [m for m in (smap, reference) if is_carrington(m.wcs)]
    if not carrington:
        turned = describe_rotation(apart, smap)
        warn_user(f"{minutes} rotation between ({turned}) is not undone; {advice}")
        return
    drift = describe_drift(apart, carrington[0])
    if drift is not None:
        warn_user(
            f"{minutes} differential rotation between, {drift} against the Carrington grid, is "
            f"not undone; {advice}"
        )
