"""Splitting of a Map into structure coarser and structure finer than a scale."""

from __future__ import annotations

import copy

import astropy.units as u
import numpy as np
import sunpy.map
from scipy import ndimage

from sunpy_superres.maps.fields import check_field_map, mark_missing, warn_of_values
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.metadata import refresh_statistics
from sunpy_superres.maps.missing import FILL_CARDS

__all__ = ["split_scales"]


def split_scales(smap, scale=2 * u.arcsec):
    """
    Split a Map into structure coarser and structure finer than a scale.

    The coarse part is the Map after a Gaussian filter that halves the amplitude of a wave of
    that wavelength; unlike a sharp cut, it does not ring.  The fine part is the rest, so that
    the two add up to the Map (to rounding).  Missing pixels do not count.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A field, an uncertainty, or data of any other unit.
    scale : `~astropy.units.Quantity`
        Wavelength in arcsec; MDI's 2 by default, as in Ramunno et al. (2025).

    Returns
    -------
    coarse, fine : `~sunpy.map.GenericMap`

    Raises
    ------
    TypeError
        If it is not a Map.
    ValueError
        If its coordinates are invalid, its pixels are not square, none is finite, or the scale is
        not a positive angle.

    Warns
    -----
    SuperResWarning
        If the Map holds what look like numbers written for missing data.
    """
    smap = check_field_map(smap)
    length = u.Quantity(scale)
    if length.shape or length.unit.physical_type != "angle" or not length > 0:
        raise ValueError(f"scale must be a positive angle such as 2 * u.arcsec, not {scale}.")
    grid = Grid(smap)
    sigma = length.to_value(u.arcsec) / grid.scale * np.sqrt(np.log(2) / (2 * np.pi**2))
    data = mark_missing(smap)
    data = data.astype(np.float64 if data.dtype.itemsize == 8 else np.float32, copy=False)
    known = np.isfinite(data)
    if not known.any():
        raise ValueError("No pixel of the map is finite; there is nothing to split.")
    warn_of_values(smap, known & np.isfinite(grid.mu))
    filled = np.where(known, data, data.dtype.type(0))
    smooth = ndimage.gaussian_filter(filled, sigma)
    if not known.all():
        weight = ndimage.gaussian_filter(known.astype(data.dtype), sigma)
        smooth /= np.maximum(weight, data.dtype.type(1e-6))
    smooth = np.where(known, smooth, np.nan).astype(data.dtype)
    parts = []
    for values, side in ((smooth, "coarser"), (data - smooth, "finer")):
        meta = {k: v for k, v in copy.deepcopy(smap.meta).items() if k not in FILL_CARDS}
        before = str(meta.get("history", "")).strip()
        line = f"sunpy_superres: structure {side} than {length.to(u.arcsec)}"
        meta["history"] = f"{before}\n{line}".lstrip()
        refresh_statistics(meta, values, known)
        parts.append(sunpy.map.Map(values, meta, mask=smap.mask))
    return tuple(parts)
