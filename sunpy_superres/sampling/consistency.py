"""
Make a super-resolved field consistent with its frame: observed through MDI, it must match it.

Where it misses the frame by more than the noise explains, a smooth correction is added.  Where
the difference may be noise, nothing is changed, so that the result does not take on the noise of
the frame.  A difference that the Sun causes is at least as wide as the point-spread function, and
noise is not: the difference is smoothed to that width, which averages the noise out and keeps a
true misfit.
"""

from __future__ import annotations

import math

from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.instruments.forward import blur, inverse_gain_response

__all__ = ["enforce_consistency", "reduced_chi_square"]

#: A misfit of fewer standard deviations than this counts as noise.
_SIGNIFICANCE = 3.0


def _usable(observation):
    """Return 1 where a pixel is good and the instrument does not saturate, else 0."""
    return observation.good * (observation.frame.abs() < observation.instrument.saturation)


def _ratio_variance(observation):
    """Return the square of the misfit that the ratio of the instruments may cause in a frame."""
    return (observation.instrument.tolerance * observation.frame).square()


def reduced_chi_square(field, observation):
    """
    Average ((frame - observed field) / tolerance) squared over the good, unsaturated pixels.

    The square of the tolerance is that of the noise, plus that of the instrument's ``tolerance``
    times the frame.

    Parameters
    ----------
    field : torch.Tensor
        HMI Gauss, ``(n, 1, 4 ny, 4 nx)``, 0 off the disk.
    observation : `~sunpy_superres.sampling.observation.Observation`

    Returns
    -------
    torch.Tensor
        ``(n,)``.
    """
    weight = _usable(observation)
    tolerance = (observation.noise.square() + _ratio_variance(observation)).sqrt()
    deviation = (observation.frame - observation.observe(field)) / tolerance
    return (deviation.square() * weight).sum(dim=(1, 2, 3)) / weight.sum().clamp(min=1)


def enforce_consistency(field, observation, iterations=4):
    """
    Correct a field where its observation misses the frame by more than the noise explains.

    The misfit is smoothed to the width of the instrument's point-spread function.  The share of
    it that is corrected follows from its significance (the non-negative garrote of Breiman 1995)
    and is the same for all corrections: 0 below three standard deviations, nearly 1 far above.
    Saturated pixels are not corrected.

    Parameters
    ----------
    field, observation
        As in `reduced_chi_square`.
    iterations : int
        Number of corrections.

    Returns
    -------
    torch.Tensor
        The corrected field, in the shape of ``field``.
    """
    instrument, frame = observation.instrument, observation.frame
    usable = _usable(observation)
    # Standard deviation of the point-spread function and the pixel together, in MDI pixels.
    mdi_scale = FACTOR * observation.plate_scale
    width = math.sqrt(instrument.blur_sigma(mdi_scale) ** 2 + 1 / 12)
    weight = blur(usable, width).clamp(min=1e-3)
    # Smoothing lowers white noise: the squares of the kernel add up to 1 / (4 pi width^2).  An
    # error of the ratio of the instruments extends over wide areas, so smoothing does not lower it.
    smoothed_noise = observation.noise / (2 * math.sqrt(math.pi) * width)
    threshold = (_SIGNIFICANCE * smoothed_noise).square() / weight + _ratio_variance(observation)
    response = (instrument.gain, instrument.weak_excess, instrument.weak_scale)
    share = None
    for _ in range(iterations):
        reading = observation.observe(field)
        misfit = blur((frame - reading) * usable, width) / weight
        if share is None:
            share = (1 - threshold / misfit.square().clamp(min=1e-9)).clamp(min=0) * usable
            if not bool((share > 0).any()):
                break
        # In HMI Gauss: the calibrated target of this step minus the calibrated observation.
        correction = inverse_gain_response(reading + share * misfit, *response)
        correction = (correction - inverse_gain_response(reading, *response)) * usable
        correction = F.interpolate(
            correction, scale_factor=FACTOR, mode="bicubic", align_corners=False
        )
        field = field + (correction if observation.disk is None else correction * observation.disk)
    return field
