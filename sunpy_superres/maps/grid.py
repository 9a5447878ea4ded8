"""Where the pixels of a Map lie on the Sun, computed once."""

from __future__ import annotations

from functools import cached_property

import astropy.units as u
import numpy as np
import sunpy.map

from sunpy_superres.maps.geometry import (
    emission_cosine,
    heliocentric_mu,
    is_helioprojective,
    on_disk_mask,
    pixel_area,
    plate_scale,
    sphere_vectors,
)

__all__ = ["Grid"]


class Grid:
    """
    Where the pixels of a Map lie on the Sun; each attribute is computed when it is first used.

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
    def on_disk(self) -> np.ndarray:
        """True where the centre of a pixel sees the photosphere."""
        return on_disk_mask(self.map)

    @cached_property
    def positions(self) -> np.ndarray:
        """Unit vectors of the points that the pixels see, ``(3, ny, nx)``; see `sphere_vectors`."""
        y, x = np.ogrid[: self.shape[0], : self.shape[1]]
        return sphere_vectors(self.map, x, y)

    def crop(self, rows, columns) -> Grid:
        """
        Cut out a part of the grid.

        Parameters
        ----------
        rows, columns : slice
            Ranges of pixels, with a start and a stop and without a step.
        """
        meta = dict(self.map.meta)
        for name, cut in (("crpix1", columns), ("crpix2", rows)):
            meta[name] = meta[name] - cut.start
        part = Grid(sunpy.map.Map(self.map.data[rows, columns], meta))
        for name in {"mu", "area", "positions"} & set(vars(self)):  # computed before
            setattr(part, name, getattr(self, name)[..., rows, columns])
        return part

    @cached_property
    def area(self) -> np.ndarray:
        """Area on the sphere of each pixel, Mm^2, float32; 0 off the disk."""
        area = pixel_area(self.map, self.mu).to_value(u.Mm**2)
        return np.where(np.isfinite(area), area, np.float32(0))

    def area_in(self, where) -> np.ndarray:
        """
        Compute `area` of some pixels, without that of all where it is not known yet.

        Parameters
        ----------
        where : numpy.ndarray of bool, or tuple of numpy.ndarray
            As in an index of `area`.
        """
        if "area" in vars(self) or not is_helioprojective(self.map):
            return self.area[where]
        return np.nan_to_num(pixel_area(self.map, self.mu[where]).to_value(u.Mm**2))

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
        """Arcsec per pixel; `ValueError` if the pixels are not square."""
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
