"""Maps and options, checked and in Gauss."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.maps.headers import repair_header
from sunpy_superres.maps.units import LARGEST_FIELD, field_unit


def check_field_map(smap):
    """
    Refuse what has no field on the Sun; mend the header of what has.

    Returns
    -------
    `~sunpy.map.GenericMap`
        The Map itself, or one with the roll that an old header tells in its own way.
    """
    if not isinstance(smap, sunpy.map.GenericMap):
        raise TypeError(
            f"The metrics need a sunpy Map, not {type(smap).__name__}; "
            "make one with sunpy.map.Map(file)."
        )
    names = [str(name).upper()[:4] for name in smap.coordinate_system]
    if names not in (["HPLN", "HPLT"], ["CRLN", "CRLT"], ["HGLN", "HGLT"]):
        raise ValueError(
            f"The axes are {names[0]} and {names[1]}, not helioprojective or heliographic "
            "longitude and latitude; set CTYPE1 and CTYPE2."
        )
    meta, changes = repair_header(smap.meta)
    return sunpy.map.Map(smap.data, meta, mask=smap.mask) if changes else smap


def to_gauss(smap) -> np.ndarray:
    """Data of a Map in Gauss, float32."""
    unit = field_unit(smap)
    with np.errstate(over="ignore"):  # becomes infinite, and so missing
        values = np.asarray(smap.data, dtype=np.float32)
    if unit is None:
        warnings.warn(
            "BUNIT is missing; the values are taken for Gauss.", SuperResWarning, stacklevel=4
        )
        return values
    return values if unit == u.G else values * np.float32(unit.to(u.G))


def known_pixels(smap, values) -> np.ndarray:
    """Where the data of a Map, in Gauss, are there."""
    good = np.isfinite(values)
    good[good] = np.abs(values[good]) < LARGEST_FIELD
    if smap.mask is not None:
        good &= ~np.asarray(smap.mask, bool)
    return good
