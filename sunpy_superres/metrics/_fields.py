"""What all metrics start from: the field of one Map, or of two on the same grid."""

from __future__ import annotations

import astropy.units as u
import numpy as np

from sunpy_superres.maps.fields import check_field_map, known_pixels, to_gauss
from sunpy_superres.maps.grid import Grid
from sunpy_superres.maps.regridding import resample_to
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

    Attributes
    ----------
    grid : Grid
    values : numpy.ndarray
        Gauss, float32, ``(ny, nx)``; 0 outside ``mask``.
    mask : numpy.ndarray of bool
        On the disk, not missing, and in the region.
    """

    def __init__(self, smap, region=None):
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
        self.values = np.where(self.mask, values, np.float32(0))

    @classmethod
    def on(cls, grid, values, mask):
        """A field on a known grid."""
        field = object.__new__(cls)
        field.grid, field.mask = grid, mask
        field.values = np.where(mask, values, np.float32(0))
        return field

    def within(self, max_angle) -> np.ndarray:
        """The mask, less what is farther from disk centre than ``max_angle``."""
        if max_angle is None:
            return self.mask
        angle = u.Quantity(max_angle)
        if angle.unit.physical_type != "angle" or not 0 < angle.to_value(u.deg) <= 90:
            raise ValueError(f"max_angle must be an angle of 0 to 90 deg, not {max_angle}.")
        return self.mask & (self.grid.mu >= np.cos(angle.to_value(u.rad)))


class Pair:
    """
    Two fields on the grid of the first, missing where either is.

    Parameters
    ----------
    smap, reference : `~sunpy.map.GenericMap`
    region : optional
        See `region_mask`.

    Attributes
    ----------
    first, second : Field
        Of the Map and of the reference.
    """

    def __init__(self, smap, reference, region=None):
        self.first = Field(smap, region)
        values, known = resample_to(self.first.grid.map, check_field_map(reference))
        self.mask = self.first.mask & known
        if not self.mask.any():
            raise ValueError(
                "The two maps have no usable pixel in common; check their coordinates."
            )
        self.grid = self.first.grid
        self.first = Field.on(self.grid, self.first.values, self.mask)
        self.second = Field.on(self.grid, values, self.mask)

    def inside(self):
        """Values of both in the mask."""
        return self.first.values[self.mask], self.second.values[self.mask]
