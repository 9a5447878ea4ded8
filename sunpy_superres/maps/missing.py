"""Missing data that a Map holds as numbers: fill values, and values that noise does not give."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sunpy_superres.maps.cards import is_finite_number, read_number
from sunpy_superres.maps.noise import MAD_TO_SIGMA, in_all_four
from sunpy_superres.maps.units import LARGEST_FIELD

__all__ = [
    "FILL_CARDS",
    "STORED_CARDS",
    "describe_fills",
    "describe_repeated",
    "has_noise",
    "holds_fill_value",
]

#: Cards with the fill value of stored integers, which sunpy does not look at, and of data.
_STORED, _DATA = ("blank", "zblank"), ("missval", "missing", "fillval", "nullval", "badval")
_SCALE = ("bscale", "bzero")
#: What describes integers as a file stores them.
STORED_CARDS = (*_STORED, *_SCALE)
#: None of these describes data whose missing pixels are NaN.
FILL_CARDS = (*_STORED, *_DATA, *_SCALE)
#: Pixels of a clump, and of a line, of one value that noise does not give, and the share of squares
#: of 2 x 2 equal pixels above which the data are in coarse steps, or smooth, and tell nothing.
_CLUMP, _LINE, _COARSE = 12, 8, 0.2
#: Times as many pixels as of any other value, and as a clump has, that small clumps of one have
#: where it is a fill value.
_OUTLYING = 4
#: Share of one value, of the pixels without the commonest, above which data are in coarse steps.
_STEP_SHARE = 0.15
#: Least share of the commonest value of the clumps, if they have more than two.
_FILL_SHARE = 0.4
#: Values to each side, among those of a frame, that a value is compared with, and how many times as
#: often as the commonest of them noise may give it, besides the pixels of a clump.
_AROUND, _OFTEN = 20, 2
#: Standard deviations by which a pixel is off the mean of the four beside it that it does not fit.
_UNFIT = 5.0
#: Gauss; fields with less noise are of a formula.  HMI's on CEA grids have 2 G.
_NOISE_FREE = 0.5
#: Rows in which the noise is looked for.
_ROWS = 512
#: Gauss; what is weaker is zero.  Data in steps have none that is.
_ROUNDED_ZERO = 1e-3
#: Gauss that the rounding of constant fields makes in a difference.
_ROUNDING = 0.02
#: Share of squares of equal pixels at which a clump needs twice the pixels, since it is joined from
#: such squares where smoothed data are in steps.
_FINE = 2e-3
#: Gauss; data have weaker fields than this, unless these were set to zero.
_WEAKEST = 5.0
#: Gauss; the strongest field that was measured on the Sun is 6250 G (Okamoto and Sakurai 2018).
_STRONGEST = 6500.0


def holds_fill_value(meta, values, factor=1.0) -> np.ndarray:
    """
    Find the pixels that hold a fill value of the header.

    `sunpy.map.Map` does not look at BLANK, so that the missing pixels of an uncompressed integer
    file hold BLANK x BSCALE + BZERO after reading; data that were not scaled hold BLANK itself.

    Parameters
    ----------
    meta : dict-like
        FITS cards, lower-case names.
    values : numpy.ndarray
        The data, times ``factor``.
    factor : float
        What the data were multiplied by, such as 1000 for data in kG.

    Returns
    -------
    numpy.ndarray of bool
        The shape of ``values``.
    """
    found = np.zeros(np.shape(values), bool)
    scale, zero = (read_number(meta.get(card)) for card in _SCALE)
    scale, zero = scale or 1.0, zero or 0.0
    for name in (*_STORED, *_DATA):
        number = read_number(meta.get(name))
        if not is_finite_number(number):
            continue
        fills = {number * scale + zero} if name in _STORED else {number}
        if abs(number) > LARGEST_FIELD:  # a smaller one may be a field where the data were scaled
            fills.add(number)
        for fill in fills:
            # The data may have been scaled in single precision.
            size = max(abs(number * scale), abs(zero), abs(fill))
            error = abs(factor) * (min(4e-7 * size, 0.4 * abs(scale)) + 1e-7 * abs(fill))
            with np.errstate(invalid="ignore"):
                found |= np.abs(values - np.float32(fill * factor)) <= error
    return found


def describe_repeated(values, good) -> list[str]:
    """
    Warn of pixels that have exactly one value: those side by side, and many in any place.

    Parameters
    ----------
    values : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and known.

    Returns
    -------
    list of str
        A sentence if there are; none for data in coarse steps, and for fields without noise, such
        as those of a formula, which may have one value in many places.
    """
    # A hole of zeros that was rotated with splines holds their rounding errors.
    values = np.where(good & (np.abs(values) > _ROUNDED_ZERO), values, np.float32(0))
    complete = in_all_four(good)
    corner = values[:-1, :-1]
    squares = complete.copy()
    for other in (values[1:, :-1], values[:-1, 1:], values[1:, 1:]):
        squares &= corner == other
    if not has_noise(values, good):
        return []
    held, often = np.unique(values[good], return_counts=True)
    commonest = held[often.argmax()]
    others = often.sum() - often.max()
    if held.size > 2 and np.sort(often)[-2] > _STEP_SHARE * others or _is_cut(held, commonest):
        return []
    # One value may fill much of the frame; the others tell whether the data are in coarse steps.
    different = complete & (corner != commonest)
    equal = np.count_nonzero(squares & different) / max(1, np.count_nonzero(different))
    if equal > _COARSE:
        return []
    least = int(_CLUMP * (1 + equal / _FINE))
    clumped = _widen(squares, values.shape)
    for axis in (0, 1):
        first, second = (np.delete(values, end, axis) for end in (-1, 0))
        both = np.delete(good, -1, axis) & np.delete(good, 0, axis)
        run = _find_runs((first == second) & both, axis)
        if run.any():
            clumped |= _widen(run, values.shape)
    labels, number = ndimage.label(clumped)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    sizes[0] = 0
    large = (sizes >= least)[labels]
    del labels
    if _is_stepped(values[large]):
        large[:] = False
    large |= clumped & ~large & (values == _find_outlier(values[clumped & ~large]))
    scattered = _find_scattered(values, good & ~large)
    where = ((values[large], "those beside them"), (scattered, "others in the frame"))
    return [_describe(found, others) for found, others in where if found.size]


def describe_fills(values, good) -> list[str]:
    """
    Warn of what looks like numbers for missing data: repeated ones, and fields the Sun lacks.

    Parameters
    ----------
    values, good : numpy.ndarray
        As in `describe_repeated`.

    Returns
    -------
    list of str
        A sentence for each kind.
    """
    notes = describe_repeated(values, good)
    beyond = int(np.count_nonzero(good & (np.abs(values) > _STRONGEST)))
    if beyond:
        notes.append(
            f"{beyond} pixels are above {_STRONGEST:.0f} G, more than was ever measured on the "
            "Sun, as fill values are; set what was not observed to NaN, or check the unit."
        )
    return notes


def has_noise(values, good) -> bool:
    """
    Return whether a field has noise, which is as large in high differences as in low ones.

    Parameters
    ----------
    values : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are known.
    """
    middle = int(good.sum(axis=1).argmax())  # the rows around it are enough
    rows = slice(max(0, middle - _ROWS // 2), middle + _ROWS // 2)
    values, good = np.where(good[rows], values[rows], np.float32(0)), good[rows]
    smooth = np.array([1, -4, 6, -4, 1], np.float32) / 70**0.5
    for axis in (0, 1):
        values = ndimage.correlate1d(values, smooth, axis, mode="nearest")
    inside = ndimage.minimum_filter(good, 5) & (np.abs(values) > _ROUNDING)
    return bool(inside.any()) and MAD_TO_SIGMA * np.median(np.abs(values[inside])) >= _NOISE_FREE


def _is_cut(held, commonest):
    """Return whether weak field was set to zero: no value but zero is near it."""
    near = held[held != 0]
    return commonest == 0 and near.size and np.abs(near).min() > _WEAKEST


def _is_stepped(clumped):
    """Return whether clumps have values of all sorts, as those of rounded smooth fields do."""
    often = np.unique(clumped, return_counts=True)[1]
    return often.size > 2 and often.max() < _FILL_SHARE * often.sum()


def _find_outlier(clumped):
    """Return the value that small clumps have much more often than any other; NaN if none."""
    held, often = np.unique(clumped, return_counts=True)
    if not held.size or often.max() < _OUTLYING * max(_CLUMP, *np.sort(often)[-2:-1], 0):
        return np.nan
    return held[often.argmax()]


def _find_scattered(values, good):
    """
    Find the pixels that do not fit those around them, and that have one value more than others do.

    MDI counts in steps of 1 to 3 G, and its zero is one value after calibration: that is frequent
    among pixels of weak field, and fits there.

    Returns
    -------
    numpy.ndarray
        The value of each.
    """
    field = np.pad(np.where(good, values, np.float32(np.nan)), 1, mode="edge")
    off = field[:-2, 1:-1] + field[2:, 1:-1]  # in place from here: a full disk is large
    off += field[1:-1, :-2]
    off += field[1:-1, 2:]
    off /= 4
    off -= field[1:-1, 1:-1]
    off = np.abs(off, out=off)
    known = np.isfinite(off)
    if not known.any():
        return values[:0, 0]
    usual = MAD_TO_SIGMA * np.median(off[known], overwrite_input=True)
    unfit = values[known & (off > _UNFIT * usual)]
    return unfit[np.isin(unfit, _find_frequent(unfit))]


def _find_frequent(values):
    """Find the values that occur much more often than any of those near them."""
    held, often = np.unique(values, return_counts=True)
    near = np.ones(2 * _AROUND + 1, bool)
    near[_AROUND] = False
    usual = ndimage.maximum_filter(often, footprint=near, mode="constant")
    return held[often >= _OFTEN * usual + _CLUMP]


def _describe(held, others):
    """Write the sentence about pixels that hold one value."""
    numbers, often = np.unique(held, return_counts=True)
    commonest = numbers[often.argmax()] + 0.0  # not -0
    return (
        f"{held.size} pixels hold exactly the value of {others} ({commonest:g} G for most), as "
        "fill values and saturation do and noise does not; set what was not observed to NaN."
    )


def _find_runs(pairs, axis):
    """Find the pairs of neighbours that are in a line of equal pixels along an axis."""
    along = pairs.swapaxes(0, axis)
    needed, found = _LINE - 1, np.zeros_like(along)
    starts = max(len(along) - needed + 1, 0)
    begun = along[:starts].copy(order="K")
    for i in range(1, needed):
        begun &= along[i : i + starts]
    for i in range(needed if begun.any() else 0):
        found[i : i + starts] |= begun
    return found.swapaxes(0, axis)


def _widen(pairs, shape):
    """Turn a mask of pairs, or of squares of 2 x 2 pixels, into one of their pixels."""
    pixels = np.zeros(shape, bool)
    for rows in {0, shape[0] - pairs.shape[0]}:
        for columns in {0, shape[1] - pairs.shape[1]}:
            pixels[rows : rows + pairs.shape[0], columns : columns + pairs.shape[1]] |= pairs
    return pixels
