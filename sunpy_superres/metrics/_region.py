"""Parts of a Map: boolean masks, and boxes between two corners."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import ConvertError, SkyCoord
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, Helioprojective

from sunpy_superres.maps.geometry import (
    is_helioprojective,
    plate_scale,
    sphere_vectors,
    to_heliographic,
)


def region_mask(smap, region) -> np.ndarray:
    """
    Find the pixels of a region.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    region : numpy.ndarray of bool, or `~astropy.coordinates.SkyCoord` of two corners
        A mask of the Map's shape; or two opposite corners, helioprojective or heliographic, for
        the pixels whose longitude and latitude in the corners' own frame lie between them.

    Returns
    -------
    numpy.ndarray of bool
    """
    shape = smap.data.shape
    if isinstance(region, SkyCoord) or (
        isinstance(region, list | tuple) and any(isinstance(c, SkyCoord) for c in region)
    ):
        corners = list(region) if not isinstance(region, SkyCoord) or region.shape else [region]
        if len(corners) != 2:
            raise ValueError(
                f"A region of coordinates needs two corners, lower left and upper right, "
                f"not {len(corners)}."
            )
        return _between(smap, *corners)
    mask = np.asarray(region)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"A region must be a boolean mask of shape {shape} or two SkyCoord corners, not "
            f"{mask.dtype} of shape {mask.shape}."
        )
    return mask


def _between(smap, first, second):
    """Find the pixels whose coordinates, in the corners' frame, lie between the corners."""
    try:
        second = second.transform_to(first.frame)
        longitude, latitude = _coordinates(smap, first.frame)
    except (ConvertError, u.UnitsError, ValueError) as error:
        raise ValueError(
            "The corners of the region have no place on the map; give both in a "
            "helioprojective or heliographic frame, with observer and obstime (such as "
            f"map.coordinate_frame). ({error})"
        ) from error
    lon, lat = (
        [getattr(corner.spherical, axis).to_value(u.deg) for corner in (first, second)]
        for axis in ("lon", "lat")
    )
    width = (lon[1] - lon[0] + 180) % 360 - 180
    west = lon[0] if width >= 0 else lon[1]
    margin = 1e-3 * plate_scale(smap).to_value(u.deg / u.pix).min()  # for rounding
    with np.errstate(invalid="ignore"):
        along = (longitude - west + margin) % 360 <= abs(width) + 2 * margin
        return along & (latitude >= min(lat) - margin) & (latitude <= max(lat) + margin)


def _coordinates(smap, frame):
    """Return longitude and latitude of all pixels in a frame, in degrees."""
    ny, nx = smap.data.shape
    x, y = np.meshgrid(np.arange(nx), np.arange(ny))
    if isinstance(frame, HeliographicStonyhurst | HeliographicCarrington):
        longitude, latitude = to_heliographic(sphere_vectors(smap, x, y), smap)
        carrington = isinstance(frame, HeliographicCarrington)
        origin = smap.carrington_longitude if carrington else smap.heliographic_longitude
        return (longitude + origin).to_value(u.deg), latitude.to_value(u.deg)
    if not isinstance(frame, Helioprojective):
        raise ValueError(f"{type(frame).__name__} is neither.")
    if is_helioprojective(smap) and frame.is_equivalent_frame(smap.coordinate_frame):
        units = [u.Unit(unit).to(u.deg) for unit in smap.wcs.wcs.cunit]
        world = smap.wcs.pixel_to_world_values(x, y)
        return world[0] * units[0], world[1] * units[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for pixels off the disk
        places = smap.wcs.pixel_to_world(x, y).transform_to(frame)
    return places.spherical.lon.to_value(u.deg), places.spherical.lat.to_value(u.deg)
