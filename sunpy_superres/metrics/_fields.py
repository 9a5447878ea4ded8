"""What all metrics start from: the field of one Map, or of two on the same grid."""

from __future__ import annotations

import warnings
from functools import cached_property

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import SkyCoord
from astropy.wcs.utils import pixel_to_pixel

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.geometry import emission_cosine, heliocentric_mu, pixel_area, plate_scale
from sunpy_superres.units import field_unit

#: Gauss; what is larger counts as missing.
_LARGEST = 1e5
#: Pixels by which two grids may differ and still be the same.
_SAME_GRID = 1e-3
#: Side of a reference pixel over the map's below which it is averaged, not interpolated.
_FINER = 0.75


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
    def scale(self) -> float:
        """Arcsec per pixel."""
        return float(np.mean(plate_scale(self.map).to_value(u.arcsec / u.pix)))

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
        checked(smap)
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
        if not angle.unit.is_equivalent(u.deg) or not 0 < angle.to_value(u.deg) <= 90:
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
        checked(reference)
        values, there = on_grid_of(smap, reference)
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


def checked(smap):
    """Refuse what has no field on the Sun."""
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


def in_gauss(smap) -> np.ndarray:
    """Data of a Map in Gauss, float32."""
    unit = field_unit(smap)
    values = np.asarray(smap.data, dtype=np.float32)
    if unit is None:
        warnings.warn(
            "BUNIT is missing; the values are taken for Gauss.", SuperResWarning, stacklevel=4
        )
        return values
    return values if unit == u.G else values * np.float32(unit.to(u.G))


def usable(smap, values) -> np.ndarray:
    """Where the data of a Map are there."""
    good = np.isfinite(values)
    good[good] = np.abs(values[good]) < _LARGEST
    if smap.mask is not None:
        good &= ~np.asarray(smap.mask, bool)
    return good


def region_mask(smap, region) -> np.ndarray:
    """
    Pixels of a region.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
    region : numpy.ndarray of bool, or `~astropy.coordinates.SkyCoord` of two corners
        A mask of the Map's shape, or the lower left and the upper right corner.

    Returns
    -------
    numpy.ndarray of bool
    """
    shape = smap.data.shape
    if isinstance(region, SkyCoord) or (
        isinstance(region, list | tuple) and all(isinstance(c, SkyCoord) for c in region)
    ):
        corners = list(region) if not isinstance(region, SkyCoord) or region.shape else [region]
        if len(corners) != 2:
            raise ValueError(
                f"A region of coordinates needs two corners, lower left and upper right, "
                f"not {len(corners)}."
            )
        x, y = (
            sorted(float(v) for v in axis)
            for axis in zip(*(smap.wcs.world_to_pixel(corner) for corner in corners), strict=True)
        )
        if not np.all(np.isfinite([*x, *y])):
            raise ValueError("A corner of the region cannot be seen in the map.")
        columns, rows = np.arange(shape[1]), np.arange(shape[0])
        return ((rows >= y[0] - 0.5) & (rows <= y[1] + 0.5))[:, None] & (
            (columns >= x[0] - 0.5) & (columns <= x[1] + 0.5)
        )
    mask = np.asarray(region)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"A region must be a boolean mask of shape {shape} or two SkyCoord corners, not "
            f"{mask.dtype} of shape {mask.shape}."
        )
    return mask


def same_grid(smap, reference) -> bool:
    """Whether the pixels of two Maps see the same places, to a thousandth of a pixel."""
    if smap.data.shape != reference.data.shape:
        return False
    first, second = smap.wcs, reference.wcs
    observers = [
        [getattr(w.wcs.aux, name) for name in ("dsun_obs", "hgln_obs", "hglt_obs", "crln_obs")]
        for w in (first, second)
    ]
    if observers[0] == observers[1] and first.wcs.compare(second.wcs, tolerance=1e-9):
        return True
    ny, nx = smap.data.shape
    # A plus of points across the field; the corners of a full disk see no Sun.
    x = np.array([0.5, 0.2, 0.8, 0.5, 0.5]) * (nx - 1)
    y = np.array([0.5, 0.5, 0.5, 0.2, 0.8]) * (ny - 1)
    try:
        there = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError):  # no observer, say: no common frame
        return False
    off = np.hypot(there[0] - x, there[1] - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def on_grid_of(smap, reference):
    """
    Values of a reference, in Gauss, on the grid of a Map, and where they are known.

    Where the grids differ, the reference is interpolated with cubic splines; if its pixels are
    clearly smaller than the Map's, it is averaged over them (adaptive anti-aliased
    resampling, which keeps the mean field).
    """
    values = in_gauss(reference)
    there = usable(reference, values)
    if same_grid(smap, reference):
        return values, there
    from reproject import reproject_adaptive, reproject_interp

    shape = smap.data.shape
    filled = np.where(there, values, np.float32(0))
    # The outermost pixels would be continued by half a pixel.
    inner = np.zeros_like(there)
    inner[1:-1, 1:-1] = there[1:-1, 1:-1]
    finer = np.mean(plate_scale(reference).to_value(u.arcsec / u.pix)) < _FINER * np.mean(
        plate_scale(smap).to_value(u.arcsec / u.pix)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the frames' transformation, off the disk
        known = reproject_interp(
            (inner.astype(np.float32), reference.wcs), smap.wcs, shape, return_footprint=False
        )
        if finer:
            moved = reproject_adaptive(
                (np.where(there, values, np.nan), reference.wcs), smap.wcs, shape,
                return_footprint=False, kernel="hann", bad_value_mode="ignore",
                boundary_mode="ignore",
            )  # fmt: skip
        else:
            moved = reproject_interp(
                (filled, reference.wcs), smap.wcs, shape, order="bicubic", return_footprint=False
            )
    # A spline next to a hole has seen the hole's filling: only what lies clear of it counts.
    known = np.nan_to_num(known) > 0.99
    return moved.astype(np.float32), known & np.isfinite(moved)
