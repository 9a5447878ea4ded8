"""Resampling of images from one grid to another: interpolation, or averages over larger pixels."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from sunpy_superres.maps.positions import find_positions

__all__ = ["RESAMPLINGS", "Resampler", "check_resampling"]

#: How an image can be resampled.
RESAMPLINGS = ("auto", "interpolation", "adaptive")
#: Order of the splines.  Quintic splines keep 95 % of the power or more at 2.4 to 4 pixels (1.2" to
#: 2" of HMI), and all of it at larger scales; cubic ones keep 84 %.
_ORDER = 5
#: Sides of a target pixel, in source pixels, above which the image is averaged over it, and from
#: which on it is the mean over the whole pixel.
_LARGER, _LARGE = 1.1, 1.5
#: Pixels by which an image is continued, as a straight line, at its edges.
_EDGE = 8
#: Missing pixels so far from known ones are filled, so that the splines do not ring.
_FILLED = 12
#: Positions this near to the centre of a pixel are there.
_ROUNDING = 1e-3
#: Samples that are interpolated together.
_CHUNK = 2**18
_THREADS = min(4, os.cpu_count() or 1)


def check_resampling(resampling):
    """
    Check the name of a resampling.

    Raises
    ------
    ValueError
        If it is none of `RESAMPLINGS`.
    """
    if resampling not in RESAMPLINGS:
        raise ValueError(f"resampling must be one of {', '.join(RESAMPLINGS)}; not {resampling!r}.")


class Resampler:
    """
    Put images of one grid on another; the positions are computed once for all images.

    "interpolation" takes the image, by quintic splines, at the centre of each pixel of the target:
    structure of all scales that the target's pixels can hold is kept.  "auto" does so too, and
    where a pixel of the target is larger than the source's by more than a tenth, averages the
    interpolated image over it, more and more until for large pixels it is the mean over the whole
    pixel.  The width of the average follows the size of the pixel, so there is no seam.
    "adaptive" is `reproject.reproject_adaptive`, whose Gaussian kernel is wider than a pixel: it
    smooths, also between pixels of the same size.

    A pixel of the target is missing if the source pixel nearest to its centre is, or, where it is
    averaged, if more than half of it is.

    Parameters
    ----------
    target, source : `~astropy.wcs.WCS`
        Their observers and times decide where things are.
    shape : tuple of int
        ``(ny, nx)`` of the target.
    known : numpy.ndarray of bool
        Known pixels of the source.
    wanted : callable, optional
        A function of the target's rows and columns, as slices, that returns the mask of pixels
        that may be filled; all, by default.
    resampling : str
        One of `RESAMPLINGS`.
    between : bool
        Fill only what lies between known pixels: no value is extrapolated, by half a pixel, beyond
        the outermost known ones.

    Attributes
    ----------
    shape : tuple of int
        As given.
    box : tuple of slice
        Rows and columns of the target that hold all pixels with a value; None if there is none.
    """

    def __init__(
        self, target, shape, source, known, *, wanted=None, resampling="auto", between=False
    ):
        check_resampling(resampling)
        self.shape, self.box, self._known = tuple(shape), None, known
        self._between = between
        self._grids = (target, source) if resampling == "adaptive" else None
        limit = _LARGER if resampling == "auto" else np.inf
        places = find_positions(target, shape, source, known.shape, limit)
        if not places.rows.size:
            return
        self._weigh(places)
        self._select(places, wanted)
        self._fill = None if known.all() else _find_filling(known)

    def _weigh(self, places):
        """Choose the samples of each pixel, and find the pixels with enough known ones."""
        self._x, self._y, self._sides, self._count = places.x, places.y, None, None
        if not places.axes.size:
            return
        length = np.hypot(places.axes[:, 0], places.axes[:, 1])
        # What the samples add to the source's own pixel, which is a mean already.
        width = np.sqrt(np.maximum(length**2 - 1, 0))
        width *= np.clip((length - _LARGER) / (_LARGE - _LARGER), 0, 1)
        count = _round_count(width)
        # So far apart that their scatter is that of a pixel of this width.
        width *= np.where(count > 1, count / np.sqrt(np.maximum(count**2 - 1.0, 1)), 0)
        self._sides = places.axes * (width / np.maximum(length, 1e-9))[:, None]
        self._count = count

    def _select(self, places, wanted):
        """Keep the pixels that have a value, and find the box that holds them."""
        box = _bounding_slices(places.rows, places.columns)
        keep = self._apply(self._known_share) >= 0.5
        if wanted is not None:
            keep &= wanted(*box)[places.rows - box[0].start, places.columns - box[1].start]
        if not keep.any():
            return
        rows, columns = places.rows[keep], places.columns[keep]
        self.box = _bounding_slices(rows, columns)
        self._where = rows - self.box[0].start, columns - self.box[1].start
        self._x, self._y = self._x[keep], self._y[keep]
        if self._count is not None:
            self._sides, self._count = self._sides[..., keep], self._count[:, keep]

    @property
    def box_shape(self):
        """Shape of the box."""
        return tuple(part.stop - part.start for part in self.box)

    def __call__(self, image) -> np.ndarray:
        """
        Resample an image.

        Parameters
        ----------
        image : numpy.ndarray
            On the grid of the source; what it has in missing pixels does not matter.

        Returns
        -------
        numpy.ndarray
            Float32, of the shape of the box; NaN where missing.
        """
        moved = np.full(self.box_shape, np.nan, np.float32)
        if self._grids is not None:
            moved[self._where] = self._average_adaptively(image)[self._where]
            return moved
        image = np.asarray(image, np.float32)
        if self._fill is not None:
            near, nearest, far = self._fill
            image = image.ravel().copy()
            image[near] = image[nearest]
            image[far] = 0
            image = image.reshape(self._known.shape)
        image = np.pad(image, _EDGE, mode="reflect", reflect_type="odd")
        coefficients = ndimage.spline_filter(image, _ORDER, output=np.float32, mode="mirror")

        def sample(x, y):
            places = [y + _EDGE, x + _EDGE]
            return ndimage.map_coordinates(
                coefficients, places, np.float32, _ORDER, mode="mirror", prefilter=False
            )

        moved[self._where] = self._apply(sample)
        return moved

    def embed(self, image) -> np.ndarray:
        """Put an image, or a stack of images, of the box into the whole grid; NaN around it."""
        if self.box_shape == self.shape:
            return image
        whole = np.full((*image.shape[:-2], *self.shape), np.nan, image.dtype)
        whole[..., *self.box] = image
        return whole

    def _known_share(self, x, y):
        """Return 1 where the nearest pixel of the source, or all four around, are known, else 0."""
        if not self._between:
            return self._is_known(np.floor(x + 0.5), np.floor(y + 0.5)).astype(np.float32)
        columns, rows = ((np.floor(v + _ROUNDING), np.ceil(v - _ROUNDING)) for v in (x, y))
        around = [self._is_known(column, row) for column in columns for row in rows]
        return np.logical_and.reduce(around).astype(np.float32)

    def _is_known(self, column, row):
        """Return whether pixels are in the source, and known."""
        ny, nx = self._known.shape
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        column, row = np.clip(column, 0, nx - 1), np.clip(row, 0, ny - 1)
        return self._known[row.astype(np.intp), column.astype(np.intp)] & inside

    def _apply(self, sample):
        """Compute the mean of the known samples of each pixel; samples are taken in parallel."""
        out = np.empty(self._x.size, np.float32)

        def run(job):
            out[job[1]] = self._mean(sample, *job)

        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(run, self._split()))
        return out

    def _split(self):
        """Yield pieces of the pixels: how many samples each has along both sides, and which."""
        if self._count is None:
            for first in range(0, self._x.size, _CHUNK):
                yield (1, 1), slice(first, first + _CHUNK)
            return
        code = self._count[0] * 1000 + self._count[1]
        for kind in np.unique(code):
            chosen = np.flatnonzero(code == kind)
            counts = divmod(int(kind), 1000)
            size = max(1, _CHUNK // (counts[0] * counts[1]))
            for first in range(0, chosen.size, size):
                yield counts, chosen[first : first + size]

    def _mean(self, sample, counts, chosen):
        """Average the samples of some pixels that all have as many."""
        x, y = self._x[chosen], self._y[chosen]
        if counts == (1, 1):
            return sample(x, y)
        steps = [(np.arange(n) + 0.5) / n - 0.5 for n in counts]
        first, second = (step.ravel()[:, None] for step in np.meshgrid(*steps, indexing="ij"))
        sides = self._sides[..., chosen]
        x, y = (
            v + first * sides[0, axis] + second * sides[1, axis] for axis, v in enumerate((x, y))
        )
        known = self._known_share(x, y)
        if sample == self._known_share:
            return known.mean(axis=0)
        values = sample(x, y) * known
        return values.sum(axis=0) / np.maximum(known.sum(axis=0), 1)

    def _average_adaptively(self, image):
        """Resample an image with the kernel of reproject, on the box."""
        from reproject import reproject_adaptive

        target, source = self._grids
        return reproject_adaptive(
            (np.where(self._known, image, np.nan), source),
            target[self.box],
            self.box_shape,
            return_footprint=False,
            bad_value_mode="ignore",
            boundary_mode="ignore",
        )


def _round_count(width):
    """Choose the number of samples along a width in source pixels: 1 for none, else 2 or more."""
    steps = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256])
    wanted = np.where(width > 0, np.maximum(np.ceil(width), 2), 1)
    return steps[np.minimum(np.searchsorted(steps, wanted), len(steps) - 1)]


def _bounding_slices(rows, columns):
    """Return the slices that hold all of some pixels."""
    return tuple(slice(int(v.min()), int(v.max()) + 1) for v in (rows, columns))


def _find_filling(known):
    """Find the missing pixels near known ones, the known pixel nearest to each, and the others."""
    distance, nearest = ndimage.distance_transform_edt(~known, return_indices=True)
    near = np.flatnonzero((distance > 0) & (distance <= _FILLED))
    source = np.ravel_multi_index([index.ravel()[near] for index in nearest], known.shape)
    return near, source, np.flatnonzero(distance > _FILLED)
