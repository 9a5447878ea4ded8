"""Where the pixels of one grid lie in the array of another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs.utils import wcs_to_celestial_frame
from sunpy.coordinates import Helioprojective

__all__ = ["Positions", "find_positions", "locate_pixels"]

#: Pixels along the side of the largest cell of the lattice on which the reached part is found.
_LARGEST_CELL = 16
#: Pixels that are transformed together.
_CHUNK = 2**19


@dataclass(frozen=True)
class Positions:
    """
    Where pixels of a target grid lie in the array of a source.

    Parameters
    ----------
    rows, columns : numpy.ndarray of int
        Pixels of the target, shape ``(n,)``: those whose centre lies in the array of the source.
    x, y : numpy.ndarray
        Pixel coordinates in the source, from 0, shape ``(n,)``.
    axes : numpy.ndarray
        Sides of the pixels in the source's pixels, shape ``(2, 2, n)``: first the target's side
        along x and that along y, then their components along the source's x and y.  Empty,
        ``(2, 2, 0)``, if no pixel of the target is larger than a source pixel times ``limit``.
    """

    rows: np.ndarray
    columns: np.ndarray
    x: np.ndarray
    y: np.ndarray
    axes: np.ndarray


def locate_pixels(target, source, x, y):
    """
    Find where points of one grid lie in the array of another.

    Parameters
    ----------
    target, source : `~astropy.wcs.WCS`
        Solar, with their observers and times.
    x, y : array-like
        Pixel coordinates of the target, from 0.

    Returns
    -------
    x, y : numpy.ndarray
        Pixel coordinates of the source; NaN where the two have nothing in common, as off the disk
        and on the side of the Sun that the source's observer does not see.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for pixels off the disk
        places = target.pixel_to_world(x, y)
        frame = wcs_to_celestial_frame(source)
        radius = getattr(places.frame, "rsun", None)
        moved = SkyCoord(places).transform_to(frame)
        found = [np.asarray(v, float) for v in source.world_to_pixel(moved)]
        hidden = False
        three = moved.spherical.distance.unit.is_equivalent(u.m)
        if isinstance(frame, Helioprojective) and three and radius is not None:
            # A point of the far side has an angle on the disk too, but lies beyond the limb.
            horizon = np.sqrt(moved.observer.radius**2 - radius**2)
            hidden = moved.spherical.distance > horizon * (1 + 1e-9)
    return tuple(np.where(hidden, np.nan, values) for values in found)


def find_positions(target, shape, source, source_shape, limit=np.inf) -> Positions:
    """
    Find the pixels of a target that see the array of a source, and where they lie in it.

    A lattice is laid over the target first; only the cells that the source reaches are looked at
    pixel by pixel, so that a cut-out on a full disk takes no longer than on a grid of its own size.

    Parameters
    ----------
    target, source : `~astropy.wcs.WCS`
    shape, source_shape : tuple of int
        ``(ny, nx)`` of both.
    limit : float
        Side in source pixels above which the sides of the target's pixels are of interest.
    """
    cells, sizes, step = _reached_cells(target, shape, source, source_shape)
    per_row = max(1, _CHUNK // (step * max(1, int(cells.sum(axis=1).max(initial=0)) * step)))
    parts = []
    for first in range(0, len(cells), per_row):
        chosen = cells[first : first + per_row]
        if not chosen.any():
            continue
        fine = np.repeat(np.repeat(chosen, step, axis=0), step, axis=1)
        y, x = np.nonzero(fine[: shape[0] - first * step, : shape[1]])
        y += first * step
        parts.append(_locate_part(target, source, source_shape, x, y, sizes, step, limit))
    if not parts:
        none = np.zeros(0)
        return Positions(none.astype(int), none.astype(int), none, none, np.zeros((2, 2, 0)))
    whole = [np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)]
    if not (np.hypot(*np.moveaxis(whole[4], 1, 0)) > limit).any():
        whole[4] = np.zeros((2, 2, 0))
    return Positions(*whole)


def _reached_cells(target, shape, source, source_shape):
    """
    Find the cells of a lattice over the target that may see the array of the source.

    Returns
    -------
    cells : numpy.ndarray of bool
    sizes : numpy.ndarray
        Largest side of a pixel of each cell in source pixels; NaN where that is not known.
    step : int
        Pixels along the side of a cell.
    """
    step = _LARGEST_CELL
    while True:
        edges = [np.minimum(np.arange(0, n + step, step), n) - 0.5 for n in shape]
        x, y = np.meshgrid(edges[1], edges[0])
        x, y = locate_pixels(target, source, x.ravel(), y.ravel())
        x, y = (v.reshape(len(edges[0]), len(edges[1])) for v in (x, y))
        # Cells must be small against the source, or the lattice could step over it.
        sides = [np.hypot(np.diff(x, axis=a), np.diff(y, axis=a)) for a in (0, 1)]
        across = max((np.nanmedian(s) for s in sides if np.isfinite(s).any()), default=np.inf)
        if step == 1 or across < 0.5 * min(source_shape):
            break
        step //= 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # for cells off the disk
        bounds = [_bounds_of_cells(v) for v in (x, y)]
        near = np.ones(bounds[0][0].shape, bool)
        for (low, high), n in zip(bounds, source_shape[::-1], strict=True):
            margin = 2 + (high - low)
            near &= (high + margin > -0.5) & (low - margin < n - 0.5)
    complete = np.isfinite(_corners(x)).all(axis=0)
    # The limb crosses a cell with a missing corner, which is looked at if its neighbours are.
    grown = _grow(near & np.isfinite(bounds[0][0]))
    cells = np.where(complete, near, grown)
    steps = [np.diff(edge) for edge in edges]
    lengths = [
        side / np.expand_dims(s, 1 - a)
        for a, (side, s) in enumerate(zip(sides, steps, strict=True))
    ]
    sizes = np.maximum(
        np.maximum(lengths[0][:, :-1], lengths[0][:, 1:]),
        np.maximum(lengths[1][:-1], lengths[1][1:]),
    )
    return cells, sizes, step


def _corners(values):
    """Stack the values at the four corners of each cell."""
    return np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, :-1], values[1:, 1:]])


def _bounds_of_cells(values):
    """Return the least and the largest finite value at the corners of each cell."""
    corners = _corners(values)
    return np.nanmin(corners, axis=0), np.nanmax(corners, axis=0)


def _grow(cells):
    """Add the eight neighbours of each cell."""
    padded = np.pad(cells, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def _locate_part(target, source, source_shape, x, y, sizes, step, limit):
    """Locate some pixels of the target; return rows, columns, x, y and axes of those inside."""
    found = locate_pixels(target, source, x, y)
    with np.errstate(invalid="ignore"):
        inside = [
            (v >= -0.5) & (v < n - 0.5) for v, n in zip(found, source_shape[::-1], strict=True)
        ]
    inside = inside[0] & inside[1]
    x, y = x[inside], y[inside]
    found = [v[inside] for v in found]
    axes = np.zeros((2, 2, len(x)))
    with np.errstate(invalid="ignore"):
        large = ~(sizes[y // step, x // step] <= limit)
    if np.isfinite(limit) and large.any():
        axes[..., large] = _measure_axes(
            target, source, x[large], y[large], [v[large] for v in found]
        )
    return y, x, *found, axes


def _measure_axes(target, source, x, y, found):
    """Measure the sides of pixels in the source's pixels; 0 where that is not possible."""
    axes = []
    for dx, dy in ((0.5, 0.0), (0.0, 0.5)):
        ahead = locate_pixels(target, source, x + dx, y + dy)
        behind = locate_pixels(target, source, x - dx, y - dy)
        side = []
        for front, back, middle in zip(ahead, behind, found, strict=True):
            whole = front - back
            half = 2 * np.where(np.isfinite(front), front - middle, middle - back)
            side.append(np.nan_to_num(np.where(np.isfinite(whole), whole, half)))
        axes.append(side)
    return np.array(axes)
