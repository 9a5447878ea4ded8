"""Which images of a FITS file are frames, and which are masks or errors beside one."""

from __future__ import annotations

import contextlib
import itertools
import re

import numpy as np
from astropy.io.fits.card import Undefined
from astropy.stats import mad_std

from sunpy_superres.maps.missing import FILL_CARDS
from sunpy_superres.maps.noise import diagonal_differences
from sunpy_superres.maps.products import PRODUCT_CARDS, check_product
from sunpy_superres.maps.units import LARGEST_FIELD, as_field_unit

__all__ = ["MOST_PIXELS", "find_frames", "has_time", "header_of_frame"]

#: Largest number of pixels of an image (HMI's has 2^24), since a damaged header may give any.
MOST_PIXELS = 2**28
#: Cards of the time of a frame.
_TIMES = (
    "DATE-OBS", "DATE_OBS", "T_OBS", "T_REC", "DATE-AVG", "DATE-BEG", "DATE-END", "MJD-OBS",
    "MJD-AVG", "MJD-BEG",
)  # fmt: skip
#: Cards that say what an image holds, and words in them for what lies beside a frame.
_NAMES = ("EXTNAME", "HDUNAME", "BTYPE", "HDUCLAS2", "HDUCLAS3", "SEGMENT", "SEGNAME")
_BESIDE = re.compile(
    r"(?i)mask(?!ed)|error|uncert|sigma|std_?(dev|err|unc)|stdev|variance|weight(?!ed)|quality|flag|"
    r"bitmap|confid|(?<!de)noise(?![ _-]*(reduced|removed|free|filtered))|spread|chi_?sq|disambig|"
    r"(?<![a-z])(err|unc|std|var|ivar|dq|wht|wgt|rms|bpm|bad|badpix|snr|cov|mu|lon|lat|longitude|"
    r"latitude)(?![a-z])|(err|unc|var)s?(?![a-z])"
)
#: Diagonal differences of neighbours, over the spread of all values, below which there is no noise.
_SMOOTH = 0.01
#: Different values of each sign that a field has, and a mask or an error with a fill value has not.
_MANY = 8
#: Cards about where an image lies: they are taken together or not at all.
_WCS = re.compile(
    r"(CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA|CNAME)\d+|(PC|CD|PV|PS)\d+_\d+|CROT|SOLAR_P\d?|"
    r"P_ANGLE|WCSAXES"
)
#: Cards of the data of one image, which another one does not share.
_OWN = re.compile(r"DATA(SUM|MIN|MAX|MEAN|MEDN|RMS|SKEW|KURT|VALS)|CHECKSUM|(TOT|MISS)VALS|EXT.*")


def find_frames(file):
    """
    Find the frames of a file.

    An image counts unless its name, its unit, its kind or its values are those of a mask, an error
    or another product; if all are such, the first counts.

    Parameters
    ----------
    file : `~astropy.io.fits.HDUList`

    Returns
    -------
    list of tuple
        Number of the HDU, and of the plane of it (None if the image is flat).

    Raises
    ------
    ValueError
        If there is no image, or the file is damaged before the first.
    """
    images = [_find_image(file)]
    while True:
        try:
            images.append(_find_image(file, images[-1] + 1))
        except Exception:  # the end of the file, or what follows the first image is damaged
            break
    first = next((n for n in images if not _is_other_product(file[n])), images[0])
    numbers = [first, *(n for n in images if n > first and _is_frame(file[n], file[first]))]
    frames = []
    for number in numbers:
        shape = file[number].shape
        planes = [None] if len(shape) < 3 else range(int(np.prod(shape[:-2])))
        frames += [(number, plane) for plane in planes]
    return frames


def _find_image(file, start=0):
    """Find the number of an image, and refuse an HDU that ends before it starts."""
    end = 0
    for number in itertools.count(start):
        try:
            hdu = file[number]
        except IndexError:
            raise ValueError("no image in it") from None
        info = hdu.fileinfo()
        if info["datLoc"] < end or info["datSpan"] < 0:
            # astropy would read the same HDU over and over.
            raise ValueError("an HDU of negative length")
        end = info["datLoc"] + info["datSpan"]
        if hdu.is_image and 0 not in (hdu.shape or [0]):
            return number


def _read_card(header, name) -> str:
    """Return the text of a card; that of one that is missing or cannot be read is empty."""
    with contextlib.suppress(Exception):
        value = header.get(name)
        return "" if isinstance(value, Undefined) else str(value or "").strip()
    return ""


def has_time(header) -> bool:
    """Return whether a header has a card with the time of a frame."""
    return any(_read_times(header))


def _is_other_product(hdu):
    """Return whether the shape or the cards of an image are those of no line-of-sight field."""
    header = hdu.header
    if len(hdu.shape) < 2 or (header.get("BITPIX") == 8 and "BSCALE" not in header):
        return True
    if any(_BESIDE.search(_read_card(header, card)) for card in _NAMES):
        return True
    meta = {name: _read_card(header, name) for name in PRODUCT_CARDS}
    with contextlib.suppress(ValueError):  # a unit that nobody knows tells nothing
        try:
            check_product(meta)
            as_field_unit(_read_card(header, "BUNIT") or "G")
        except TypeError:
            return True
    return False


def _is_frame(hdu, first):
    """Return whether an image after the first frame of a file is one, too."""
    if _is_other_product(hdu):
        return False
    if has_time(hdu.header) and _read_times(hdu.header) != _read_times(first.header):
        return True
    # It may be a mask or an error of the first frame, whose header it then often has.
    if not _read_card(hdu.header, "BUNIT") and _is_smooth(hdu):
        return False
    return _has_both_signs(hdu) or not _has_both_signs(first)


def _read_times(header):
    return [_read_card(header, card) for card in _TIMES]


def _has_both_signs(hdu):
    """Return whether an image has many values of both signs, as noise gives a field."""
    values = _read_rows(hdu)
    if values is None:
        return True
    return min(np.unique(values[values < 0]).size, np.unique(values[values > 0]).size) >= _MANY


def _is_smooth(hdu):
    """Return whether an image has no noise, as one of latitudes, longitudes or mu."""
    values = _read_rows(hdu)
    if values is None:
        return False
    rough = np.abs(diagonal_differences(values.reshape(-1, *values.shape[-2:])[0]))
    known, rough = values[np.isfinite(values)], rough[np.isfinite(rough)]
    return bool(rough.size and np.median(rough) < _SMOOTH * mad_std(known))


def _read_rows(hdu):
    """Read rows of an image, NaN where it holds fill values; None if it cannot be read."""
    if np.prod(hdu.shape, dtype=np.float64) > MOST_PIXELS:
        return None
    try:
        values = np.asarray(hdu.data)
    except Exception:  # damaged, which whoever reads the frame is told
        return None
    values = values[..., :: max(1, values.shape[-2] // 512), :].astype(np.float64)
    return np.where(np.abs(values) < LARGEST_FIELD, values, np.nan)


def header_of_frame(file, number, first):
    """
    Return the header of a frame; what it lacks is that of the first frame.

    Parameters
    ----------
    file : `~astropy.io.fits.HDUList`
    number, first : int
        Of the HDU of the frame, and of the first frame.

    Returns
    -------
    `~astropy.io.fits.Header`
        The header of the HDU itself if it has a time, or is the first.
    """
    own = file[number].header
    if number == first or has_time(own):
        return own
    header = own.copy()
    for card in _TIMES:
        header.remove(card, ignore_missing=True, remove_all=True)  # empty ones
    placed = any(_WCS.fullmatch(card) for card in own) or (
        file[number].shape[-2:] != file[first].shape[-2:]
    )
    fills = {card.upper() for card in FILL_CARDS}
    for card in file[first].header.copy(strip=True).cards:
        name = card.keyword
        if name in fills or _OWN.fullmatch(name) or (placed and _WCS.fullmatch(name)):
            continue
        if name in ("COMMENT", "HISTORY", "") or name not in header:
            header.append(card)
    return header
