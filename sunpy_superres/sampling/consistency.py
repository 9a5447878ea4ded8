"""
Make a super-resolved field consistent with its frame: observed through MDI, it must match it.

Where it misses the frame by more than the noise explains, a smooth correction is added.  Where
the difference may be noise, nothing is changed, so that the result does not take on the noise of
the frame.  A difference that the Sun causes is at least as wide as the point-spread function, and
noise is not: the difference is smoothed to that width, which averages the noise out and keeps a
true misfit.  A field that is weaker than the noise of a pixel, but wide, such as that of a polar
cap, shows in the mean over many pixels alone: so what is left is smoothed once more, widely.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR
from sunpy_superres.instruments.forward import (
    blur,
    blurred_mean,
    inverse_gain_response,
    respond,
)

__all__ = ["Corrector", "reduced_chi_square"]

#: A misfit of fewer standard deviations than this counts as noise.
_SIGNIFICANCE = 3.0
#: Standard deviation of the wide smoothing in MDI pixels, and pixels after which it is cut off.
_WIDE, _REACH = 16.0, 64


def _usable(observation):
    """Return 1 where a pixel is good and the instrument does not saturate, else 0."""
    return observation.good * (observation.frame.abs() < observation.instrument.saturation)


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
    ratio_error = observation.instrument.tolerance * observation.frame
    tolerance = torch.hypot(observation.noise.expand_as(ratio_error), ratio_error)
    deviation = (observation.frame - observation.observe(field)) / tolerance
    return (deviation.square() * weight).sum(dim=(1, 2, 3)) / weight.sum().clamp(min=1)


class _Scale:
    """
    A width to which the misfit is smoothed, and how large it must be there to count.

    Parameters
    ----------
    observation : `~sunpy_superres.sampling.observation.Observation`
    usable : torch.Tensor
        1 where a pixel counts, else 0.
    width : float
        Standard deviation of the smoothing, in pixels of the frame.
    repeats : int
        Number of corrections.
    reach : int
        Pixels beyond the frame's edges that count as not usable; 0 to repeat those at the edges.
    """

    def __init__(self, observation, usable, width, repeats, reach=0):
        self._width, self._reach, self.repeats = width, reach, repeats
        self.weight = self.smooth(usable).clamp(min=1e-3)
        # Smoothing lowers white noise: the squares of the kernel add up to 1 / (4 pi width^2).  An
        # error of the ratio of the instruments extends over wide areas, so smoothing does not lower
        # it.
        smoothed_noise = observation.noise / (2 * math.sqrt(math.pi) * width)
        self.threshold = (_SIGNIFICANCE * smoothed_noise).square() / self.weight
        strength = observation.frame
        if reach:
            strength = self.smooth(strength.abs() * usable) / self.weight
        self.threshold += (observation.instrument.tolerance * strength).square()

    def smooth(self, values):
        """Smooth an array of the frame's shape."""
        ny, nx = values.shape[-2:]
        wide = blur(F.pad(values, [self._reach] * 4), self._width)
        return wide[..., self._reach : self._reach + ny, self._reach : self._reach + nx]


class Corrector:
    """
    Corrects fields where their observation misses the frame by more than the noise explains.

    The misfit is smoothed to the width of the instrument's point-spread function.  The share of
    it that is corrected follows from its significance (the non-negative garrote of Breiman 1995)
    and is the same for all corrections: 0 below three standard deviations, nearly 1 far above.
    Saturated pixels are not corrected.

    What is left is then smoothed over 16 pixels of the frame, and corrected twice in the same way.
    Such a mean has a fiftieth of a pixel's noise.

    The corrections are worked out on the grid of the frame, where what the instrument sees of an
    interpolated correction is a convolution with a small kernel; the fine field is observed once
    and changed once.

    Parameters
    ----------
    observation : `~sunpy_superres.sampling.observation.Observation`
    iterations : int
        Number of corrections.
    """

    def __init__(self, observation, iterations=4):
        self._observation = observation
        instrument = observation.instrument
        self._usable = _usable(observation)
        # Standard deviation of the point-spread function and the pixel together, in MDI pixels.
        mdi_scale = FACTOR * observation.plate_scale
        width = math.sqrt(instrument.blur_sigma(mdi_scale) ** 2 + 1 / 12)
        self._scales = [
            _Scale(observation, self._usable, width, iterations),
            _Scale(observation, self._usable, _WIDE, 2, reach=_REACH),
        ]
        # What the instrument sees of an interpolated pixel, along one axis.
        side = 4 * math.ceil(width) + 5
        point = torch.zeros(1, 1, 2 * side + 1, 2 * side + 1)
        point[..., side, side] = 1
        seen = blurred_mean(_interpolate(point), instrument, observation.plate_scale)
        self._kernel = seen[0, 0].sum(0)

    def correct(self, field):
        """
        Correct a field.

        Parameters
        ----------
        field : torch.Tensor
            HMI Gauss, ``(n, 1, 4 ny, 4 nx)``, 0 off the disk.

        Returns
        -------
        torch.Tensor
            The corrected field, in the shape of ``field``.
        """
        observation, instrument = self._observation, self._observation.instrument
        response = (instrument.gain, instrument.weak_excess, instrument.weak_scale)
        correction = torch.zeros_like(observation.frame)
        mean = observation.observed_mean(field)
        for scale in self._scales:
            share = None
            for _ in range(scale.repeats):
                reading = respond(mean, instrument)
                misfit = scale.smooth((observation.frame - reading) * self._usable) / scale.weight
                if share is None:
                    share = 1 - scale.threshold / misfit.square().clamp(min=1e-9)
                    share = share.clamp(min=0) * self._usable
                    if not bool((share > 0).any()):
                        break
                # In HMI Gauss: the calibrated target of this step minus the calibrated observation.
                step = inverse_gain_response(reading + share * misfit, *response)
                step = (step - inverse_gain_response(reading, *response)) * self._usable
                correction = correction + step
                mean = mean + self._see(step)
        correction = _interpolate(correction)
        if observation.disk is not None:
            correction.mul_(observation.disk)
        return correction.add_(field)

    def _see(self, correction):
        """Compute what the instrument sees of an interpolated correction."""
        radius = len(self._kernel) // 2
        seen = F.pad(correction, [radius] * 4, mode="replicate")
        seen = F.conv2d(seen, self._kernel[None, None, :, None])
        return F.conv2d(seen, self._kernel[None, None, None, :])


def _interpolate(correction):
    return F.interpolate(correction, scale_factor=FACTOR, mode="bicubic", align_corners=False)
