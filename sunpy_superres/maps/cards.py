"""Values of header cards: which are numbers, and which say that nothing is known."""

from __future__ import annotations

import re

import numpy as np
from astropy.io.fits.card import Undefined

__all__ = [
    "MATRIX",
    "NUMBERS",
    "Assumption",
    "is_fill_number",
    "is_finite_number",
    "is_missing",
    "read_number",
]

#: The matrix of a WCS.
MATRIX = tuple(f"{kind}{i}_{j}" for kind in ("pc", "cd") for i in "12" for j in "12")
#: Cards about the pixels and the observer.  A header need not have them all, but each that it
#: has must be a number.
NUMBERS = (
    *(card + axis for card in ("crpix", "cdelt", "crval", "crota") for axis in "12"),
    *MATRIX,
    *"dsun_obs rsun_obs rsun_ref crln_obs crlt_obs hgln_obs hglt_obs".split(),
    *"obs_l0 obs_b0 obs_dist".split(),
)
#: What programs write where they know no value.
_NO_VALUE = set(
    "nan nat <na> inf infinity missing unknown undefined none null n/a na - -- ?".split()
)
#: Largest size of an angle, and of a latitude, in degrees; -9999 and -999 are no angles.
_LARGEST_ANGLE, _LARGEST_LATITUDE = 720.0, 90.0
_LATITUDES = ("crlt_obs", "hglt_obs", "obs_b0")
_LENGTHS = ("dsun_obs", "rsun_obs", "rsun_ref", "obs_dist")
#: Numbers that programs write for no value.
_FILL_NUMBER = re.compile(r"-?9{2,}|-1|-32768|-2147483648")
#: What JSOC writes for a missing integer.
_MISSING_INTEGERS = (-(2**31), -(2**63))


class Assumption(str):
    """A change of a header that its other cards do not support, so that the user is warned."""

    __slots__ = ()


def is_finite_number(value) -> bool:
    """Return whether a card's value is a finite number."""
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return known and bool(np.isfinite(value))


def is_missing(value) -> bool:
    """
    Return whether a card's value says that nothing is known.

    Parameters
    ----------
    value : object
        Nothing is known where it is None or empty, a number that is not finite, JSOC's missing
        integer, or a word such as ``nan`` or ``MISSING``.
    """
    if value is None or isinstance(value, Undefined):
        return True
    if isinstance(value, str):
        word = _unquoted(value).lower().lstrip("+-").strip("()")
        number = read_number(value)
        return not word or word in _NO_VALUE or (number is not None and is_missing(number))
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return not np.isfinite(value) or value in _MISSING_INTEGERS
    return False


def is_fill_number(name, value) -> bool:
    """
    Return whether the number in a card about the roll or the observer stands for no value.

    It is one of those that programs write for that, such as -9999, and no angle or length.  Other
    numbers that cannot be right, such as a negative distance, are mistakes that a user must see.

    Parameters
    ----------
    name : str
        Lower-case name of the card: that of an angle in degrees, or of a length.
    value : object
    """
    number = read_number(value)
    if number is None or not (_FILL_NUMBER.fullmatch(f"{number:.0f}") or abs(number) >= 1e20):
        return False
    if name in _LENGTHS:
        return number < 0
    return abs(number) > (_LARGEST_LATITUDE if name in _LATITUDES else _LARGEST_ANGLE)


def read_number(value) -> float | None:
    """
    Read a card's value as a number, also if it stands in quotes or has the exponent of Fortran.

    Returns
    -------
    float or None
        None if it is no number.
    """
    if isinstance(value, bool):
        return None
    if not isinstance(value, str):
        return float(value) if isinstance(value, int | float | np.number) else None
    text = re.sub(r"(?<=[\d.])[dD](?=[+-]?\d)", "e", _unquoted(value))
    text = re.sub(r"\s*(deg|degrees?|°)$", "", text, flags=re.IGNORECASE)
    try:
        return float(text)
    except ValueError:
        return None


def _unquoted(text):
    return text.strip().strip("'\"").strip()
