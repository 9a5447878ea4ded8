"""Ensembles as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import astropy.units as u
import ndcube
import numpy as np
import sunpy.map

from sunpy_superres.maps.fields import known_pixels, to_gauss, warn_of_values
from sunpy_superres.maps.members import header_of_cube, mask_of_cube
from sunpy_superres.maps.regridding import same_grid
from sunpy_superres.metrics._fields import Pair


def read_members(samples):
    """
    Read an ensemble as an array, and a Map of its grid.

    Parameters
    ----------
    samples : `~ndcube.NDCube`, a result with ``samples``, or sequence of Maps
        A result of ``super_resolve(..., return_samples=True)``, its third element, or Maps that
        all have the same grid.

    Returns
    -------
    members : numpy.ndarray
        Gauss, ``(n, ny, nx)``.
    known : numpy.ndarray of bool
        Pixels in which all members have a value.
    grid : `~sunpy.map.GenericMap`
        The first member, in Gauss.

    Raises
    ------
    TypeError
        If ``samples`` is neither.
    ValueError
        If it has fewer than two members, they have different grids, or a cube lacks the header
        of its Map.
    """
    samples = _samples_of(samples)
    if isinstance(samples, ndcube.NDCube):
        return _members_of_cube(samples)
    if isinstance(samples, sunpy.map.GenericMap | str | np.ndarray) or not isinstance(
        samples, Iterable
    ):
        raise TypeError(_NO_ENSEMBLE.format(type(samples).__name__))
    maps = list(samples)
    wrong = next((m for m in maps if not isinstance(m, sunpy.map.GenericMap)), None)
    if wrong is not None:
        raise TypeError(_NO_ENSEMBLE.format(f"a sequence with {type(wrong).__name__}"))
    if len(maps) < 2:
        raise ValueError(f"An ensemble needs at least two Maps, not {len(maps)}.")
    if not all(same_grid(maps[0], other) for other in maps[1:]):
        raise ValueError("The members of an ensemble must have the same grid; reproject them.")
    members = np.stack([to_gauss(member) for member in maps])
    known = np.all([known_pixels(m, v) for m, v in zip(maps, members, strict=True)], axis=0)
    grid = sunpy.map.Map(members[0], dict(maps[0].meta, bunit="Gauss"), mask=~known)
    return members, known, grid


_NO_ENSEMBLE = (
    "An ensemble is an NDCube (super_resolve(..., return_samples=True)) or a sequence of Maps, "
    "not {}."
)


def _samples_of(result):
    """Return the ensemble of a result of ``super_resolve``; anything else as it is."""
    if not (hasattr(result, "uncertainty") and hasattr(result, "_fields")):
        return result
    if not hasattr(result, "samples"):
        raise TypeError(
            "The result holds no ensemble; ask for it by super_resolve(..., return_samples=True)."
        )
    return result.samples


def _members_of_cube(cube):
    members = np.asarray(cube.data)
    _check_cube(cube, members.shape)
    if cube.unit is not None and cube.unit != u.G:
        members = members * cube.unit.to(u.G)
    grid = sunpy.map.Map(members[0], header_of_cube(cube))
    known = np.all([known_pixels(grid, member) for member in members], axis=0)
    mask = mask_of_cube(cube)
    if mask is not None:
        known &= ~mask.any(axis=0)
    return members, known, sunpy.map.Map(grid.data, grid.meta, mask=~known)


def each_member(samples):
    """
    Give the members of an ensemble as Maps, one after the other.

    No more than one of them is made at a time, so that the memory does not grow with the members.

    Parameters
    ----------
    samples : `~ndcube.NDCube`, a result with ``samples``, or iterable of Maps
        See `~sunpy_superres.metrics.with_error`.

    Yields
    ------
    `~sunpy.map.GenericMap`

    Raises
    ------
    TypeError
        If ``samples`` is no ensemble.
    ValueError
        If it has fewer than two members, or they have different grids, or a cube lacks the header
        of its Map.
    """
    samples = _samples_of(samples)
    if isinstance(samples, ndcube.NDCube):
        yield from _slices_of_cube(samples)
        return
    if isinstance(samples, sunpy.map.GenericMap | str | np.ndarray) or not isinstance(
        samples, Iterable
    ):
        raise TypeError(_NO_ENSEMBLE.format(type(samples).__name__))
    first, number = None, 0
    for member in samples:
        if not isinstance(member, sunpy.map.GenericMap):
            raise TypeError(_NO_ENSEMBLE.format(f"a sequence with {type(member).__name__}"))
        if first is None:
            first = member
        elif not same_grid(first, member):
            raise ValueError("The members of an ensemble must have the same grid; reproject them.")
        number += 1
        yield member
    if number < 2:
        used_up = isinstance(samples, Iterator) and not number
        raise ValueError(
            f"An ensemble needs at least two Maps, not {number}"
            f"{'; a generator gives its Maps only once, so give a list' if used_up else ''}."
        )


def _slices_of_cube(cube):
    shape = np.shape(cube.data)
    _check_cube(cube, shape)
    factor = 1.0 if cube.unit is None else cube.unit.to(u.G)
    meta = header_of_cube(cube)
    masks = mask_of_cube(cube)
    for number in range(shape[0]):
        data = np.asarray(cube.data[number])
        mask = None if masks is None else masks[number]
        yield sunpy.map.Map(data if factor == 1.0 else data * factor, meta, mask=mask)


def _check_cube(cube, shape):
    if len(shape) != 3 or shape[0] < 2:
        raise ValueError(
            f"An ensemble needs the shape (n, ny, nx) with n of at least 2, not {shape}."
        )
    if not cube.meta or "ctype1" not in {str(key).lower() for key in cube.meta}:
        raise ValueError(
            "The NDCube's meta holds no Map's header; give it that of a member, or give Maps."
        )


def pair_members(samples, reference, region):
    """Return members and truth as ``(n, pixels)`` and ``(pixels,)``."""
    members, known, grid = read_members(samples)
    pair = Pair(grid, reference, region)
    mask = pair.mask & known
    if not mask.any():
        raise ValueError("No pixel is known in all members and in the reference.")
    for member in members:
        warn_of_values(sunpy.map.Map(member, grid.meta), mask)
    return members[:, mask], pair.second.values[mask]
