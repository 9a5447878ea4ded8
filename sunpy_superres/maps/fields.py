"""The field of a Map: its pixels in Gauss, and where they are known."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import sunpy.map
from scipy import ndimage

from sunpy_superres.maps.geometry import has_solar_axes, is_helioprojective, on_disk_mask
from sunpy_superres.maps.headers import repair_map
from sunpy_superres.maps.lazy import read_array
from sunpy_superres.maps.missing import describe_fills, holds_fill_value
from sunpy_superres.maps.refusals import check_has_pixels, way_to_a_map
from sunpy_superres.maps.signs import describe_one_sign
from sunpy_superres.maps.units import LARGEST_FIELD, field_unit
from sunpy_superres.warning import warn_user

#: Cards from which sunpy takes the solar radius.
_RADII = {"rsun_ref", "rsun_obs", "solar_r", "radius"}


def check_field_map(smap):
    """
    Refuse anything but a Map with the axes of the Sun, and repair its header.

    Returns
    -------
    `~sunpy.map.GenericMap`
        The input, or a copy with its header repaired.
    """
    if not isinstance(smap, sunpy.map.GenericMap):
        raise TypeError(
            f"The metrics need a sunpy Map, not {type(smap).__name__}; "
            f"{way_to_a_map(smap, 'a metric')}."
        )
    if not has_solar_axes(smap):
        raise ValueError(
            f"The axes are {' and '.join(axis[:4].upper() for axis in smap.coordinate_system)}, "
            "not helioprojective or heliographic longitude and latitude; set CTYPE1 and CTYPE2."
        )
    check_has_pixels(smap)
    smap = repair_map(smap)[0]
    if not _RADII & set(smap.meta):  # sunpy would say so each time that it needs the radius
        meta = dict(smap.meta, rsun_ref=smap.rsun_meters.to_value(u.m))
        smap = sunpy.map.Map(smap.data, meta, mask=smap.mask)
    return smap


def to_gauss(smap) -> np.ndarray:
    """Return the data of a Map in Gauss, float32; warn if they have no unit."""
    unit = field_unit(smap)
    if unit is None:
        warn_user("BUNIT is missing; the values are taken for Gauss.")
    return convert_to_gauss(smap.data, unit)


def convert_to_gauss(data, unit) -> np.ndarray:
    """Convert data of a unit to Gauss, float32; without a unit (None) they are in Gauss."""
    with np.errstate(over="ignore"):  # a value that overflows is missing
        values = read_array(data, np.float32)
        return values if unit in (None, u.G) else values * np.float32(unit.to(u.G))


def known_pixels(smap, values) -> np.ndarray:
    """Find where a Map has a value: finite in Gauss, not a fill value, and not masked."""
    unit = field_unit(smap)
    known = np.isfinite(values)
    known &= ~holds_fill_value(smap.meta, values, 1.0 if unit is None else unit.to(u.G))
    known[known] = np.abs(values[known]) < LARGEST_FIELD
    if smap.mask is not None:
        known &= ~np.asarray(smap.mask, bool)
    return known


def mark_missing(smap) -> np.ndarray:
    """Return the data of a Map in its own unit, with NaN where `known_pixels` is False."""
    data = read_array(smap.data)
    known = known_pixels(smap, convert_to_gauss(data, field_unit(smap)))
    return np.where(known, data, np.float32(np.nan))


def warn_of_values(smap, region=None, signed=True):
    """
    Warn of values that are no line-of-sight field, such as numbers for missing data.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        A magnetogram in Gauss, or in the unit that its header gives.
    region : numpy.ndarray of bool, optional
        The pixels that are used; by default the known ones, of the disk.
    signed : bool
        Whether it is to have both signs, as a field has, and its uncertainty has not.

    Warns
    -----
    SuperResWarning
        For pixels side by side, or many anywhere, that have exactly one value, for fields that the
        Sun does not have, and for weak fields of one sign.
    """
    values = convert_to_gauss(smap.data, field_unit(smap))
    if region is None:
        region = known_pixels(smap, values)
        if is_helioprojective(smap):  # archives fill the sky with zeros
            region &= on_disk_mask(smap)
    if not region.any():
        return
    box = ndimage.find_objects(region.astype(np.uint8))[0]
    values, region = values[box], region[box]
    notes = describe_fills(values, region)
    notes += describe_one_sign(values, region) if signed else []
    name = smap.meta.get("telescop") or smap.meta.get("instrume") or ""
    warn_user(*(f"{f'{name}, ' if name else ''}{smap.date.isot[:19]}: {note}" for note in notes))
