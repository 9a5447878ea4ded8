"""Bring a reference to the grid of a Map."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import ConvertError
from astropy.wcs.utils import pixel_to_pixel
from scipy import ndimage

from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.metadata import rebin_meta
from sunpy_superres.warning import warn_user

#: Grids that differ by less than this many pixels are the same.
_SAME_GRID = 1e-3
#: If a reference's pixel, in units of the map's, is smaller, it is averaged, not interpolated.
_FINER = 0.75
#: Time in seconds in which the Sun turns by half an arcsec.
_SIMULTANEOUS = 180.0


def _comparable_wcs(smap, reference):
    """
    Prepare the WCS of a reference for the comparison with a Map's.

    A place on a Carrington grid does not depend on the time of observation; sunpy would turn
    one of the two grids by the rotation between.
    """
    names = [str(m.coordinate_system.axis1).upper()[:4] for m in (smap, reference)]
    if names != ["CRLN", "CRLN"]:
        return reference.wcs
    wcs, target = reference.wcs.deepcopy(), smap.wcs.wcs
    wcs.wcs.dateobs, wcs.wcs.dateavg = target.dateobs, target.dateavg
    wcs.wcs.mjdobs, wcs.wcs.mjdavg = target.mjdobs, target.mjdavg
    for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
        setattr(wcs.wcs.aux, name, getattr(target.aux, name))
    wcs.array_shape = reference.wcs.array_shape
    return wcs


def same_grid(smap, reference) -> bool:
    """Whether the pixels of two Maps see the same places, to a thousandth of a pixel."""
    if smap.data.shape != reference.data.shape:
        return False
    first, second = smap.wcs, _comparable_wcs(smap, reference)
    observers = [
        [getattr(w.wcs.aux, name) for name in ("dsun_obs", "hgln_obs", "hglt_obs", "crln_obs")]
        for w in (first, second)
    ]
    if observers[0] == observers[1] and first.wcs.compare(second.wcs, tolerance=1e-9):
        return True
    ny, nx = smap.data.shape
    # A plus of points across the field; the corners of a full disk see no Sun.
    x = np.array([0.5, 0.2, 0.8, 0.5, 0.5]) * (nx - 1)
    y = np.array([0.5, 0.5, 0.5, 0.2, 0.8]) * (ny - 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for points off the disk
            x2, y2 = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError, ConvertError):  # no common frame, such as without an observer
        return False
    off = np.hypot(x2 - x, y2 - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def resample_to(smap, reference):
    """
    Return a reference, in Gauss, on the grid of a Map, and the mask of its known pixels.

    Where the grids differ, the reference is interpolated with cubic splines; if its pixels are
    clearly smaller than the Map's, it is averaged over them (splines on a grid so much finer,
    and the mean over each pixel).
    """
    values = to_gauss(reference)
    known = known_pixels(reference, values)
    if same_grid(smap, reference):
        return values, known
    wcs = _comparable_wcs(smap, reference)
    if wcs is reference.wcs:
        apart = abs((reference.date - smap.date).to_value(u.s))
        if apart > _SIMULTANEOUS:
            warn_user(
                f"The maps are {apart / 60:.0f} minutes apart, and the Sun's rotation between is "
                "not undone; reproject one of them to the other's time first "
                "(sunpy.coordinates.propagate_with_solar_surface)."
            )
    scales = [np.mean(plate_scale(m).to_value(u.arcsec / u.pix)) for m in (reference, smap)]
    factor = int(np.ceil(scales[1] / scales[0] - 0.01)) if scales[0] < _FINER * scales[1] else 1
    if factor == 1:
        return _splined(values, known, wcs, smap.wcs, smap.data.shape)
    shape = tuple(factor * n for n in smap.data.shape)
    fine = rebin_meta(smap.meta, shape, factor)
    fine = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), fine).wcs
    blocks = (smap.data.shape[0], factor, smap.data.shape[1], factor)
    moved, complete = (part.reshape(blocks) for part in _splined(values, known, wcs, fine, shape))
    return moved.mean(axis=(1, 3)), complete.all(axis=(1, 3))


def _splined(values, known, wcs, target, shape):
    """Interpolate with cubic splines; also return where they rest on known pixels only."""
    from reproject import reproject_interp

    if not known.all():
        # Holes are filled with the nearest known pixel, so that the splines do not ring.
        nearest = ndimage.distance_transform_edt(
            ~known, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    # Without its margin, since reproject goes half a pixel beyond the outermost pixels.
    inner = np.zeros(known.shape, np.float32)
    inner[1:-1, 1:-1] = known[1:-1, 1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for pixels off the disk
        complete = reproject_interp((inner, wcs), target, shape, return_footprint=False)
        moved = reproject_interp(
            (values, wcs), target, shape, order="bicubic", return_footprint=False
        )
    moved = moved.astype(np.float32)
    return moved, (np.nan_to_num(complete) > 0.99) & np.isfinite(moved)
