"""Directions that the pixels of a helioprojective Map see, with the projection as a matrix."""

from __future__ import annotations

import astropy.units as u
import numpy as np

__all__ = ["angles_of", "directions_of", "gnomonic_matrix"]

#: Points for which the WCS is asked as fast as the matrix is made.
_FEW = 2000
#: Pixels by which the matrix may differ from the WCS; the rounding of the latter is smaller.
_TOLERANCE = 1e-6


def angles_of(smap, x, y):
    """
    Find the longitude and latitude of pixel coordinates in the Map's own system, by its WCS.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    x, y : array-like
        Pixel coordinates from 0, of any common shape.

    Returns
    -------
    longitude, latitude : numpy.ndarray
        Radians.
    """
    wcs = smap.wcs
    angles = wcs.pixel_to_world_values(x, y)
    return [a * u.Unit(unit).to(u.rad) for a, unit in zip(angles, wcs.wcs.cunit, strict=True)]


def _to_directions(longitude, latitude):
    """Turn helioprojective angles in radians into unit vectors, three arrays."""
    cosine = np.cos(latitude)
    return cosine * np.sin(longitude), np.sin(latitude), cosine * np.cos(longitude)


def gnomonic_matrix(smap):
    """
    Find the matrix of a gnomonic (TAN) projection.

    It takes directions to pixel coordinates from 0, both homogeneous: where the former are
    multiplied by any number, so are the latter.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective.

    Returns
    -------
    numpy.ndarray or None
        ``(3, 3)``; None if the Map has another projection.
    """
    ny, nx = smap.data.shape
    y, x = (part.ravel() for part in np.mgrid[0 : ny - 1 : 5j, 0 : nx - 1 : 5j])
    directions = np.stack(_to_directions(*angles_of(smap, x, y)), axis=1)
    if not np.isfinite(directions).all():
        return None
    nothing = np.zeros_like(directions)
    size = max(nx, ny)
    equations = np.concatenate(
        [
            np.hstack([directions, nothing, -(x / size)[:, None] * directions]),
            np.hstack([nothing, directions, -(y / size)[:, None] * directions]),
        ]
    )
    # Directions differ by less than a hundredth: their scales are brought together.
    norms = np.linalg.norm(equations, axis=0)
    matrix = (np.linalg.svd(equations / norms)[2][-1] / norms).reshape(3, 3)
    matrix[:2] *= size
    found = directions @ matrix.T
    error = np.hypot(found[:, 0] / found[:, 2] - x, found[:, 1] / found[:, 2] - y)
    return matrix if error.max() < _TOLERANCE else None


def directions_of(smap, x, y):
    """
    Find the directions that pixels see.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Helioprojective.
    x, y : array-like
        Pixel coordinates from 0, of any shapes that go together.

    Returns
    -------
    west, north, ahead : numpy.ndarray
        Unit vectors from the observer, the last component toward disk centre.
    """
    x, y = np.float64(x), np.float64(y)
    matrix = None
    if np.broadcast(x, y).size > _FEW:
        matrix = gnomonic_matrix(smap)
    if matrix is None:
        return _to_directions(*angles_of(smap, *np.broadcast_arrays(x, y)))
    inverse = np.linalg.inv(matrix)
    inverse *= np.sign(inverse[2] @ [(smap.data.shape[1] - 1) / 2, (smap.data.shape[0] - 1) / 2, 1])
    parts = [row[0] * x + (row[1] * y + row[2]) for row in inverse]
    length = np.sqrt(sum(part**2 for part in parts))
    for part in parts:
        part /= length
    return parts
