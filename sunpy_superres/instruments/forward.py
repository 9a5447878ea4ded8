"""
The instrument as a torch operator: blur, 4 x 4 averaging, gain and saturation.

The same functions simulate MDI frames, degrade training crops, and observe a
super-resolved map to test whether it agrees with its input.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from sunpy_superres.instruments import FACTOR

__all__ = [
    "block_mean",
    "blur",
    "blurred_mean",
    "gain_response",
    "inverse_gain_response",
    "observe",
    "respond",
    "saturate",
    "visible_mean",
]


#: Rows of the instrument that `blurred_mean` computes together.
_STRIP = 128


def _gaussian(sigma):
    """Return normalised kernels, ``(n, 2 radius + 1)`` in double precision, and their radius."""
    sigma = torch.as_tensor(sigma, dtype=torch.float64).reshape(-1, 1)
    radius = math.ceil(4 * float(sigma.max()))
    offset = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    return kernel / kernel.sum(1, keepdim=True), radius


def blur(field, sigma):
    """
    Convolve with a Gaussian; beyond the edges the field continues with its outermost pixels.

    Parameters
    ----------
    field : torch.Tensor
        ``(n, 1, ny, nx)``.
    sigma : float or torch.Tensor
        Standard deviation in pixels; one number for all fields, or ``(n,)``.
    """
    n = len(field)
    kernel, radius = _gaussian(torch.as_tensor(sigma).cpu().expand(n))
    kernel = kernel.to(field)
    if bool((kernel == kernel[0]).all()):
        # One kernel for all fields: they stay a batch.  Otherwise each becomes a channel.
        kernel = kernel[:1]
    groups = len(kernel)
    out = field if groups == 1 else field.transpose(0, 1)
    out = F.pad(out, (0, 0, radius, radius), mode="replicate")
    out = F.conv2d(out, kernel[:, None, :, None], groups=groups)
    out = F.pad(out, (radius, radius, 0, 0), mode="replicate")
    out = F.conv2d(out, kernel[:, None, None, :], groups=groups)
    return out if groups == 1 else out.transpose(0, 1)


def block_mean(field, factor: int = FACTOR):
    """Average each ``factor x factor`` block of ``(n, 1, ny, nx)``."""
    return F.avg_pool2d(field, factor)


def gain_response(field, gain, weak_excess, weak_scale):
    """
    Compute what MDI reads where HMI reads ``field``.

    The ratio is ``gain`` in strong field and rises by the fraction ``weak_excess``
    toward zero field, with a Gaussian of scale ``weak_scale`` (same unit as ``field``).
    """
    return field * gain * (1 + weak_excess * torch.exp(-((field / weak_scale) ** 2)))


def inverse_gain_response(reading, gain, weak_excess, weak_scale, iterations: int = 8):
    """Compute HMI's field from MDI's reading: the inverse of `gain_response`, by iteration."""
    field = reading / gain
    for _ in range(iterations):
        field = reading / (gain * (1 + weak_excess * torch.exp(-((field / weak_scale) ** 2))))
    return field


def saturate(reading, level, fold=0.0):
    """
    Lower readings that are stronger than ``level``, in either polarity.

    They become ``level`` minus ``fold`` times the excess.  MDI reads too low in umbrae above about
    3500 G, because its on-board table ends there (Liu et al. 2007).
    """
    excess = (reading.abs() - level).clamp(min=0)
    return torch.sign(reading) * (reading.abs() - (1 + fold) * excess)


def observe(field, instrument, plate_scale, visible_fraction=None, factor: int = FACTOR):
    """
    Compute the noise-free reading of an instrument.

    Parameters
    ----------
    field : torch.Tensor
        HMI Gauss, ``(n, 1, ny, nx)``, with ``ny`` and ``nx`` divisible by ``factor``;
        0 where the field is not known.
    instrument : sunpy_superres.instruments.Instrument
    plate_scale : float
        Arcsec per pixel of ``field``.
    visible_fraction : torch.Tensor, optional
        `blurred_mean` of a mask that is 1 where the field is known and 0 where it is not: off
        the disk, or where pixels are missing.  The mean is then over the known pixels.
    factor : int
        Pixels of ``field`` along one side of the instrument's pixel.
    """
    mean = visible_mean(field, instrument, plate_scale, visible_fraction, factor)
    return respond(mean, instrument)


def visible_mean(field, instrument, plate_scale, visible_fraction=None, factor: int = FACTOR):
    """
    Compute the mean field, in HMI Gauss, of which an instrument takes its reading.

    The parameters are those of `observe`.
    """
    mean = blurred_mean(field, instrument, plate_scale, factor)
    if visible_fraction is not None:
        mean = mean / visible_fraction.clamp(min=0.05)
    return mean


def respond(mean, instrument):
    """
    Compute what an instrument reads where the field, blurred and averaged over its pixel, is known.

    Parameters
    ----------
    mean : torch.Tensor
        HMI Gauss.
    instrument : sunpy_superres.instruments.Instrument
    """
    reading = gain_response(mean, instrument.gain, instrument.weak_excess, instrument.weak_scale)
    return saturate(reading, instrument.saturation)


def blurred_mean(field, instrument, plate_scale, factor: int = FACTOR, step: int | None = None):
    """
    Blur a field as an instrument does, and average it over the instrument's pixel.

    The result is that of `block_mean` after `blur`, in one strided convolution along each axis.

    Parameters
    ----------
    field : torch.Tensor
        ``(n, 1, ny, nx)``, with ``ny`` and ``nx`` divisible by ``factor``.
    instrument : sunpy_superres.instruments.Instrument
    plate_scale : float
        Arcsec per pixel of ``field``.
    factor : int
        Pixels of ``field`` along one side of the instrument's pixel.
    step : int, optional
        Pixels of ``field`` from one mean to the next; ``factor`` by default.
    """
    step = factor if step is None else step
    kernel, radius = _gaussian(instrument.blur_sigma(plate_scale))
    kernel = F.conv_transpose1d(kernel[None], torch.full((1, 1, factor), 1 / factor).double())
    kernel = kernel.reshape(-1).to(field)
    length, out = field.shape[-2], []
    rows = (length - factor) // step + 1
    # In strips of rows, which need little memory beside the field.
    for row in range(0, rows, _STRIP):
        first, last = row * step, (min(row + _STRIP, rows) - 1) * step + factor
        strip = field[..., max(0, first - radius) : last + radius, :]
        beyond = (0, 0, max(0, radius - first), max(0, last + radius - length))
        strip = F.pad(strip, beyond, mode="replicate")
        strip = F.conv2d(strip, kernel[None, None, :, None], stride=(step, 1))
        strip = F.pad(strip, (radius, radius, 0, 0), mode="replicate")
        out.append(F.conv2d(strip, kernel[None, None, None, :], stride=(1, step)))
    return torch.cat(out, dim=-2)
