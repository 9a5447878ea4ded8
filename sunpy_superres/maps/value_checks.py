"""Whether the values of a frame can be those of a magnetogram."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import ndimage

from sunpy_superres.exceptions import SuperResWarning
from sunpy_superres.instruments import MDI

__all__ = ["check_values"]

#: Pixels up to which a frame may lie in one polarity: a spot; 1 in 2000 cut-outs of 16 x 16
#: pixels of the Sun at maximum does, and none of 32 x 32.
_SPOT = 32 * 32
#: Share of pixels like all their neighbours from which it is said; real frames have none.
_UNIFORM = 0.01
#: Gauss between neighbours, and its share of the spread of the frame, above which a frame is
#: taken for noise; quiet Sun has less of the one, active regions of the other.
_NOISE, _NOISE_SHARE = 60.0, 0.6


def check_values(values, good):
    """
    Refuse or flag values that no line-of-sight magnetogram of MDI has.

    Parameters
    ----------
    values : numpy.ndarray
        MDI Gauss, ``(ny, nx)``.
    good : numpy.ndarray of bool
        Which of them count; at least one.

    Raises
    ------
    TypeError
        If all have one sign, as an intensity or the unsigned field has.

    Warns
    -----
    SuperResWarning
        For a small frame of one sign, fields above MDI's range, patches of one value, and
        noise.
    """
    seen = values[good]
    strength = np.abs(seen)
    one_sign = seen.min() >= 0 or seen.max() <= 0
    if one_sign and np.median(strength) > 0.05 * max(float(strength.max()), 1.0):
        sign = "positive" if seen.max() > 0 else "negative"
        if seen.size > _SPOT:
            raise TypeError(
                f"All values are {sign}, so this is not a line-of-sight magnetogram; "
                "give the signed field, not an intensity or |B|."
            )
        _warn(
            f"All values are {sign}; a frame as small as this may be a spot, but make sure that "
            "it is the signed field and no intensity or |B|."
        )
    beyond = int(np.count_nonzero(strength > 1.1 * MDI.saturation))
    if beyond:
        _warn(
            f"{beyond} pixels are above {MDI.saturation:.0f} G, where MDI saturates and the model "
            "was not trained (5000 G stand for all that is more); check the unit, and do not use "
            "the result there."
        )
    frame = np.where(good, values, np.float32(0))
    uniform = np.count_nonzero(
        ndimage.minimum_filter(good, 3)
        & (ndimage.minimum_filter(frame, 3) == ndimage.maximum_filter(frame, 3))
    )
    if uniform > _UNIFORM * seen.size:
        _warn(
            f"{uniform / seen.size:.0%} of the pixels lie in patches of one value (filled gaps, a "
            "saturated or an empty frame); set what was not observed to NaN."
        )
    _check_noise(frame, good, seen)


def _check_noise(frame, good, seen):
    """Where there is no structure, neighbours differ by as much as any two pixels."""
    whole = good[:-1, :-1] & good[1:, :-1] & good[:-1, 1:] & good[1:, 1:]
    if not whole.any():
        return
    difference = 0.5 * (frame[:-1, :-1] - frame[1:, :-1] - frame[:-1, 1:] + frame[1:, 1:])
    level = 1.4826 * float(np.median(np.abs(difference[whole])))
    spread = 1.4826 * float(np.median(np.abs(seen - np.median(seen))))
    if level > max(_NOISE, _NOISE_SHARE * spread):
        _warn(
            f"Neighbouring pixels differ by {level:.0f} G, as of noise without structure; the "
            "model was trained on at most 45 G of noise. Check the unit and the frame."
        )


def _warn(message):
    warnings.warn(message, SuperResWarning, stacklevel=5)
