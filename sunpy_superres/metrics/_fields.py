"""The field of one Map, or the fields of two on one grid, from which all metrics start."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.maps.fields import check_field_map, known_pixels, to_gauss, warn_of_values
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.regridding import resample_to, same_grid
from sunpy_superres.metrics._region import region_mask


class Field:
    """
    The line-of-sight field of a Map.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        Line-of-sight field, helioprojective or heliographic.
    region : optional
        Part of the Map; see `region_mask`.
    signed : bool
        False for an uncertainty, whose values have one sign.

    Attributes
    ----------
    grid : Grid
    values : numpy.ndarray
        Gauss, float32, ``(ny, nx)``; 0 outside ``mask``.
    mask : numpy.ndarray of bool
        On the disk, known, and in the region.
    """

    def __init__(self, smap, region=None, signed=True):
        smap = check_field_map(smap)
        self.grid = Grid(smap)
        values = to_gauss(smap)
        self.mask = known_pixels(smap, values) & np.isfinite(self.grid.mu)
        if region is not None:
            self.mask &= region_mask(smap, region)
        if not self.mask.any():
            raise ValueError(
                "No pixel of the map is on the disk, finite and in the region; "
                "check its WCS and the region."
            )
        warn_of_values(smap, self.mask, signed)
        self.values = np.where(self.mask, values, np.float32(0))

    @classmethod
    def on(cls, grid, values, mask):
        """Make a field of values on a grid that was computed before."""
        field = object.__new__(cls)
        field.grid, field.mask = grid, mask
        field.values = np.where(mask, values, np.float32(0))
        return field

    def within(self, max_angle) -> np.ndarray:
        """Return the mask without pixels farther from disk centre than ``max_angle``."""
        if max_angle is None:
            return self.mask
        angle = u.Quantity(max_angle)
        if angle.unit.physical_type != "angle" or not 0 < angle.to_value(u.deg) <= 90:
            raise ValueError(f"max_angle must be an angle of 0 to 90 deg, not {max_angle}.")
        return self.mask & (self.grid.mu >= np.cos(angle.to_value(u.rad)))


class Pair:
    """
    Two fields on the grid of the first, with one mask.

    Parameters
    ----------
    smap, reference : `~sunpy.map.GenericMap`
    region : optional
        Part of the Map; see `region_mask`.

    Attributes
    ----------
    grid : Grid
    mask : numpy.ndarray of bool
        On the disk, known in both Maps, and in the region.
    first, second : Field
        The fields of the Map and of the reference.
    """

    def __init__(self, smap, reference, region=None):
        self.first = Field(smap, region)
        reference = check_field_map(reference)
        values, known = resample_to(self.first.grid.map, reference)
        self.mask = self.first.mask & known
        same = same_grid(self.first.grid.map, reference)
        warn_of_values(reference, self.mask if same else None)
        if not self.mask.any():
            raise ValueError("The two maps have no known pixel in common; check their coordinates.")
        self.grid = self.first.grid
        self.first = Field.on(self.grid, self.first.values, self.mask)
        self.second = Field.on(self.grid, values, self.mask)

    def inside(self):
        """Return the values of both in the mask."""
        return self.first.values[self.mask], self.second.values[self.mask]


def bounding_box(mask):
    """Find the slices of rows and columns that hold all of a mask."""
    slices = []
    for axis in (1, 0):
        where = np.flatnonzero(mask.any(axis=axis))
        slices.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(slices)
