"""Missing data that a Map holds as numbers: fill values, and values that noise does not give."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sunpy_superres.maps.noise import in_all_four
from sunpy_superres.maps.units import LARGEST_FIELD

__all__ = ["describe_repeated", "holds_fill_value"]

#: Cards with the fill value of stored integers, which sunpy does not look at, and of data.
_STORED, _DATA = ("blank", "zblank"), ("missval", "missing", "fillval", "nullval", "badval")
#: Pixels of a clump of one value that noise does not give, and the share of squares of 2 x 2 equal
#: pixels above which the data are in coarse steps, or smooth, and tell nothing.
_CLUMP, _COARSE = 12, 0.2


def _read_number(value):
    try:
        number = float(value)
    except (TypeError, ValueError):  # empty, or a text
        return None
    return number if np.isfinite(number) and not isinstance(value, bool) else None


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
    scale, zero = (_read_number(meta.get(card)) for card in ("bscale", "bzero"))
    scale, zero = scale or 1.0, zero or 0.0
    for name in (*_STORED, *_DATA):
        number = _read_number(meta.get(name))
        if number is None:
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
    Warn of pixels side by side that have exactly one value.

    Parameters
    ----------
    values : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and known.

    Returns
    -------
    list of str
        A sentence if there are; none for data in coarse steps and for smooth fields.
    """
    corner = values[:-1, :-1]
    squares = in_all_four(good)
    for other in (values[1:, :-1], values[:-1, 1:], values[1:, 1:]):
        squares &= corner == other
    if squares.mean() > _COARSE:
        return []
    clumped = np.zeros(values.shape, bool)
    for rows in (np.s_[:-1], np.s_[1:]):
        for columns in (np.s_[:-1], np.s_[1:]):
            clumped[rows, columns] |= squares
    labels, number = ndimage.label(clumped)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)
    sizes[0] = 0
    large = sizes[labels] >= _CLUMP
    count = int(large.sum())
    if not count:
        return []
    held, often = np.unique(values[large], return_counts=True)
    return [
        f"{count} pixels hold exactly the value of those beside them ({held[often.argmax()]:g} G "
        "for most), as fill values and saturation do and noise does not; set what was not observed "
        "to NaN."
    ]
