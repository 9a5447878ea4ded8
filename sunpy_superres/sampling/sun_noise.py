"""
Noise that lives on the Sun: a function of the place on its surface and of time.

The surface is divided into small cells, row by row of latitude, that turn with it.  The normal
number of a cell follows from the seed, the member, the epoch and the cell's own number alone, by a
counter-based generator: it needs no state, and is the same in any order and in any process.  A
pixel's noise is the sum over the cells whose centres it sees, divided by the root of their number.
Since each cell belongs to one pixel, the noise is white and has unit variance, whatever the roll,
the foreshortening, the plate scale and the position of the pixels.  Nothing is interpolated, which
would correlate it.

Each epoch has numbers of its own.  At any time the numbers of two epochs are added in each cell,
with weights whose squares add up to one, so that the noise is renewed over a lifetime.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import astropy.units as u
import numpy as np
from astropy.time import Time
from sunpy.sun.models import differential_rotation

from sunpy_superres.maps.geometry import is_helioprojective, sphere_vectors
from sunpy_superres.maps.projection import gnomonic_matrix
from sunpy_superres.sampling.cells import cell_noise, weighted_table

__all__ = ["LIFETIME", "SunNoise"]

#: Time over which the noise is renewed: network elements live for about a day.
LIFETIME = 1 * u.day
#: Rows of cells from pole to pole, 0.02 degrees each: 0.68 of a pixel of 0.5 arcsec at disk centre,
#: so that each pixel sees the centre of at least one cell (a square of side 1 holds a point of any
#: square lattice with a spacing below 0.707).
_ROWS = 9000
#: Rows that have the same number of cells.
_ZONE = 90
#: Cells of a row that are computed together, so that what is computed fits into the cache.
_CHUNK = 1500
#: When the cells began to turn, and the first epoch to count: before SOHO's first image.
_FIRST = Time("1996-01-01T00:00:00", scale="tai")
#: Carrington's sidereal rotation, degrees in a day.
_CARRINGTON = 14.1844
#: Epochs are numbered from a number that none reaches, since a seed must not be negative.
_OFFSET = 2**20
_THREADS = 2


@dataclass(frozen=True)
class _Zone:
    """Rows with the same number of cells, and their latitudes in radians, ``(rows, 1)``."""

    rows: slice
    count: int
    latitude: np.ndarray


@dataclass(frozen=True)
class _Epoch:
    """Number of an epoch, and its weight."""

    number: int
    weight: float


@functools.cache
def _zones():
    """All zones, from the south pole to the north pole."""
    zones = []
    for first in range(0, _ROWS, _ZONE):
        edges = np.pi * (np.array([first, first + _ZONE]) / _ROWS - 0.5)
        widest = 1.0 if edges[0] < 0 < edges[1] else np.cos(edges).max()
        rows = slice(first, first + _ZONE)
        latitude = np.pi * ((np.arange(_ROWS)[rows, None] + 0.5) / _ROWS - 0.5)
        zones.append(_Zone(rows, int(np.ceil(2 * _ROWS * widest)), latitude))
    return zones


@functools.cache
def _row_rotation():
    """Rotation of each row against Carrington's, in radians a day."""
    latitude = 180 * ((np.arange(_ROWS)[:, None] + 0.5) / _ROWS - 0.5)
    turned = differential_rotation(1 * u.day, latitude * u.deg).to_value(u.deg)
    return np.radians(turned - _CARRINGTON)


def _cap(latitude, centre, cosine):
    """Half the width in longitude of a cap around a place, at a latitude; NaN where it has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (cosine - np.sin(latitude) * np.sin(centre)) / (np.cos(latitude) * np.cos(centre))
    return np.where(value > 1, np.nan, np.arccos(np.clip(value, -1, 1)))


class SunNoise:
    """
    The noise of one frame's fine pixels.

    Parameters
    ----------
    grid : `~sunpy_superres.maps.grid.Grid`
        Of a Map with an observer and a time.
    seed : int
        The same for all frames that are to share their noise.
    lifetime : `~astropy.units.Quantity` or None
        Time over which the noise is renewed; None for a noise that is never renewed.
    """

    def __init__(self, grid, seed, lifetime=LIFETIME):
        self.grid, self.seed = grid, int(seed)
        smap = grid.map
        self._tilt = smap.heliographic_latitude.to_value(u.rad)
        self._origin = smap.carrington_longitude.to_value(u.rad)
        self._distance = float((smap.dsun / smap.rsun_meters).to_value(u.one))
        self._days = float((smap.date - _FIRST).to_value(u.day))
        if lifetime is None:
            self._epochs = [_Epoch(0, 1.0)]
        else:
            phase = self._days / u.Quantity(lifetime).to_value(u.day)
            number = int(np.floor(phase))
            angle = np.pi / 2 * (phase - number)
            self._epochs = [
                _Epoch(number, float(np.cos(angle))),
                _Epoch(number + 1, float(np.sin(angle))),
            ]

    def draw(self, member) -> np.ndarray:
        """
        Draw the noise of a member.

        Parameters
        ----------
        member : int

        Returns
        -------
        numpy.ndarray
            Standard normal, float32, ``(ny, nx)``; NaN where a pixel sees no cell: off the disk.
        """
        return self._sum_cells([member])[0]

    def draw_projected(self, members, project) -> list:
        """
        Draw the noise of several members, and apply a linear function to it.

        The cells' places on the frame, which all members share, are worked out only once.  Where a
        pixel sees no cell, it gets noise of its own.

        Parameters
        ----------
        members : sequence of int
        project : callable
            A linear function of an array ``(ny, nx)``.

        Returns
        -------
        list
            What ``project`` returns for each member's standard normal noise.
        """
        results = []
        for member, noise in zip(members, self._sum_cells(members), strict=True):
            elsewhere = np.isnan(noise)
            count, own = int(elsewhere.sum()), 0.0
            for epoch in self._epochs:
                rng = np.random.default_rng(self._key(member, epoch))
                own = own + np.float32(epoch.weight) * rng.standard_normal(count, np.float32)
            noise[elsewhere] = own
            results.append(project(noise))
        return results

    def _key(self, member, epoch):
        """Numbers from which all that is random of a member in an epoch follows."""
        return [self.seed, member, epoch.number + _OFFSET]

    def _sum_cells(self, members):
        """Draw the fine noise of members, ``(members, ny, nx)``; NaN where a pixel sees no cell."""
        tables = [weighted_table(epoch.weight) for epoch in self._epochs]
        keys = []
        for member in members:
            states = (np.random.SeedSequence(self._key(member, epoch)) for epoch in self._epochs)
            rngs = (np.random.Generator(np.random.Philox(state)) for state in states)
            keys.append([rng.integers(2**32, size=(2, _ROWS, 1), dtype=np.uint32) for rng in rngs])
        sums = np.zeros((len(members), *self.grid.shape), np.float32)
        counts = np.zeros(self.grid.shape, np.uint16)
        lock = threading.Lock()

        def add_zone(zone):
            """Add the cells of a zone; sums of the table's numbers are exact in any order."""
            for rows, columns, y, x, inside in self._find_cells(zone):
                if inside is not None:
                    y, x = y[inside], x[inside]
                corner = int(y.min()), int(x.min())
                shape = int(y.max()) + 1 - corner[0], int(x.max()) + 1 - corner[1]
                window = tuple(slice(c, c + n) for c, n in zip(corner, shape, strict=True))
                # Of the type that bincount counts with, or it would make a copy each time.
                pixels = np.multiply(y, shape[1], dtype=np.intp)
                pixels += x
                pixels -= corner[0] * shape[1] + corner[1]
                pixels, size = pixels.ravel(), shape[0] * shape[1]
                number = np.bincount(pixels, None, size).reshape(shape).astype(np.uint16)
                with lock:
                    counts[window] += number
                for own, total in zip(keys, sums, strict=True):
                    noise = cell_noise([key[:, rows] for key in own], columns, tables)
                    noise = noise.ravel() if inside is None else noise[inside]
                    part = np.bincount(pixels, noise, size).reshape(shape)
                    with lock:
                        total[window] += part

        with ThreadPoolExecutor(_THREADS) as pool:
            for _ in pool.map(add_zone, _zones()):
                pass
        with np.errstate(divide="ignore", invalid="ignore"):  # no cell: 0 / 0
            sums /= np.sqrt(counts, dtype=np.float32)
        return sums

    @cached_property
    def _region(self):
        """A cap that holds the frame: latitude, longitude from the meridian, cosine of radius."""
        ny, nx = self.grid.shape
        step = 16
        y = np.unique(np.append(np.arange(0, ny, step), ny - 1))
        x = np.unique(np.append(np.arange(0, nx, step), nx - 1))
        west, north, toward = sphere_vectors(self.grid.map, x[None], y[:, None])
        tilt = self._tilt
        nodes = np.stack(
            [
                toward * np.cos(tilt) - north * np.sin(tilt),
                west,
                north * np.cos(tilt) + toward * np.sin(tilt),
            ]
        )
        known = np.isfinite(nodes[0])
        if not known.any():
            return 0.0, 0.0, -1.0
        centre = nodes[:, known].mean(axis=1)
        centre /= np.linalg.norm(centre)
        angle = np.arccos(np.clip(np.tensordot(centre, nodes, 1), -1, 1))
        # Between two nodes lie the pixels of a step; at the limb these are several degrees.
        margin = np.radians(1.0 if known.all() else 8.0)
        radius = min(np.nanmax(angle) + margin, np.pi)
        return np.arcsin(centre[2]), np.arctan2(centre[1], centre[0]), np.cos(radius)

    def _find_cells(self, zone):
        """
        Find the cells of a zone that face the observer, a part after the other.

        Yields
        ------
        rows : slice
        columns : numpy.ndarray of uint32
            Numbers of the cells within their rows, ``(rows, n)``.
        y, x : numpy.ndarray of int32
            Pixels that see them.
        inside : numpy.ndarray of bool or None
            Cells that face the observer and lie in the frame; None for all.
        """
        latitude, longitude, cosine = self._region
        ny, nx = self.grid.shape
        halves = _cap(zone.latitude, latitude, cosine)
        if np.isnan(halves).all():
            return
        half, width = np.nanmax(halves), 2 * np.pi / zone.count
        offset = _row_rotation()[zone.rows] * self._days - self._origin
        start = np.floor((longitude - half - offset) / width).astype(np.int64)
        number = min(int(np.ceil(2 * half / width)) + 2, zone.count)
        for first in range(0, number, _CHUNK):
            step = np.arange(first, min(first + _CHUNK, number))
            x, y, inside = self._locate(zone.latitude, start * width + offset, (step + 0.5) * width)
            x += 0.5  # the digits are cut off below
            y += 0.5
            with np.errstate(invalid="ignore"):
                if not (x.min() >= 0 and y.min() >= 0 and x.max() < nx and y.max() < ny):
                    inside &= (x >= 0) & (x < nx) & (y >= 0) & (y < ny)
                x, y = x.astype(np.int32), y.astype(np.int32)
            if not inside.any():
                continue
            columns = (start % zone.count + step).astype(np.uint32)
            np.subtract(columns, zone.count, out=columns, where=columns >= zone.count)
            yield zone.rows, columns, y, x, None if inside.all() else inside

    def _locate(self, latitude, start, step):
        """
        Pixel coordinates of cells, and which of them face the observer.

        The longitude of a cell from the meridian is ``start + step``, whose sine and cosine are
        sums of products: all that follows is linear in ``sin(step)`` and ``cos(step)``.
        """
        smap, distance = self.grid.map, self._distance
        basis = np.stack([np.sin(step), np.cos(step), np.ones_like(step)])
        sine, cosine, nothing = np.sin(latitude), np.cos(latitude), np.zeros_like(latitude)
        west = np.hstack([cosine * np.cos(start), cosine * np.sin(start), nothing])
        meridian = np.hstack([-cosine * np.sin(start), cosine * np.cos(start), nothing])
        axis = np.hstack([nothing, nothing, sine])
        north = np.cos(self._tilt) * axis - np.sin(self._tilt) * meridian
        toward = (np.sin(self._tilt) * axis + np.cos(self._tilt) * meridian) @ basis
        facing = toward * distance > 1
        if not is_helioprojective(smap):
            return *self._locate_heliographic(latitude, start + step), facing
        # Depth of the direction (west, north, depth) from the observer, on which the limb lies
        # where the header has it.
        limb = distance * np.sin(smap.rsun_obs.to_value(u.rad))
        depth = toward * (toward - 2 * distance / limb**2)
        depth += (1 + distance**2) / limb**2 - 1
        np.sqrt(depth, out=depth)
        if self._projection is None:
            west, north = west @ basis, north @ basis
            angles = np.arctan2(west, depth), np.arctan2(north, np.hypot(west, depth))
            return *self._to_pixels(*angles), facing
        x, y, w = ((row[0] * west + row[1] * north) @ basis for row in self._projection)
        for part, row in zip((x, y, w), self._projection, strict=True):
            part += row[2] * depth
        x /= w
        y /= w
        return x, y, facing

    def _locate_heliographic(self, latitude, longitude):
        """Pixel coordinates of places on a heliographic grid."""
        smap = self.grid.map
        carrington = smap.coordinate_system.axis1.upper().startswith("CRLN")
        origin = smap.carrington_longitude if carrington else smap.heliographic_longitude
        longitude = longitude + origin.to_value(u.rad)
        # Around the middle of the Map, so that no longitude is a turn away from its pixel.
        middle = smap.wcs.pixel_to_world_values(*((n - 1) / 2 for n in self.grid.shape[::-1]))[0]
        middle *= u.Unit(smap.wcs.wcs.cunit[0]).to(u.rad)
        longitude = middle + (longitude - middle + np.pi) % (2 * np.pi) - np.pi
        return self._to_pixels(longitude, np.broadcast_to(latitude, longitude.shape))

    def _to_pixels(self, *angles):
        """Pixel coordinates of the Map's own angles, in radians, by its WCS."""
        wcs = self.grid.map.wcs
        units = [u.rad.to(u.Unit(unit)) for unit in wcs.wcs.cunit]
        return wcs.world_to_pixel_values(*(a * k for a, k in zip(angles, units, strict=True)))

    @cached_property
    def _projection(self):
        """The gnomonic (TAN) projection as a matrix; None for another projection."""
        return gnomonic_matrix(self.grid.map)
