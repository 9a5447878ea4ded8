"""Turn HMI crops into MDI-like frames, with the instrument drawn anew for each crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from sunpy_superres.instruments import FACTOR, MDI
from sunpy_superres.instruments.forward import block_mean, blur, gain_response, saturate

__all__ = ["DegradationConfig", "DegradedBatch", "degrade"]


@dataclass(frozen=True)
class DegradationConfig:
    """
    Ranges from which an instrument is drawn for each crop.

    Parameters
    ----------
    blur : tuple of float
        Gaussian sigma in HMI pixels; 2.55 is 3.0" FWHM.  Two real frames, registered on HMI with
        roll and scale, have a core of 2.0, and wings with 12 to 15 per cent of the light.
    wings : tuple of float
        Share of the light in a second, wider Gaussian, for half of the crops; the others have
        none.
    wing_blur : tuple of float
        Sigma of that second Gaussian, in MDI pixels; 2 is 9.5" FWHM.
    gain, weak_excess : tuple of float
        See `sunpy_superres.instruments.forward.gain_response`.
    weak_scale : float
        HMI Gauss; see the same function.
    noise : tuple of float
        Standard deviation in MDI Gauss, log-uniform.  The range reaches from the best frames with
        an INTERVAL of 300 s to the limb in frames with 30 s.
    noise_slope : float
        Standard deviation of the logarithm of the ratio between the noise at opposite sides of a
        crop: real frames are noisier at the limb and in some parts of the disk.
    noise_misjudged : float
        Relative error (log-normal) of the noise level that the network sees.
    saturation : tuple of float
        MDI Gauss, for half of the crops; the others use the largest value.
    offset : float
        Standard deviation of the error of the zero level, in MDI Gauss.
    limb, gaps : float
        Share of the crops with a limb, and of those with missing columns.
    resampled : float
        Share of the crops that are shifted by a fraction of a pixel after the observation, with
        bilinear interpolation, as remapped frames are.
    """

    blur: tuple[float, float] = (1.75, 3.0)
    wings: tuple[float, float] = (0.0, 0.2)
    wing_blur: tuple[float, float] = (1.6, 2.1)
    gain: tuple[float, float] = (1.28, 1.52)
    weak_excess: tuple[float, float] = (0.0, 0.16)
    weak_scale: float = MDI.weak_scale
    noise: tuple[float, float] = (6.0, 45.0)
    noise_slope: float = 0.15
    noise_misjudged: float = 0.1
    saturation: tuple[float, float] = (2200.0, 4500.0)
    offset: float = 1.0
    limb: float = 0.12
    gaps: float = 0.03
    resampled: float = 0.25


class DegradedBatch(NamedTuple):
    """
    A training batch; fields in Gauss, ``(n, 1, ny, nx)`` on the grid of MDI.

    Parameters
    ----------
    frame, mask, noise : torch.Tensor
        MDI-like frame, its good pixels, and the noise level that the network sees.
    target : torch.Tensor
        HMI field, ``(n, 1, 4 ny, 4 nx)``.
    foreshortening : torch.Tensor
        Lengths of the pixels' sides, ``(n, 2, 1, 1)``.
    """

    frame: torch.Tensor
    mask: torch.Tensor
    noise: torch.Tensor
    target: torch.Tensor
    foreshortening: torch.Tensor

    @property
    def inputs(self):
        """Tensors that the networks see, in the order of their arguments."""
        return self.frame, self.mask, self.noise, self.foreshortening


def _uniform(rng, n, low, high):
    return low + (high - low) * torch.rand(n, 1, 1, 1, generator=rng)


def _limb_mask(rng, n, size, share):
    """Draw a mask, 1 on the disk, 0 off it; the limb is a straight line through some crops."""
    angle = _uniform(rng, n, 0.0, 2 * torch.pi)
    depth = _uniform(rng, n, 0.15, 0.75) * size
    axis = torch.arange(size) - (size - 1) / 2
    along = angle.cos() * axis + angle.sin() * axis[:, None]
    cut = torch.rand(n, 1, 1, 1, generator=rng) < share
    return torch.where(cut, along < depth - size / 2, True).float()


def _slope(rng, n, size, strength):
    """Draw factors that grow exponentially in a random direction and are 1 in the middle."""
    tilt = strength * torch.randn(2, n, 1, 1, generator=rng)
    axis = torch.linspace(-0.5, 0.5, size)
    return torch.exp(tilt[0] * axis[:, None] + tilt[1] * axis)[:, None]


def _resample(reading, quarter):
    """
    Interpolate frames back from grids that are shifted by some quarters of a pixel (bilinear).

    Returns the frames, and the factors by which this lowers their noise as it is measured on real
    frames, by `~sunpy_superres.maps.noise.diagonal_differences`.
    """
    factor = torch.ones(len(reading), 1, 1, 1)
    for axis, part in zip((-2, -1), quarter, strict=True):
        part = part / 4
        weight = part.to(reading)
        reading = (1 - weight) * reading + weight * reading.roll(1, axis)
        factor = factor * ((1 - part) ** 2 + (2 * part - 1) ** 2 + part**2) / 2
    return reading, factor.sqrt()


def _shift(field, quarter):
    """Shift each crop by its own number of HMI pixels, 0 to 3 along each axis."""
    rows, columns = (q.flatten().tolist() for q in quarter)
    shifted = [
        crop.roll((-int(row), -int(column)), (-2, -1))
        for crop, row, column in zip(field, rows, columns, strict=True)
    ]
    return torch.stack(shifted)


def degrade(
    crops, config: DegradationConfig, rng: torch.Generator, margin: int, foreshortening=None
) -> DegradedBatch:
    """
    Observe each HMI crop through an MDI instrument of its own, drawn at random.

    Parameters
    ----------
    crops : torch.Tensor
        HMI field in Gauss, ``(n, 1, size, size)``, sides divisible by 4.
    config : DegradationConfig
    rng : torch.Generator
        Source of all random numbers, on the CPU.
    margin : int
        HMI pixels to cut off at each edge after the blur, divisible by 4.
    foreshortening : torch.Tensor, optional
        Lengths of the sides of the crops' pixels, ``(n, 2, 1, 1)``; 1 by default.

    Returns
    -------
    DegradedBatch
    """
    n, size = len(crops), crops.shape[-1]
    device = crops.device
    disk = _limb_mask(rng, n, size, config.limb).to(device)
    sigma = _uniform(rng, n, *config.blur).flatten()
    gain = _uniform(rng, n, *config.gain)
    excess = _uniform(rng, n, *config.weak_excess)
    level = _uniform(rng, n, *config.saturation)
    level = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, level, config.saturation[1])
    fold = _uniform(rng, n, 0.0, 0.3)
    low, high = config.noise
    noise = low * (high / low) ** torch.rand(n, 1, 1, 1, generator=rng)
    noise = noise * _slope(rng, n, size // FACTOR, config.noise_slope)
    offset = config.offset * torch.randn(n, 1, 1, 1, generator=rng)
    stated = noise * torch.exp(config.noise_misjudged * torch.randn(n, 1, 1, 1, generator=rng))
    white = torch.randn(n, 1, size // FACTOR, size // FACTOR, generator=rng)
    gaps = torch.rand(n, 1, 1, 1, generator=rng) < config.gaps
    lines = torch.rand(n, 1, 1, size // FACTOR, generator=rng) < 0.1

    moved = torch.rand(n, 1, 1, 1, generator=rng) < config.resampled
    quarter = [torch.randint(0, 4, (n, 1, 1, 1), generator=rng) * moved for _ in range(2)]

    share = _uniform(rng, n, *config.wings)
    share = share * (torch.rand(n, 1, 1, 1, generator=rng) < 0.5)
    wing = _uniform(rng, n, *config.wing_blur).flatten()

    def observe(field):
        """Blur a field by the core and the wings, and average it over MDI pixels."""
        core = block_mean(_shift(blur(field, sigma), quarter))
        wide = blur(block_mean(_shift(field, quarter)), wing)
        return torch.lerp(core, wide, share.to(core))

    target = crops * disk
    image = observe(target) / observe(disk).clamp(min=0.05)
    reading = gain_response(image, gain.to(device), excess.to(device), config.weak_scale)
    frame = saturate(reading, level.to(device), fold.to(device))
    frame, damping = _resample(frame + (offset + noise * white).to(device), quarter)
    stated = stated * damping
    mask = (block_mean(disk) > 0.5).float() * (1 - (gaps & lines).float()).to(device)
    inner = slice(margin // FACTOR, size // FACTOR - margin // FACTOR)
    fine = slice(margin, size - margin)
    mask = mask[..., inner, inner]
    return DegradedBatch(
        frame[..., inner, inner] * mask,
        mask,
        stated[..., inner, inner].to(device),
        target[..., fine, fine],
        crops.new_ones(n, 2, 1, 1) if foreshortening is None else foreshortening,
    )
