"""Checks of the values of a frame: whether they can be those of a magnetogram."""

from __future__ import annotations

import numpy as np
from astropy.stats import mad_std
from scipy import ndimage

from sunpy_superres.instruments import MDI
from sunpy_superres.maps.noise import MAD_TO_SIGMA, diagonal_differences, in_all_four

__all__ = ["check_values"]

#: Number of pixels up to which a frame may have one polarity, as inside a spot.  At solar maximum
#: 1 in 2000 cut-outs of 16 x 16 pixels has, and none of 32 x 32.
_SPOT = 32 * 32
#: Share of pixels equal to all their neighbours above which a note is made; real frames have none.
_UNIFORM = 0.01
#: A frame is flagged as noise if its neighbouring pixels differ by more than so many Gauss, and by
#: more than this share of the frame's spread.  Quiet Sun stays below the first limit, active
#: regions below the second.
_NOISE, _NOISE_SHARE = 60.0, 0.6
#: Reading over the instrument's saturation above which the user is warned.
_SATURATED = 1.1


def check_values(values, good) -> list[str]:
    """
    Refuse values that no MDI line-of-sight magnetogram has, and flag unusual ones.

    Parameters
    ----------
    values : numpy.ndarray
        MDI Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Pixels that are on the disk and observed; at least one.

    Returns
    -------
    list of str
        Notes about a small frame of one sign, fields above MDI's range, patches of one value,
        and noise.

    Raises
    ------
    TypeError
        If all values of more than 1024 pixels have one sign, as those of an intensity or of the
        unsigned field.
    """
    notes = []
    used = values[good]
    strength = np.abs(used)
    one_sign = used.min() >= 0 or used.max() <= 0
    is_strong = np.median(strength) > 0.05 * max(float(strength.max()), 1.0)
    values_of_one_sign = int(np.count_nonzero(strength)) if one_sign else 0
    if one_sign and (is_strong or values_of_one_sign > _SPOT):
        sign = "positive" if used.max() > 0 else "negative"
        if used.size > _SPOT:
            raise TypeError(
                f"All values are {sign}, so this is not a line-of-sight magnetogram; "
                "give the signed field, not an intensity or |B|."
            )
        notes.append(
            f"All values are {sign}; a frame as small as this may be a spot, but make sure that "
            "it is the signed field and no intensity or |B|."
        )
    beyond = int(np.count_nonzero(strength > _SATURATED * MDI.saturation))
    if beyond:
        notes.append(
            f"{beyond} pixels are above {MDI.saturation:.0f} G, where MDI saturates and the model "
            f"was not trained (it takes a larger reading than {MDI.largest_reading:.0f} G for "
            f"{MDI.largest_reading:.0f} G); check the unit, and do not use the result there."
        )
    frame = np.where(good, values, np.float32(0))
    uniform = np.count_nonzero(
        ndimage.minimum_filter(good, 3)
        & (ndimage.minimum_filter(frame, 3) == ndimage.maximum_filter(frame, 3))
    )
    if uniform > _UNIFORM * used.size:
        notes.append(
            f"{uniform / used.size:.0%} of the pixels lie in patches of one value (filled gaps, a "
            "saturated or an empty frame); set pixels that were not observed to NaN."
        )
    return notes + _check_noise(frame, good, used)


def _check_noise(frame, good, used):
    """Flag a frame whose neighbouring pixels differ by nearly as much as any two of its pixels."""
    complete = in_all_four(good)
    if not complete.any():
        return []
    level = MAD_TO_SIGMA * float(np.median(np.abs(diagonal_differences(frame)[complete])))
    if level <= max(_NOISE, _NOISE_SHARE * mad_std(used)):
        return []
    return [
        f"Neighbouring pixels differ by {level:.0f} G, as in noise without structure; the "
        f"model was trained on at most {MDI.largest_noise:.0f} G of noise. Check the unit and "
        "the frame."
    ]
