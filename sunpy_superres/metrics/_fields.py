"""What all metrics start from: the field of one Map, or of two on the same grid."""

from __future__ import annotations

import warnings
from functools import cached_property

import astropy.units as u
import numpy as np
import sunpy.map
from astropy.coordinates import ConvertError, SkyCoord
from astropy.wcs.utils import pixel_to_pixel
from scipy import ndimage
from sunpy.coordinates import HeliographicCarrington, HeliographicStonyhurst, Helioprojective

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.geometry import (
    emission_cosine,
    heliocentric_mu,
    is_helioprojective,
    pixel_area,
    plate_scale,
    rebinned_meta,
    sphere_vectors,
)
from sunpy_superres.headers import repaired
from sunpy_superres.units import LARGEST_FIELD, field_unit

#: Pixels by which two grids may differ and still be the same.
_SAME_GRID = 1e-3
#: Side of a reference pixel over the map's below which it is averaged, not interpolated.
_FINER = 0.75
#: Time between two Maps, in seconds, in which the Sun turns by half an arcsec.
_SIMULTANEOUS = 180.0


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


def checked(smap):
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
    meta, changes = repaired(smap.meta)
    return sunpy.map.Map(smap.data, meta, mask=smap.mask) if changes else smap


def quantity_in(name, quantity, unit, smallest=0.0) -> float:
    """Value of an option in a unit, or a sentence about it."""
    try:
        value = u.Quantity(quantity).to_value(unit)
    except (u.UnitConversionError, TypeError):
        value = None
    if value is None or np.ndim(value) or not smallest <= value < np.inf:
        raise ValueError(
            f"{name} must be a non-negative quantity in {unit}, such as 100 * u.{unit}, "
            f"not {quantity!r}."
        )
    return float(value)


def in_gauss(smap) -> np.ndarray:
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


def usable(smap, values) -> np.ndarray:
    """Where the data of a Map, in Gauss, are there."""
    good = np.isfinite(values)
    good[good] = np.abs(values[good]) < LARGEST_FIELD
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
        A mask of the Map's shape; or two opposite corners, helioprojective or heliographic:
        the pixels whose longitude and latitude in the corners' own frame lie between.

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
    """Pixels whose coordinates, in the frame of the corners, lie between those of the corners."""
    try:
        second = second.transform_to(first.frame)
        longitude, latitude = _coordinates(smap, first.frame)
    except (ConvertError, u.UnitsError, ValueError) as error:
        raise ValueError(
            "The corners of the region cannot be compared with the map; give both in a "
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
    """Longitude and latitude of all pixels in a frame, in degrees."""
    ny, nx = smap.data.shape
    x, y = np.meshgrid(np.arange(nx), np.arange(ny))
    if isinstance(frame, HeliographicStonyhurst | HeliographicCarrington):
        from sunpy_superres.metrics.regions import heliographic_of

        longitude, latitude = heliographic_of(sphere_vectors(smap, x, y), smap)
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
        warnings.simplefilter("ignore")  # of pixels off the disk
        there = smap.wcs.pixel_to_world(x, y).transform_to(frame)
    return there.spherical.lon.to_value(u.deg), there.spherical.lat.to_value(u.deg)


def _comparable_wcs(smap, reference):
    """
    WCS of a reference, ready to be compared with a Map's.

    Two Carrington grids are the same places of the Sun at whatever times they were seen;
    sunpy would turn one of them by the rotation between.
    """
    names = [str(m.coordinate_system.axis1).upper()[:4] for m in (smap, reference)]
    if names != ["CRLN", "CRLN"]:
        return reference.wcs
    wcs, known = reference.wcs.deepcopy(), smap.wcs.wcs
    wcs.wcs.dateobs, wcs.wcs.dateavg = known.dateobs, known.dateavg
    wcs.wcs.mjdobs, wcs.wcs.mjdavg = known.mjdobs, known.mjdavg
    for name in ("rsun_ref", "dsun_obs", "crln_obs", "hgln_obs", "hglt_obs"):
        setattr(wcs.wcs.aux, name, getattr(known.aux, name))
    wcs.array_shape = reference.wcs.array_shape
    return wcs


def same_grid(smap, reference) -> bool:
    """Whether the pixels of two Maps see the same places, to a thousandth of a pixel."""
    if smap.data.shape != reference.data.shape:
        return False
    first, second = smap.wcs, _comparable_wcs(smap, reference)
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of points off the disk
            there = pixel_to_pixel(first, second, x, y)
    except (ValueError, u.UnitsError, ConvertError):  # no observer, say: no common frame
        return False
    off = np.hypot(there[0] - x, there[1] - y)
    return bool(np.isfinite(off).any() and np.nanmax(off) < _SAME_GRID)


def on_grid_of(smap, reference):
    """
    Values of a reference, in Gauss, on the grid of a Map, and where they are known.

    Where the grids differ, the reference is interpolated with cubic splines; if its pixels are
    clearly smaller than the Map's, it is averaged over them (splines on a grid so much finer,
    and the mean over each pixel).
    """
    values = in_gauss(reference)
    there = usable(reference, values)
    if same_grid(smap, reference):
        return values, there
    wcs = _comparable_wcs(smap, reference)
    if wcs is reference.wcs:
        apart = abs((reference.date - smap.date).to_value(u.s))
        if apart > _SIMULTANEOUS:
            warnings.warn(
                f"The maps are {apart / 60:.0f} minutes apart, and the Sun's rotation between is "
                "not undone; reproject one of them to the other's time first "
                "(sunpy.coordinates.propagate_with_solar_surface).",
                SuperResWarning,
                stacklevel=4,
            )
    scales = [np.mean(plate_scale(m).to_value(u.arcsec / u.pix)) for m in (reference, smap)]
    factor = int(np.ceil(scales[1] / scales[0] - 0.01)) if scales[0] < _FINER * scales[1] else 1
    if factor == 1:
        return _splined(values, there, wcs, smap.wcs, smap.data.shape)
    shape = tuple(factor * n for n in smap.data.shape)
    fine = rebinned_meta(smap.meta, shape, factor)
    fine = sunpy.map.Map(np.broadcast_to(np.float32(0), shape), fine).wcs
    blocks = (smap.data.shape[0], factor, smap.data.shape[1], factor)
    moved, known = (part.reshape(blocks) for part in _splined(values, there, wcs, fine, shape))
    return moved.mean(axis=(1, 3)), known.all(axis=(1, 3))


def _splined(values, there, wcs, target, shape):
    """Cubic splines onto another grid, and where they rest on known pixels."""
    from reproject import reproject_interp

    if not there.all():
        # A spline sees what it is given in a hole: what is next to it, so that it does not ring.
        nearest = ndimage.distance_transform_edt(
            ~there, return_distances=False, return_indices=True
        )
        values = values[tuple(nearest)]
    # The outermost pixels would be continued by half a pixel.
    inner = np.zeros(there.shape, np.float32)
    inner[1:-1, 1:-1] = there[1:-1, 1:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the frames' transformation, off the disk
        known = reproject_interp((inner, wcs), target, shape, return_footprint=False)
        moved = reproject_interp(
            (values, wcs), target, shape, order="bicubic", return_footprint=False
        )
    moved = moved.astype(np.float32)
    return moved, (np.nan_to_num(known) > 0.99) & np.isfinite(moved)
