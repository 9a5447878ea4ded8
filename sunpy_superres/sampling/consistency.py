"""
The super-resolved field, observed through MDI, must give the MDI frame back.

Where it misses the frame by more than the noise explains, a smooth correction is
added; where the difference may be noise, nothing is changed, so that the noise of the
frame is not drawn into the result.  What the Sun can do to the frame is as wide as the
point-spread function, noise is not: the difference is looked at through a filter of
that width, in which the noise averages out and a true misfit does not.
"""

from __future__ import annotations

import math

from torch.nn import functional as F

from sunpy_superres.instruments.forward import blur, inverse_gain_response, observe

__all__ = ["enforce_consistency", "reduced_chi_square"]

#: Relative uncertainty of the MDI/HMI ratio, counted as noise in strong field.
GAIN_UNCERTAINTY = 0.03
#: Standard deviations below which a misfit is taken for noise.
SIGNIFICANCE = 3.0


def _tolerance(frame, noise):
    return (noise.square() + (GAIN_UNCERTAINTY * frame).square()).sqrt()


def reduced_chi_square(field, frame, good, noise, instrument, plate_scale, visible_fraction=None):
    """
    Mean of ((frame - observed field) / tolerance) squared over the good pixels.

    Parameters
    ----------
    field : torch.Tensor
        HMI Gauss, ``(n, 1, 4 ny, 4 nx)``, zero off the disk.
    frame, good, noise : torch.Tensor
        MDI Gauss, weights 0 or 1, and Gauss; ``(1, 1, ny, nx)``.
    instrument : sunpy_superres.instruments.Instrument
    plate_scale : float
        Of ``field``, in arcsec per pixel.
    visible_fraction : torch.Tensor, optional
        See `sunpy_superres.instruments.forward.observe`.

    Returns
    -------
    torch.Tensor
        ``(n,)``.
    """
    used = good * (frame.abs() < instrument.saturation)
    deviation = (frame - observe(field, instrument, plate_scale, visible_fraction)) / _tolerance(
        frame, noise
    )
    return (deviation.square() * used).sum(dim=(1, 2, 3)) / used.sum().clamp(min=1)


def enforce_consistency(
    field,
    frame,
    good,
    noise,
    instrument,
    plate_scale,
    visible_fraction=None,
    disk=None,
    iterations=4,
):
    """
    Add to ``field`` what it takes for its observation to agree with ``frame``.

    The misfit is filtered with the width of the instrument's point-spread function.  Which
    share of it is corrected follows, once for all corrections, from its significance (the
    non-negative garrote of Breiman 1995): none below `SIGNIFICANCE` standard deviations,
    nearly all far above.

    Parameters are those of `reduced_chi_square`; ``disk`` is 1 where ``field`` may be other
    than zero, and ``iterations`` the number of corrections.  Saturated pixels are left out.

    Returns
    -------
    torch.Tensor
        As ``field``.
    """
    used = good * (frame.abs() < instrument.saturation)
    # The point-spread function with the pixel, in MDI pixels.
    width = math.sqrt(instrument.blur_sigma(4 * plate_scale) ** 2 + 1 / 12)
    weight = blur(used, width).clamp(min=1e-3)
    # White noise after the filter: the kernel's squares add up to 1 / (4 pi width^2).  The
    # ratio of the instruments is off over wide areas: no multiple of it is needed.
    filtered_noise = noise / (2 * math.sqrt(math.pi) * width)
    tolerated = (SIGNIFICANCE * filtered_noise).square() / weight
    tolerated = tolerated + (GAIN_UNCERTAINTY * frame).square()
    calibration = (instrument.gain, instrument.weak_excess, instrument.weak_scale)
    share = None
    for _ in range(iterations):
        reading = observe(field, instrument, plate_scale, visible_fraction)
        misfit = blur((frame - reading) * used, width) / weight
        if share is None:
            share = (1 - tolerated / misfit.square().clamp(min=1e-9)).clamp(min=0) * used
            if not bool((share > 0).any()):
                break
        # In HMI Gauss: the calibrated frame less the calibrated observation.
        correction = inverse_gain_response(reading + share * misfit, *calibration)
        correction = (correction - inverse_gain_response(reading, *calibration)) * used
        correction = F.interpolate(correction, scale_factor=4, mode="bicubic", align_corners=False)
        field = field + (correction if disk is None else correction * disk)
    return field
