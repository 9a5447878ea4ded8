"""
The super-resolved field, observed through MDI, must give the MDI frame back.

Where it misses the frame by more than the noise explains, a smooth correction is added.  Where
the difference may be noise, nothing is changed, so that the noise of the frame is not drawn into
the result.  A difference that the Sun causes is as wide as the point-spread function, and noise
is not: the difference is smoothed to that width, which averages the noise out and keeps a true
misfit.
"""

from __future__ import annotations

import math

from torch.nn import functional as F
from torch.profiler import record_function

from sunpy_superres.instruments import FACTOR
from sunpy_superres.instruments.forward import blur, inverse_gain_response

__all__ = ["enforce_consistency", "reduced_chi_square"]

#: A misfit of less than so many standard deviations counts as noise.
_SIGNIFICANCE = 3.0


def _usable(observation):
    """1 where a pixel is good and the instrument does not saturate, else 0."""
    return observation.good * (observation.frame.abs() < observation.instrument.saturation)


def _tolerated(observation):
    """Square of the misfit that the instruments' ratio may cause within a frame."""
    return (observation.instrument.tolerance * observation.frame).square()


def reduced_chi_square(field, observation):
    """
    Mean of ((frame - observed field) / tolerance) squared over the good pixels.

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
    tolerance = (observation.noise.square() + _tolerated(observation)).sqrt()
    deviation = (observation.frame - observation.observe(field)) / tolerance
    return (deviation.square() * weight).sum(dim=(1, 2, 3)) / weight.sum().clamp(min=1)


def enforce_consistency(field, observation, iterations=4):
    """
    Add to a field what its observation lacks to agree with the frame.

    The misfit is smoothed to the width of the instrument's point-spread function.  The share of
    it that is corrected follows from its significance (the non-negative garrote of Breiman 1995)
    and is the same for all corrections: 0 below three standard deviations, nearly 1 far above.
    Saturated pixels are left out.

    Parameters
    ----------
    field, observation
        As in `reduced_chi_square`.
    iterations : int
        Number of corrections.

    Returns
    -------
    torch.Tensor
        As ``field``.
    """
    with record_function("consistency"):
        return _correct(field, observation, iterations)


def _correct(field, observation, iterations):
    instrument, frame = observation.instrument, observation.frame
    usable = _usable(observation)
    # Width of the point-spread function together with the pixel, in MDI pixels.
    mdi_scale = FACTOR * observation.plate_scale
    width = math.sqrt(instrument.blur_sigma(mdi_scale) ** 2 + 1 / 12)
    weight = blur(usable, width).clamp(min=1e-3)
    # White noise after the smoothing: the kernel's squares add up to 1 / (4 pi width^2).  The
    # ratio of the instruments is off over wide areas, so that smoothing does not lower its part.
    smoothed_noise = observation.noise / (2 * math.sqrt(math.pi) * width)
    tolerated = (_SIGNIFICANCE * smoothed_noise).square() / weight
    tolerated = tolerated + _tolerated(observation)
    response = (instrument.gain, instrument.weak_excess, instrument.weak_scale)
    share = None
    for _ in range(iterations):
        reading = observation.observe(field)
        misfit = blur((frame - reading) * usable, width) / weight
        if share is None:
            share = (1 - tolerated / misfit.square().clamp(min=1e-9)).clamp(min=0) * usable
            if not bool((share > 0).any()):
                break
        # In HMI Gauss: the calibrated frame less the calibrated observation.
        correction = inverse_gain_response(reading + share * misfit, *response)
        correction = (correction - inverse_gain_response(reading, *response)) * usable
        correction = F.interpolate(
            correction, scale_factor=FACTOR, mode="bicubic", align_corners=False
        )
        field = field + (correction if observation.disk is None else correction * observation.disk)
    return field
