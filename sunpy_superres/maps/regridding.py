"""A reference on the grid of a Map."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import ConvertError
from astropy.wcs.utils import pixel_to_pixel
from scipy import ndimage

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.maps.fields import known_pixels, to_gauss
from sunpy_superres.maps.geometry import plate_scale
from sunpy_superres.maps.metadata import rebin_meta

#: Pixels by which two grids may differ and still be the same.
_SAME_GRID = 1e-3
#: Side of a reference pixel over the map's below which it is averaged, not interpolated.
_FINER = 0.75
#: Time between two Maps, in seconds, in which the Sun turns by half an arcsec.
_SIMULTANEOUS = 180.0


def _comparable_wcs(smap, reference):
    """
    WCS of a reference, ready to be compared with a Map's.

    Two Carrington grids are the same places of the Sun at whatever times they were seen;
    sunpy would turn one of them by the rotation between.
    """
    names = [str(m.coordinate_system.axis1).upper()[:4] for m in (smap, reference)]
    if names != ["CRLN", "CRLN"]:
        return reference.wcs
    wcs, known = reference.wcs.deepcopy(), smap.wcs.wcs
    wcs.wcs.dateobs, wcs.wcs.dateavg = known.dateobs, known.dateavg
    wcs.wcs.mjdobs, wcs.wcs.mjdavg = known.mjdobs, known.mjdavg
    for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
        setattr(wcs.wcs.aux, name, getattr(known.aux, name))
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
            warnings.simplefilter("ignore")  # of points off the disk
            there = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError, ConvertError):  # no observer, say: no common frame
        return False
    off = np.hypot(there[0] - x, there[1] - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def resample_to(smap, reference):
    """
    Values of a reference, in Gauss, on the grid of a Map, and where they are known.

    Where the grids differ, the reference is interpolated with cubic splines; if its pixels are
    clearly smaller than the Map's, it is averaged over them (splines on a grid so much finer,
    and the mean over each pixel).
    """
    values = to_gauss(reference)
    there = known_pixels(reference, values)
    if same_grid(smap, reference):
        return values, there
    wcs = _comparable_wcs(smap, reference)
    if wcs is reference.wcs:
        apart = abs((reference.date - smap.date).to_value(u.s))
        if apart > _SIMULTANEOUS:
            warnings.warn(
                f"The maps are {apart / 60:.0f} minutes apart, and the Sun's rotation between is "
                "not undone; reproject one of them to the other's time first "
                "(sunpy.coordinates.propagate_with_solar_surface).",
                SuperResWarning,
                stacklevel=4,
            )
    scales = [np.mean(plate_scale(m).to_value(u.arcsec / u.pix)) for m in (reference, smap)]
    factor = int(np.ceil(scales[1] / scales[0] - 0.01)) if scales[0] < _FINER * scales[1] else 1
    if factor == 1:
        return _splined(values, there, wcs, smap.wcs, smap.data.shape)
    shape = tuple(factor * n for n in smap.data.shape)
    fine = rebin_meta(smap.meta, shape, factor)
    fine = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), fine).wcs
    blocks = (smap.data.shape[0], factor, smap.data.shape[1], factor)
    moved, known = (part.reshape(blocks) for part in _splined(values, there, wcs, fine, shape))
    return moved.mean(axis=(1, 3)), known.all(axis=(1, 3))


def _splined(values, there, wcs, target, shape):
    """Cubic splines onto another grid, and where they rest on known pixels."""
    from reproject import reproject_interp

    if not there.all():
        # A spline sees what it is given in a hole: what is next to it, so that it does not ring.
        nearest = ndimage.distance_transform_edt(
            ~there, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    # The outermost pixels would be continued by half a pixel.
    inner = np.zeros(there.shape, np.float32)
    inner[1:-1, 1:-1] = there[1:-1, 1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the frames' transformation, off the disk
        known = reproject_interp((inner, wcs), target, shape, return_footprint=False)
        moved = reproject_interp(
            (values, wcs), target, shape, order="bicubic", return_footprint=False
        )
    moved = moved.astype(np.float32)
    return moved, (np.nan_to_num(known) > 0.99) & np.isfinite(moved)
