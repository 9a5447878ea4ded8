"""What all metrics start from: the field of one Map, or of two on the same grid."""

from __future__ import annotations

from functools import cached_property

import astropy.units as u
import numpy as np

from sunpy_superres.geometry import emission_cosine, heliocentric_mu, pixel_area, plate_scale
from sunpy_superres.metrics._alignment import on_grid_of
from sunpy_superres.metrics._region import region_mask
from sunpy_superres.metrics._values import checked, in_gauss, usable


class Grid:
    """
    Where the pixels of a Map lie on the Sun; each part is computed when it is asked for.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    """

    def __init__(self, smap):
        self.map = smap
        self.shape = smap.data.shape

    @cached_property
    def mu(self) -> np.ndarray:
        """Cosine of the heliocentric angle, float32; NaN off the disk."""
        chunk = max(1, 2**20 // self.shape[1])
        return np.concatenate(
            [
                heliocentric_mu(self.map, slice(start, start + chunk)).astype(np.float32)
                for start in range(0, self.shape[0], chunk)
            ]
        )

    @cached_property
    def area(self) -> np.ndarray:
        """Area on the sphere of each pixel, Mm^2, float32; 0 off the disk."""
        area = pixel_area(self.map, self.mu).to_value(u.Mm**2)
        return np.where(np.isfinite(area), area, np.float32(0))

    @cached_property
    def emission_cosine(self) -> np.ndarray:
        """Cosine of the angle between the vertical and the line of sight."""
        return emission_cosine(self.mu, self.map)

    @cached_property
    def scales(self) -> np.ndarray:
        """Arcsec per pixel along x and y."""
        return plate_scale(self.map).to_value(u.arcsec / u.pix)

    @cached_property
    def scale(self) -> float:
        """Arcsec per pixel of square pixels."""
        if abs(self.scales[0] / self.scales[1] - 1) > 0.02:
            raise ValueError(
                f"Pixels of {self.scales[0]:.3f} x {self.scales[1]:.3f} arcsec are not square; "
                "reproject the map to square pixels first."
            )
        return float(self.scales.mean())

    @cached_property
    def pixel_length(self) -> float:
        """Side of a pixel at disk centre, in Mm."""
        distance = (self.map.dsun - self.map.rsun_meters).to_value(u.Mm)
        return (self.scale * u.arcsec).to_value(u.rad) * distance


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
        smap = checked(smap)
        self.grid = Grid(smap)
        values = in_gauss(smap)
        self.mask = usable(smap, values) & np.isfinite(self.grid.mu)
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
        values, there = on_grid_of(self.first.grid.map, checked(reference))
        self.mask = self.first.mask & there
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
