"""Plate scale, WCS and disk geometry of magnetograms."""

from __future__ import annotations

import astropy.units as u
import numpy as np
from scipy import ndimage

from sunpy_superres.maps.projection import angles_of, directions_of

__all__ = [
    "emission_cosine",
    "find_pixels",
    "from_heliographic",
    "has_solar_axes",
    "heliocentric_mu",
    "is_helioprojective",
    "measure_foreshortening",
    "on_disk_mask",
    "pixel_area",
    "plate_scale",
    "sphere_vectors",
    "to_heliographic",
]

#: Pairs of axes whose places on the Sun are known, by the first letters of their CTYPE.
_SOLAR_AXES = (["HPLN", "HPLT"], ["CRLN", "CRLT"], ["HGLN", "HGLT"])

#: Pixels along the side of the cells in which the disk is found.
_CELL = 32


def has_solar_axes(smap) -> bool:
    """Return whether a Map's axes are helioprojective or heliographic longitude and latitude."""
    return [str(axis).upper()[:4] for axis in smap.coordinate_system] in _SOLAR_AXES


def is_helioprojective(smap) -> bool:
    """Return whether a Map's axes are helioprojective longitude and latitude."""
    return smap.coordinate_system.axis1.upper().startswith("HPLN")


def plate_scale(smap) -> u.Quantity:
    """
    Compute the size of a pixel along both axes.

    For a heliographic (CEA) grid this is the angle that the pixel subtends at disk centre.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    `~astropy.units.Quantity`
        Arcsec per pixel, shape (2,).
    """
    scale = u.Quantity([abs(smap.scale.axis1), abs(smap.scale.axis2)])
    if is_helioprojective(smap):
        return scale.to(u.arcsec / u.pix)
    length = (scale * u.pix).to_value(u.rad) * smap.rsun_meters
    angle = (length / (smap.dsun - smap.rsun_meters)).decompose().value
    return angle * u.rad.to(u.arcsec) * u.arcsec / u.pix


def _distance(smap) -> float:
    """Return the observer's distance from the Sun's centre, in solar radii."""
    return (smap.dsun / smap.rsun_meters).to_value(u.one)


def _limb_scale(smap) -> float:
    """Return the sine of the solar radius by the distance, divided by the sine of RSUN_OBS."""
    return 1 / (_distance(smap) * np.sin(smap.rsun_obs.to_value(u.rad)))


def _heliocentric_angle(smap, west, north):
    """
    Return sine and cosine of the heliocentric angle of directions; NaN beyond the limb.

    It is the angle of emission, whose sine is the distance from disk centre in radii, less the
    angle at the observer, scaled so that the limb lies where RSUN_OBS has it.
    """
    relative = np.hypot(west, north) / np.sin(smap.rsun_obs.to_value(u.rad))
    seen = relative / _distance(smap)
    with np.errstate(invalid="ignore"):  # beyond the limb
        emission, observer = np.sqrt(1 - relative**2), np.sqrt(1 - seen**2)
    return relative * observer - emission * seen, emission * observer + relative * seen


def _heliographic_angles(smap, longitude, latitude):
    """Return longitude from the observer's meridian, latitude, and the observer's latitude."""
    carrington = smap.coordinate_system.axis1.upper().startswith("CRLN")
    origin = smap.carrington_longitude if carrington else smap.heliographic_longitude
    return longitude - origin.to_value(u.rad), latitude, smap.heliographic_latitude.to_value(u.rad)


def sphere_vectors(smap, x, y) -> np.ndarray:
    """
    Find the points of the photosphere that pixels see, as unit vectors.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective, or heliographic with CRLN/HGLN and CRLT/HGLT axes.
    x, y : array-like
        Pixel coordinates from 0, of any common shape.

    Returns
    -------
    numpy.ndarray
        Shape ``(3, ...)``: solar west, solar north in the plane of the sky, and toward the
        observer (heliocentric Cartesian coordinates in solar radii); NaN off the disk.
    """
    x, y = np.broadcast_arrays(np.float64(x), np.float64(y))
    if is_helioprojective(smap):
        west, north, _ = directions_of(smap, x, y)
        sine, cosine = _heliocentric_angle(smap, west, north)
        with np.errstate(invalid="ignore", divide="ignore"):
            aside = np.hypot(west, north)
            ratio = np.where(aside > 0, sine / aside, 0.0)
        return np.stack([west * ratio, north * ratio, cosine])
    longitude, latitude = angles_of(smap, x, y)
    longitude, latitude, _ = _heliographic_angles(smap, longitude, latitude)
    return from_heliographic(longitude * u.rad, latitude * u.rad, smap)


def from_heliographic(longitude, latitude, smap) -> np.ndarray:
    """
    Find points of the photosphere as unit vectors; `to_heliographic` does the opposite.

    Parameters
    ----------
    longitude, latitude : `~astropy.units.Quantity`
        Longitude from the central meridian, and latitude, of any common shape.
    smap : `~sunpy.map.GenericMap`
        The Map that gives the observer.

    Returns
    -------
    numpy.ndarray
        Shape ``(3, ...)``, as `sphere_vectors` returns them; NaN where the observer does not see
        the point.
    """
    longitude, latitude = longitude.to_value(u.rad), latitude.to_value(u.rad)
    tilt = smap.heliographic_latitude.to_value(u.rad)
    north = np.sin(latitude) * np.cos(tilt) - np.cos(latitude) * np.cos(longitude) * np.sin(tilt)
    toward = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(longitude) * np.cos(tilt)
    vectors = np.stack([np.cos(latitude) * np.sin(longitude), north, toward])
    return np.where(toward * _distance(smap) >= 1, vectors, np.nan)


def find_pixels(smap, vectors):
    """
    Find the pixels of a helioprojective Map that see points of the photosphere.

    It does the opposite of `sphere_vectors`.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective.
    vectors : numpy.ndarray
        Unit vectors, shape ``(3, ...)``, as `sphere_vectors` returns them.

    Returns
    -------
    x, y : numpy.ndarray
        Pixel coordinates from 0; NaN where the vectors are NaN.
    """
    west, north, toward = vectors
    aside, ahead = np.hypot(west, north), _distance(smap) - toward
    # The limb lies where RSUN_OBS has it, so the sine of the angle at the observer is scaled.
    sine = aside / np.hypot(aside, ahead) / _limb_scale(smap)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(aside > 0, sine / aside, 0.0)
    latitude = np.arcsin(north * ratio)
    longitude = np.arctan2(west * ratio, np.sqrt(1 - sine**2))
    units = [u.rad.to(u.Unit(unit)) for unit in smap.wcs.wcs.cunit]
    return smap.wcs.world_to_pixel_values(longitude * units[0], latitude * units[1])


def measure_foreshortening(smap, x, y) -> np.ndarray:
    """
    Measure the two sides of pixels on the sky, divided by the sides that the plate scale gives.

    Both ratios are 1 in helioprojective coordinates.  Away from disk centre the pixels of a
    heliographic (CEA) grid are foreshortened: they are finer than the instrument's resolution.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective, or heliographic with CRLN/HGLN and CRLT/HGLT axes.
    x, y : array-like
        Pixel coordinates from 0, of any common shape.

    Returns
    -------
    numpy.ndarray
        Shape ``(2, ...)``, along x and along y; 1 off the disk.
    """
    x, y = np.broadcast_arrays(np.float64(x), np.float64(y))
    if is_helioprojective(smap):
        return np.ones((2, *x.shape))
    # On a sphere of radius 1, where the observer's plane of the sky is west and north.
    sides = np.radians([(abs(s) * u.pix).to_value(u.deg) for s in smap.scale])
    lengths = []
    for side, (dx, dy) in zip(sides, ((0.5, 0.0), (0.0, 0.5)), strict=True):
        step = sphere_vectors(smap, x + dx, y + dy) - sphere_vectors(smap, x - dx, y - dy)
        lengths.append(np.hypot(step[0], step[1]) / side)
    return np.nan_to_num(np.stack(lengths), nan=1.0)


def to_heliographic(vectors, smap):
    """
    Convert vectors of any length to longitude from the central meridian and latitude.

    Parameters
    ----------
    vectors : numpy.ndarray
        Shape ``(3, ...)``, as `sphere_vectors` returns them.
    smap : `~sunpy.map.GenericMap`
        The Map that gives the observer's latitude.

    Returns
    -------
    longitude, latitude : `~astropy.units.Quantity`
        Degrees.
    """
    west, north, toward = vectors
    tilt = smap.heliographic_latitude.to_value(u.rad)
    axis = north * np.cos(tilt) + toward * np.sin(tilt)
    meridian = toward * np.cos(tilt) - north * np.sin(tilt)
    longitude = np.arctan2(west, meridian)
    latitude = np.arctan2(axis, np.hypot(west, meridian))
    return np.rad2deg(longitude) * u.deg, np.rad2deg(latitude) * u.deg


def _row_grid(smap, rows):
    """Return the pixel coordinates x and y of some rows, or of all (None), for broadcasting."""
    ny, nx = smap.data.shape
    y = np.arange(ny)[rows if rows is not None else slice(None)]
    return np.arange(nx)[None, :], y[:, None].astype(float)


def heliocentric_mu(smap, rows=None) -> np.ndarray:
    """
    Compute the cosine of the heliocentric angle; NaN off the disk.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective, or heliographic with CRLN/HGLN and CRLT/HGLT axes.
    rows : slice, optional
        Only these rows, to save memory.

    Returns
    -------
    numpy.ndarray
        Shape ``(ny, nx)``, or that of the chosen rows.
    """
    return _mu_at(smap, *_row_grid(smap, rows))


def _mu_at(smap, x, y):
    """Compute `heliocentric_mu` at pixel coordinates from 0."""
    if is_helioprojective(smap):
        return _heliocentric_angle(smap, *directions_of(smap, x, y)[:2])[1]
    longitude, latitude = angles_of(smap, x, y)
    longitude, latitude, tilt = _heliographic_angles(smap, longitude, latitude)
    mu = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(longitude)
    return np.where(mu * _distance(smap) >= 1, mu, np.nan)


def emission_cosine(mu, smap) -> np.ndarray:
    """
    Compute the cosine of the angle between the vertical and the line of sight.

    This angle and the heliocentric one differ by the angle at the observer, which grows from zero
    at disk centre to a quarter of a degree at the limb.

    Parameters
    ----------
    mu : numpy.ndarray
        Result of `heliocentric_mu`.
    smap : `~sunpy.map.GenericMap`
        The Map that gives the observer's distance.

    Returns
    -------
    numpy.ndarray
        Shape of ``mu``; NaN off the disk.
    """
    distance = _distance(smap)
    return (distance * mu - 1) / np.sqrt(distance**2 + 1 - 2 * distance * mu)


def pixel_area(smap, mu=None) -> u.Quantity:
    """
    Compute the area of the photosphere that each pixel sees.

    In helioprojective coordinates it is the solid angle of the pixel times the squared distance
    of the point that it sees, divided by the cosine of the angle between the vertical and the
    line of sight; all pixels count as having the same solid angle (right to 3e-5).  In
    heliographic coordinates it is the area of the spherical quadrilateral.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective, or heliographic with CRLN/HGLN and CRLT/HGLT axes.
    mu : numpy.ndarray, optional
        Result of `heliocentric_mu`, if it was computed before; in helioprojective coordinates also
        some of its values.

    Returns
    -------
    `~astropy.units.Quantity`
        Mm^2, float32, ``(ny, nx)``, or the shape of ``mu``; NaN off the disk.
    """
    mu = heliocentric_mu(smap) if mu is None else mu
    distance = _distance(smap)
    squared = distance**2 + 1 - 2 * distance * mu  # squared distance from observer to point
    if is_helioprojective(smap):
        to_radian = [u.Unit(unit).to(u.rad) for unit in smap.wcs.wcs.cunit]
        matrix = smap.wcs.pixel_scale_matrix * np.array(to_radian)[:, None]
        solid_angle = abs(np.linalg.det(matrix)) * _limb_scale(smap) ** 2
        with np.errstate(divide="ignore"):
            area = solid_angle * squared / np.clip(emission_cosine(mu, smap), 0, None)
    else:
        ny, nx = smap.data.shape
        middles = np.ogrid[:ny, :nx]
        edges = np.ogrid[-0.5 : ny + 0.5, -0.5 : nx + 0.5]
        # The middles of the pixels' sides, on the unit sphere.
        sides = _unit_vectors(*angles_of(smap, *np.broadcast_arrays(edges[1], middles[0])))
        ends = _unit_vectors(*angles_of(smap, *np.broadcast_arrays(middles[1], edges[0])))
        across, along = np.diff(sides, axis=2), np.diff(ends, axis=1)
        area = np.linalg.norm(np.cross(across, along, axis=0), axis=0)
        area = np.where(np.isfinite(mu), area, np.nan)
    return u.Quantity(area.astype(np.float32) * smap.rsun_meters.to_value(u.Mm) ** 2, u.Mm**2)


def _unit_vectors(longitude, latitude):
    """Return the unit vectors, ``(3, ...)``, of angles in radians."""
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    return np.stack([x, y, np.sin(latitude)])


def on_disk_mask(smap) -> np.ndarray:
    """
    Find the pixels whose centre sees the photosphere, from the geometry alone.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`

    Returns
    -------
    numpy.ndarray of bool
        Shape ``(ny, nx)``.
    """
    shape = smap.data.shape
    if min(shape) < 2 * _CELL or not _is_finely_sampled(smap):
        return np.isfinite(heliocentric_mu(smap))
    # Cells of a lattice whose corners, and their neighbours' corners, are all on the disk, or all
    # off it, are known; the others, along the limb, are computed pixel by pixel.
    nodes = [np.minimum(np.arange(0, n + _CELL, _CELL), n - 1) for n in shape]
    corners = np.isfinite(_mu_at(smap, nodes[1][None, :], nodes[0][:, None].astype(float)))
    count = sum(corners[i : len(corners) - 1 + i, j : corners.shape[1] - 1 + j].astype(int)
                for i in (0, 1) for j in (0, 1))  # fmt: skip
    limb = ndimage.binary_dilation((count > 0) & (count < 4), np.ones((3, 3), bool))
    mask, limb = (
        np.repeat(np.repeat(cells, _CELL, axis=0), _CELL, axis=1)[: shape[0], : shape[1]]
        for cells in (count == 4, limb)
    )
    y, x = np.nonzero(limb)
    mask[y, x] = np.isfinite(_mu_at(smap, x, y.astype(float)))
    return mask


def _is_finely_sampled(smap):
    """Return whether a Map shows the disk, round, and much larger than a cell of the lattice."""
    scale = max(abs(axis) for axis in smap.scale) * u.pix
    return is_helioprojective(smap) and bool(_CELL * scale < smap.rsun_obs / 4)
