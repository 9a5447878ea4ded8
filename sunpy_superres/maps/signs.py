"""Fields of one sign: the noise alone gives a line-of-sight field both."""

from __future__ import annotations

import numpy as np

from sunpy_superres.maps.missing import has_noise

__all__ = ["check_signs", "describe_one_sign"]

#: Values of a sign from which the lack of the other means something; spots are smaller.
_MANY = 4096
#: Gauss below which a pixel is weak, and the least share of these outside of spots.
_WEAK, _WEAK_SHARE = 15.0, 0.05


def check_signs(values):
    """
    Refuse an image of one sign: the noise alone gives a line-of-sight field both signs.

    Parameters
    ----------
    values : numpy.ndarray
        NaN where missing.

    Raises
    ------
    TypeError
        If no value is negative, or none is positive, of 4096 or more that are not zero.
    """
    count = _count_one_sign(values)
    if count:
        raise TypeError(
            f"All values have one sign ({count} pixels), so that this is no "
            "line-of-sight field but a bitmap, a strength, an angle or an error; give the segment "
            "'magnetogram'."
        )


def describe_one_sign(values, good) -> list[str]:
    r"""
    Warn of a field of one sign, weak pixels too, as \|B\| and an uncertainty are.

    Parameters
    ----------
    values : numpy.ndarray
        Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and known.

    Returns
    -------
    list of str
        A sentence if it is; none for a spot, which has no weak pixels, and a field without noise.
    """
    count, used = _count_one_sign(values[good]), np.abs(values[good])
    weak = np.count_nonzero((used > 0) & (used < _WEAK))
    if not count or weak < _WEAK_SHARE * count or not has_noise(values, good):
        return []
    return [
        f"All values have one sign ({count} pixels, weak ones too), so that this is no "
        "line-of-sight field but its strength, an uncertainty, or another observable; give the "
        "signed field."
    ]


def _count_one_sign(values) -> int:
    """Count the values that are not zero; 0 if they have both signs, or are few."""
    negative, positive = int((values < 0).sum()), int((values > 0).sum())
    more = max(negative, positive)
    return more if more >= _MANY and not min(negative, positive) else 0
